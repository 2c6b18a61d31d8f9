"""Tier (a): projected people with BlazePose's errors, faster than a network can learn them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints, PosedPoints
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.observe import in_front, MIN_PELVIS, NEAREST, observe
from metrichmsr_ros.data.people.physique import draw_growth, draw_marks, grown_height
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.scene import draw_lenses, place
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.data.people.view import rate_view
from metrichmsr_ros.data.people.world_landmarks import WorldLandmarks
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.image_evidence import ImageEvidence

Batch: TypeAlias = tuple[Evidence | ImageEvidence, Target]
SampleBatch: TypeAlias = Callable[[int, torch.Generator], Batch]

_MAX_CROP = 3.5  # sides of the image
_HEADLESS = 0.3  # of those whose face is cut off: a detector finds few of them
_HINGES = (4, 5, 18, 19)
_OVERSAMPLE = 1.6


class DrawnPeople(NamedTuple):
    """B people before B cameras.

    Attributes:
        target: The truth.
        lenses: The cameras.
        R_cam_world: Axes of a world with y up in the camera's, (B, 3, 3).
    """

    target: Target
    lenses: Lenses
    R_cam_world: Tensor


class PeopleSampler:
    """Draws training pairs; everything that can be prepared is."""

    def __init__(
        self,
        config: SampleConfig | None = None,
        *,
        body: BodyModel | None = None,
        bank: PoseBank | None = None,
        device: torch.device | str = 'cpu',
    ) -> None:
        """Prepare the poses and the body.

        Args:
            config: What to draw.
            body: Body of the people; the default one if None.
            bank: Poses instead of the procedural ones and ``config.motions``.
            device: Where to draw.

        Raises:
            ValueError: A folder of ``config.motions`` has no motions or broken ones.
        """
        self.config = config or SampleConfig()
        body = body or BodyModel.load()
        self.points = BodyPoints(body).to(device)
        self._world_landmarks = WorldLandmarks.load().to(device)
        self._face = body.blazepose(body.v_template)[:11].to(device)
        if bank is not None:
            self._banks = [(1.0, bank.to(device))]
        else:
            self._banks = _banks(self.config, body, device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> tuple[Evidence, Target]:
        """Draw ``n`` people.

        Args:
            n: How many.
            generator: On this sampler's device; its state decides everything.

        Raises:
            ValueError: ``n`` is not positive.
        """
        if n <= 0:
            raise ValueError(f'n={n} people, must be positive')
        targets, lenses, found = [], [], 0
        while found < n:
            drawn = self.draw_people(int((n - found) * _OVERSAMPLE) + 8, generator)
            targets.append(drawn.target)
            lenses.append(drawn.lenses)
            found += len(drawn.target)
        names = vars(targets[0])
        target = Target(
            **{name: torch.cat([getattr(t, name) for t in targets])[:n] for name in names}
        )
        lens = Lenses.joined(lenses)[:n]
        return self._observe(Draws(n, generator), target, lens), target

    def _observe(self, draws: Draws, target: Target, lenses: Lenses) -> Evidence:
        return observe(draws, self.config, target, lenses, self._world_landmarks)

    @torch.no_grad()
    def draw_people(self, n: int, generator: torch.Generator) -> DrawnPeople:
        """Draw people before cameras; fewer than ``n``, for some are hardly in the image."""
        config, draws = self.config, Draws(n, generator)
        pose = self._draw_poses(draws)
        shape = draw_shapes(draws, config.children)
        heading = torch.zeros(n, 3, device=draws.device)
        heading[:, 1] = draws.uniform(-torch.pi, torch.pi)
        rotations = rotation_matrices(pose)
        root = rotation_matrices(heading) @ rotations[:, 0]
        rotations = torch.cat([root[:, None], rotations[:, 1:]], 1)
        height = self.points.body.heights(shape)
        moved = None
        if config.physique > 0:
            moved = self._draw_physique(draws, shape, height)
            height = grown_height(height, moved.joints)
        joints, landmarks = self.points(rotations, shape, moved=moved)
        lenses = draw_lenses(draws, config)
        placed = place(draws, config, lenses, landmarks, height)
        R, pelvis = placed.R_cam_world, placed.pelvis
        rotations = torch.cat([(R @ root)[:, None], rotations[:, 1:]], 1)
        joints, landmarks = (
            points @ R.transpose(-1, -2) + pelvis[:, None] for points in (joints, landmarks)
        )
        pixels = lenses.project(in_front(landmarks))
        valid = lenses.inside(pixels) & (landmarks[..., 2] > NEAREST)
        extent = (pixels - pixels[:, [23, 24]].mean(1, keepdim=True)).norm(dim=-1).amax(-1)
        kept = (
            (valid.sum(-1) >= config.min_inside)
            & valid[:, [11, 12]].any(-1)
            & (valid[:, 0] | draws.chance(_HEADLESS))
            & (pelvis[:, 2] > MIN_PELVIS)
            & (
                draws.uniform(0.0, 1.0)
                >= min(config.noise, 1.0) * rate_view(landmarks, valid).lost
            )
            & (2.5 * extent >= config.min_pixels)
            & (2.5 * extent <= _MAX_CROP * lenses.size.amax(-1))
            & torch.isfinite(pixels).all(-1).all(-1)
        )
        target = Target(rotations, shape, pelvis, joints, landmarks, height, valid)
        return DrawnPeople(target[kept], lenses[kept], R[kept])

    def _draw_poses(self, draws: Draws) -> Tensor:
        config = self.config
        pose: Tensor | None = None
        for share, bank in self._banks:
            drawn = bank.draw(
                draws.n,
                draws.generator,
                mixed=config.mixed,
                mirrored=config.mirrored,
                blended=config.blended,
            )
            chosen = draws.chance(share)[:, None, None]
            pose = drawn if pose is None else torch.where(chosen, drawn, pose)
        assert pose is not None
        noise = torch.deg2rad(config.joint_noise * draws.normal(24, 3)) / 3**0.5
        # A hinge has one axis: across it, only little.
        noise[:, _HINGES] = noise[:, _HINGES] * 0.5
        return pose + noise

    def _draw_physique(self, draws: Draws, shape: Tensor, height: Tensor) -> PosedPoints:
        """Draw how far joints and landmarks of people lie from the model's at rest, metres."""
        growth = self.config.physique * draw_growth(draws, self.points.body.rest_joints(shape))
        return PosedPoints(growth, draw_marks(draws, growth, height, self._face))


