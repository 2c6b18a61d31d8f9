"""The people of the pictures: drawn as tier (a) draws them, with their surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.crops import draw_rois
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.observe import in_front
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.target import Target


@dataclass(frozen=True)
class People:
    """B people before B cameras.

    Attributes:
        target: The truth.
        lenses: The cameras.
        rois: Crops about them as BlazePose's tracking has them, (B, 4).
        R_cam_world: World axes (y up) in the camera's, (B, 3, 3).
        surface: Skin in the camera frame, (B, V, 3), metres.
    """

    target: Target
    lenses: Lenses
    rois: Tensor
    R_cam_world: Tensor
    surface: Tensor

    def __len__(self) -> int:
        return len(self.target)


@torch.no_grad()
def draw_people(
    n: int, generator: torch.Generator, *, sampler: PeopleSampler, body: BodyModel
) -> People:
    """Draw people; fewer than ``n``, for some are hardly in the image."""
    target, lenses, R_cam_world = sampler.draw_people(n, generator)
    pixels = lenses.project(in_front(target.landmarks))
    rois = draw_rois(Draws(len(target), generator), sampler.config, pixels)
    return People(target, lenses, rois, R_cam_world, _surface(body, target))


def _surface(body: BodyModel, target: Target) -> Tensor:
    """Return the vertices of the bodies in the camera frame, (B, V, 3)."""
    translation = target.pelvis - body.rest_joints(target.shape)[:, 0]
    return body.posed(target.rotations, target.shape, translation).vertices
