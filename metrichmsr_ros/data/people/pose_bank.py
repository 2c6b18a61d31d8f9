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

_LOWER = ('pelvis', 'hip', 'knee', 'ankle', 'foot')
LOWER_BODY: tuple[int, ...] = tuple(
    index for index, name in enumerate(JOINT_NAMES) if name.split('_')[-1] in _LOWER
)
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

    def draw(self, n: int, generator: torch.Generator, *, mixed: float, mirrored: float) -> Tensor:
        """Draw poses.

        Args:
            n: How many.
            generator: On the poses' device.
            mixed: Share that takes legs and root from one pose and the rest from another.
            mirrored: Share that is mirrored.

        Returns:
            θ, (n, 24, 3), radians.
        """
        device = self.poses.device

        def chance(share: float) -> Tensor:
            return torch.rand(n, generator=generator, device=device) < share

        pick = torch.randint(len(self), (2, n), generator=generator, device=device)
        pose, upper = self.poses[pick[0]], self.poses[pick[1]]
        is_upper = torch.ones(24, dtype=torch.bool, device=device)
        is_upper[list(LOWER_BODY)] = False
        swapped = chance(mixed)[:, None, None] & is_upper[:, None]
        pose = torch.where(swapped, upper, pose)
        return torch.where(chance(mirrored)[:, None, None], mirror(pose), pose)


def mirror(pose: Tensor) -> Tensor:
    """Return θ (..., 24, 3) of the person in a mirror: left and right swapped."""
    return pose[..., list(MIRRORED), :] * pose.new_tensor([1.0, -1.0, -1.0])