def draw_shapes(draws: Draws, children: float) -> Tensor:
    """Draw β, (B, 10): mostly adults, a share of children and teenagers."""
    spread = draws.device_tensor([0.67, *[0.95] * 9])
    shape = (draws.normal(10) * spread).clamp(-2.8, 2.8)
    child = draws.chance(children)
    small = draws.uniform(-4.5, -0.8)
    shape[:, 0] = torch.where(child, small, shape[:, 0])
    return shape


@lru_cache(maxsize=2)
def _sampler(config: SampleConfig, device: str) -> PeopleSampler:
    return PeopleSampler(config, device=device)


def sample_batch(
    n: int, generator: torch.Generator, config: SampleConfig | None = None
) -> tuple[Evidence, Target]:
    """Draw ``n`` training pairs of the default body.

    Args:
        n: How many.
        generator: Decides everything, device included.
        config: What to draw; the poses of the last two are kept.

    Returns:
        What BlazePose would say, and the truth.
    """
    return _sampler(config or SampleConfig(), str(generator.device)).sample(n, generator)


def _banks(
    config: SampleConfig, body: BodyModel, device: torch.device | str
) -> list[tuple[float, PoseBank]]:
    banks = [(1.0, PoseBank.procedural(config.poses, config.pose_seed, body=body).to(device))]
    if config.motions:
        banks.append((config.motion_share, PoseBank.from_motions(config.motions).to(device)))
    return banks
