"""What the depth refiner learns from: scenes with priors that err, brought near by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.data.depth.corruption import (
    PriorErrors,
    spoil_depth,
    spoilt_floor,
)
from metrichmsr_ros.data.depth.looks import change_looks
from metrichmsr_ros.data.depth.scenes import DepthScene
from metrichmsr_ros.data.depth.shards import DepthScenes
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.models.depth_refiner_input import anchor_maps
from metrichmsr_ros.perception.affine_field import corrected
from metrichmsr_ros.perception.anchors import Anchors, LEAST_SIGMA, surface_anchors
from metrichmsr_ros.perception.depth_refinement import Expected, fit_affine
from metrichmsr_ros.perception.depth_sources.base import NETWORK_SCALE_SIGMA, NETWORK_SHIFT_SIGMA
from metrichmsr_ros.perception.depth_sources.ground_plane import SCALE_SIGMA, SHIFT_SIGMA

EDGE = 1  # of the refiner's pixels along outlines
_STRENGTH = (0.3, 1.6)  # factor on all errors of a prior
_UNIT = 3.0  # a relative prior's unit is within this factor of a metre
_TRIES = 3


@dataclass(frozen=True)
class ExampleConfig:
    """Shares of the priors.

    Attributes:
        relative: In an unknown unit.
        ground: The floor under a camera whose height and tilt are a little wrong; the rest of the
            priors are monocular ones in metres that are not quite metres.
        holes: Of the others, with parts unknown.
    """

    relative: float = 0.15
    ground: float = 0.2
    holes: float = 0.25

    def __post_init__(self) -> None:
        for item in fields(self):
            if not 0 <= getattr(self, item.name) <= 1:
                raise ValueError(f'{item.name}={getattr(self, item.name)} must be within 0..1')
        if self.relative + self.ground > 1:
            raise ValueError(f'relative + ground = {self.relative + self.ground}, at most 1')


class Example(NamedTuple):
    """One scene, or B of them as tensors.

    Attributes:
        image: (3, H, W) uint8, RGB.
        prior_z: The prior, (H, W) float32, NaN where unknown.
        depth_z: The same after one factor and one shift.
        anchor_z: What people say, (H, W) float32, metres, NaN where they say nothing.
        anchor_sigma: Of their distance, over it, (H, W) float32.
        rays: x and y of rays with z = 1, (2, H, W) float32.
        true_z: (H, W) float32, metres, NaN where it is unknown or not to be learnt.
    """

    image: np.ndarray | Tensor
    prior_z: np.ndarray | Tensor
    depth_z: np.ndarray | Tensor
    anchor_z: np.ndarray | Tensor
    anchor_sigma: np.ndarray | Tensor
    rays: np.ndarray | Tensor
    true_z: np.ndarray | Tensor


def draw_batch(
    groups: Sequence[DepthScenes],
    n: int,
    rng: np.random.Generator,
    config: ExampleConfig,
) -> Example:
    """Return n examples of one size as tensors, fewer where people say nothing sound.

    Args:
        groups: Scenes by size.
        n: How many scenes are drawn.
        rng: Random numbers.
        config: Shares.
    """
    counts = np.array([len(group) for group in groups])
    while True:
        group = groups[rng.choice(len(groups), p=counts / counts.sum())]
        drawn = rng.integers(len(group), size=n)
        made = [make_example(group[int(i)], rng, config) for i in drawn]
        found = [example for example in made if example is not None]
        if found:
            return Example(
                *(torch.from_numpy(np.stack(parts)) for parts in zip(*found, strict=True))
            )


def make_example(
    scene: DepthScene, rng: np.random.Generator, config: ExampleConfig
) -> Example | None:
    """Give a scene a prior; None where the people in it say nothing sound.

    Args:
        scene: May be mirrored.
        rng: Random numbers.
        config: Shares.
    """
    if rng.uniform() < 0.5:
        scene = mirrored(scene)
    for _ in range(_TRIES):
        kind = rng.uniform()
        if kind < config.ground:
            prior, anchors = _floor(scene, rng)
            expected = Expected.of_scene(prior, SCALE_SIGMA, SHIFT_SIGMA)
        else:
            metric = kind > config.ground + config.relative
            prior = _monocular(scene, rng, metric=metric, holes=config.holes)
            expected = Expected()
            if metric:
                expected = Expected.of_scene(prior, NETWORK_SCALE_SIGMA, NETWORK_SHIFT_SIGMA)
            anchors = surface_anchors(
                prior,
                MeshDepth(scene.mesh_z, scene.person.astype(np.int16)),
                _sigmas(scene),
                edge=EDGE,
            )
        fit = fit_affine(anchors, expected)
        if fit is not None:
            scene = replace(scene, image=change_looks(scene.image, rng))
            return _example(scene, prior, anchors, fit, on_floor=kind < config.ground)
    return None


def mirrored(scene: DepthScene) -> DepthScene:
    """Return a scene with left and right swapped."""
    rays = scene.rays[..., ::-1] * np.array([[[-1]], [[1]]], np.float32)
    soles = scene.soles.copy()
    soles[..., 1] = scene.depth_z.shape[1] - 1 - soles[..., 1]
    flipped: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(scene, name)[:, ::-1])
        for name in ('image', 'depth_z', 'seen', 'mesh_z', 'person')
    }
    down = scene.down * np.array([-1, 1, 1], np.float32)
    return replace(scene, rays=rays, soles=soles, down=down, **flipped)


def _example(
    scene: DepthScene,
    prior: np.ndarray,
    anchors: Anchors,
    fit: tuple[float, float],
    *,
    on_floor: bool,
) -> Example:
    anchor_z, anchor_sigma = anchor_maps(
        anchors.row, anchors.column, anchors.mesh_z, anchors.sigma, prior.shape
    )
    true_z = scene.depth_z
    if on_floor:  # the node puts the people in front of a floor
        true_z = np.where(scene.seen < 0, true_z, np.float32(np.nan))
    return Example(
        image=np.moveaxis(scene.image, -1, 0),
        prior_z=prior,
        depth_z=corrected(prior, np.float32(fit[0]), np.float32(fit[1])),
        anchor_z=anchor_z,
        anchor_sigma=anchor_sigma,
        rays=scene.rays,
        true_z=true_z,
    )


def _monocular(
    scene: DepthScene, rng: np.random.Generator, *, metric: bool, holes: float
) -> np.ndarray:
    usual, strength = PriorErrors(), rng.uniform(*_STRENGTH)
    scaled = {
        name: strength * getattr(usual, name)
        for name in ('scale', 'shift', 'warp', 'tilt', 'flattening', 'blur_px')
    }
    errors = replace(usual, warp_cells=int(rng.integers(2, 7)), **scaled)
    prior = spoil_depth(scene.depth_z, rng, errors)
    if not metric:
        prior = prior * np.float32(np.exp(rng.uniform(-1, 1) * np.log(_UNIT)))
    if rng.uniform() < holes:
        coarse = rng.normal(size=(8, 8)).astype(np.float32)
        field = cv2.resize(coarse, prior.shape[::-1], interpolation=cv2.INTER_CUBIC)
        prior = np.where(field < rng.uniform(0.3, 1.5), prior, np.float32(np.nan))
    return prior


def _floor(scene: DepthScene, rng: np.random.Generator) -> tuple[np.ndarray, Anchors]:
    """Return the depth of a floor whose height and tilt are a little wrong, and its anchors."""
    rays = np.moveaxis(np.concatenate([scene.rays, np.ones_like(scene.rays[:1])]), 0, -1)
    prior = spoilt_floor(rays, rng, down=scene.down, height=scene.height)
    person, which = np.nonzero(np.isfinite(scene.soles[..., 0]))
    points = scene.soles[person, which]
    row, column = points[:, 0].astype(int), points[:, 1].astype(int)
    known = np.isfinite(prior[row, column])
    anchors = Anchors(
        prior[row, column], points[:, 2], person, row, column, _sigmas(scene)[person]
    )
    return prior, anchors.select(known)


def _sigmas(scene: DepthScene) -> np.ndarray:
    return np.maximum(np.nan_to_num(scene.sigma, nan=1.0), LEAST_SIGMA)
