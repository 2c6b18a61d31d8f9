"""The poses that people are drawn from: procedural, from motion files, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX, JOINT_NAMES
from metrichmsr_ros.data.people.procedural import procedural_poses

_LEGS = ('pelvis', 'hip', 'knee', 'ankle', 'foot')
_ARM = ('collar', 'shoulder', 'elbow', 'wrist', 'hand')


def _part(name: str) -> int:
    side, _, joint = name.rpartition('_')
    if joint in _LEGS:
        return 0
    return 1 if joint not in _ARM else 2 if side == 'left' else 3


# Of each joint: legs and root, trunk and head, left arm, right arm.
BODY_PARTS: tuple[int, ...] = tuple(_part(name) for name in JOINT_NAMES)
_NUM_PARTS = 4
MIRRORED: tuple[int, ...] = tuple(
    JOINT_INDEX[name.replace('left', '#').replace('right', 'left').replace('#', 'right')]
    for name in JOINT_NAMES
)


@dataclass(frozen=True)
class PoseBank:
    """Poses to draw from.

    Attributes:
        poses: Axis-angle θ, (N, 24, 3) float32, radians; joint 0 turns body axes into a world
            with y up, at any heading.
    """

    poses: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.poses.shape)
        if len(shape) != 3 or shape[1:] != (24, 3) or not shape[0]:
            raise ValueError(f'poses have shape {shape}, must be (N, 24, 3) with N > 0')
        if not bool(torch.isfinite(self.poses).all()):
            raise ValueError('poses must be finite')

    def __len__(self) -> int:
        return len(self.poses)

    @classmethod
    def procedural(cls, n: int, seed: int = 0, *, body: BodyModel | None = None) -> PoseBank:
        """Draw ``n`` everyday poses without any data; the same seed gives the same poses."""
        return cls(torch.from_numpy(procedural_poses(n, body or BodyModel.load(), seed=seed)))

    @classmethod
    def from_motions(
        cls, folders: Sequence[str | PathLike[str]], *, rate: float = 10.0
    ) -> PoseBank:
        """Read the motion files of folders, subfolders included.

        Args:
            folders: AMASS ``.npz``, CMU ``.asf`` and ``.amc``, ``.bvh``, DeepMimic ``.txt``.
            rate: Poses taken per second of motion.

        Raises:
            ValueError: A folder has no motion file, or a file breaks its format.
        """
        from metrichmsr_ros.data.motions import read_folder  # only who has motions needs readers

        motions = [motion for folder in folders for motion in read_folder(folder)]
        return cls(
            torch.cat([torch.from_numpy(motion.resampled(rate).pose) for motion in motions])
        )

    def joined(self, other: PoseBank) -> PoseBank:
        """Return the poses of both."""
        return PoseBank(torch.cat([self.poses, other.poses]))

    def to(self, device: torch.device | str) -> PoseBank:
        """Return the same poses on ``device``."""
        return PoseBank(self.poses.to(device))

    def draw(
        self,
        n: int,
        generator: torch.Generator,
        *,
        mixed: float,
        mirrored: float,
        blended: float = 0.0,
    ) -> Tensor:
        """Draw poses.

        Args:
            n: How many.
            generator: On the poses' device.
            mixed: Share that takes each of ``BODY_PARTS`` from a pose of its own.
            mirrored: Share that is mirrored.
            blended: Share whose parts lie anywhere between those of two poses; the root does not.

        Returns:
            θ, (n, 24, 3), radians.
        """
        device = self.poses.device
        part = torch.tensor(BODY_PARTS, device=device)

        def chance(share: float) -> Tensor:
            return torch.rand(n, 1, generator=generator, device=device) < share

        def drawn() -> Tensor:
            pick = torch.randint(len(self), (n, _NUM_PARTS), generator=generator, device=device)
            pick = torch.where(chance(mixed), pick, pick[:, :1])[:, part]
            return self.poses[pick, torch.arange(24, device=device)]

        pose = drawn()
        if blended > 0:
            share = torch.rand(n, _NUM_PARTS, generator=generator, device=device)
            share = (share * chance(blended))[:, part]
            share[:, 0] = 0
            pose = torch.lerp(pose, drawn(), share.unsqueeze(-1))
        return torch.where(chance(mirrored)[..., None], mirror(pose), pose)


def mirror(pose: Tensor) -> Tensor:
    """Return θ (..., 24, 3) of the person in a mirror: left and right swapped."""
    return pose[..., list(MIRRORED), :] * pose.new_tensor([1.0, -1.0, -1.0])
