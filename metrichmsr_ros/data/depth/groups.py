"""Groups of people before one camera, and what the network makes of them.

The first of a group is drawn with a camera as tier (a) draws people; the others are people of
other cameras, put onto the same floor within view. Letters: B cameras, N people, V vertices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.observe import in_front, NEAREST, observe
from metrichmsr_ros.data.people.sample import DrawnPeople, PeopleSampler
from metrichmsr_ros.data.people.target import joined, Target
from metrichmsr_ros.data.people.world_landmarks import WorldLandmarks
from metrichmsr_ros.models.depth_refiner_input import grid_size
from metrichmsr_ros.models.metric_hmr import MetricHMR

OTHERS = 2  # beside the first, at most
_SOLE = 0.03  # metres from the lowest landmark to the floor
_DISTANCE = (1.2, 8.0)  # metres from the camera to the others, along the floor
_APART = 0.6  # metres between pelvises
_LEAST_INSIDE = 9  # landmarks in the image


@dataclass(frozen=True)
class Groups:
    """N people before B cameras, the cameras' first people first.

    Attributes:
        lenses: The cameras.
        R_cam_world: Axes of worlds with y up in the cameras', (B, 3, 3).
        origin: Camera centres in worlds with the floor at 0, (B, 3), metres.
        camera: Whose image each is in, (N,) integers.
        joints: SMPL joints in the camera frame, (N, 24, 3), metres.
        surface: Skin in the camera frame, (N, V, 3), metres.
        estimate: The same as the network sees it, (N, V, 3), metres.
        sigma: Of the estimated distance, as the network has it, over the distance, (N,).
    """

    lenses: Lenses
    R_cam_world: Tensor
    origin: Tensor
    camera: Tensor
    joints: Tensor
    surface: Tensor
    estimate: Tensor
    sigma: Tensor


class GroupSampler:
    """Draws groups; everything that can be prepared is."""

    def __init__(self, config: SampleConfig, *, body: BodyModel, network: MetricHMR) -> None:
        """Prepare the poses.

        Args:
            config: Of people and cameras; ``physique`` is taken for 0, as what is rendered is the
                body itself.
            body: Of the people, that of the network.
            network: Estimates them.
        """
        self._config = replace(config, physique=0.0)
        self._sampler = PeopleSampler(self._config, body=body)
        self._world_landmarks = WorldLandmarks.load()
        self._body, self._network = body, network.eval()

    @torch.inference_mode()
    def draw(
        self, n: int, generator: torch.Generator, *, size: tuple[int, int] | None = None
    ) -> Groups:
        """Draw some groups, less than ``n``: some people are hardly in their images.

        Args:
            n: How many are tried.
            generator: On the CPU; its state decides everything.
            size: Only cameras whose ``grid_size`` this is.
        """
        first = self._first(n, generator, size)
        count = len(first.target)
        camera, target = torch.arange(count), first.target
        origin = _origins(first)
        for _ in range(OTHERS):
            drawn = self._sampler.draw_people(2 * count + 16, generator)
            number = min(count, len(drawn.target))
            found = _beside(Draws(number, generator), first, origin, drawn)
            free = _apart(found.pelvis, target.pelvis, camera) & _in_view(found)
            camera = torch.cat([camera, torch.arange(number)[free]])
            target = joined([target, found[free]])
        lenses = first.lenses[camera]
        evidence = observe(
            Draws(len(camera), generator), self._config, target, lenses, self._world_landmarks
        )
        prediction = self._network(evidence)
        return Groups(
            lenses=first.lenses,
            R_cam_world=first.R_cam_world,
            origin=origin,
            camera=camera,
            joints=target.joints,
            surface=self._surface(target),
            estimate=prediction.vertices(self._body),
            sigma=prediction.pelvis_log_sigma[:, 0].exp() / prediction.pelvis.norm(dim=-1),
        )

    def _first(
        self, n: int, generator: torch.Generator, size: tuple[int, int] | None
    ) -> DrawnPeople:
        first = self._sampler.draw_people(n, generator)
        if size is None:
            return first
        sizes = first.lenses.size.int().tolist()
        kept = torch.tensor([grid_size(*own) == size for own in sizes], dtype=torch.bool)
        return DrawnPeople(first.target[kept], first.lenses[kept], first.R_cam_world[kept])

    def _surface(self, target: Target) -> Tensor:
        translation = target.pelvis - self._body.rest_joints(target.shape)[:, 0]
        return self._body.posed(target.rotations, target.shape, translation).vertices


def _origins(people: DrawnPeople) -> Tensor:
    """Return camera centres over the floors of their people, (B, 3)."""
    lowest = (people.target.landmarks @ people.R_cam_world)[..., 1].amin(-1)
    zero = torch.zeros_like(lowest)
    return torch.stack([zero, _SOLE - lowest, zero], -1)


def _beside(draws: Draws, first: DrawnPeople, origin: Tensor, drawn: DrawnPeople) -> Target:
    """Put the first people drawn before the first cameras, wherever they look."""
    n = draws.n
    R_own, R = drawn.R_cam_world[:n], first.R_cam_world[:n]
    lenses, origin, other = first.lenses[:n], origin[:n], drawn.target[:n]
    heading = torch.zeros(n, 3)
    heading[:, 1] = draws.uniform(-torch.pi, torch.pi)
    turn = R @ rotation_matrices(heading) @ R_own.mT  # own camera's axes to the new one's
    joints, landmarks = (
        (points - other.pelvis[:, None]) @ turn.mT for points in (other.joints, other.landmarks)
    )
    column = draws.uniform(0.05, 0.95) * lenses.size[:, 0]
    ray, _ = lenses.unproject(torch.stack([column, lenses.centre[:, 1]], -1)[:, None])
    level = (ray @ R)[:, 0] * torch.tensor([1.0, 0.0, 1.0])
    level = torch.nn.functional.normalize(level, dim=-1)
    place = origin + level * draws.log_uniform(*_DISTANCE)[:, None]
    place[:, 1] = _SOLE - (landmarks @ R)[..., 1].amin(-1)
    pelvis = ((place - origin)[:, None] @ R.mT)[:, 0]
    joints, landmarks = joints + pelvis[:, None], landmarks + pelvis[:, None]
    pixels = lenses.project(in_front(landmarks))
    valid = lenses.inside(pixels) & (landmarks[..., 2] > NEAREST)
    rotations = torch.cat([(turn @ other.rotations[:, 0])[:, None], other.rotations[:, 1:]], 1)
    return Target(rotations, other.shape, pelvis, joints, landmarks, other.height, valid)


def _in_view(target: Target) -> Tensor:
    near = target.landmarks[..., 2].amin(-1) < 2 * NEAREST
    return (target.valid2d.sum(-1) >= _LEAST_INSIDE) & ~near


def _apart(pelvis: Tensor, others: Tensor, camera: Tensor) -> Tensor:
    """Whether each new person has room among those who are before the same camera, (n,) bool."""
    distance = torch.cdist(pelvis, others)
    same = torch.arange(len(pelvis))[:, None] == camera
    return (distance.masked_fill(~same, torch.inf) > _APART).all(-1)
