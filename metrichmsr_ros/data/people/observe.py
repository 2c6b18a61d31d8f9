"""What BlazePose would say of sampled people before their cameras."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.crops import draw_rois, frame_places, HIPS, to_crop, to_image
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.noise import (
    depth_gain,
    disturb_depth,
    disturb_world,
    draw_image_noise,
    occlude,
    swap_sides,
)
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.data.people.view import rate_view
from metrichmsr_ros.data.people.world_landmarks import WorldLandmarks
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import Evidence, RAY_MAP_SIZE

NEAREST = 0.2  # metres before the camera; what is nearer is drawn there
MIN_PELVIS = 0.35
_MAX_OFF = 0.8  # sides of the crop from its centre: BlazePose puts nothing farther out


class _Reading(NamedTuple):
    """Of B people, in the crop's axes; what is not given is known for certain.

    Attributes:
        places: Landmarks, (B, 33, 2), crop sides from the crop's centre.
        world: World landmarks, (B, 33, 3), metres.
        depth: As ``Evidence.relative_depth``, (B, 33).
        visibility: (B, 33).
        presence: (B, 33).
        score: (B,).
    """

    places: Tensor
    world: Tensor
    depth: Tensor
    visibility: Tensor = torch.ones(())
    presence: Tensor = torch.ones(())
    score: Tensor = torch.ones(())


def observe(
    draws: Draws,
    config: SampleConfig,
    target: Target,
    lenses: Lenses,
    world_landmarks: WorldLandmarks,
) -> Evidence:
    """Return what BlazePose would say of B people.

    Args:
        draws: Random numbers.
        config: How crops are cut, and how much BlazePose errs.
        target: The people.
        lenses: Their cameras.
        world_landmarks: What BlazePose makes of poses.
    """
    pixels = lenses.project(in_front(target.landmarks))
    rois = draw_rois(draws, config, pixels)
    places = to_crop(rois, pixels)
    frame_rays, _ = lenses.unproject(to_image(rois, frame_places(places)))
    frame, width = crop_frame(frame_rays[:, :4]), crop_width(target, frame_rays)
    world = target.landmarks - target.landmarks[:, HIPS].mean(1, keepdim=True)
    world = world @ frame.axes
    reading = _Reading(places, world, depth_gain() * world[..., 2] / width[:, None])
    if config.noise > 0:
        reading = _disturbed(
            draws,
            reading,
            target,
            side=rois[:, 2],
            width=width,
            strength=config.noise,
            world_landmarks=world_landmarks,
        )
    rays, solved = lenses.unproject(to_image(rois, reading.places))
    known = solved.float()
    return Evidence(
        rays=rays,
        relative_depth=reading.depth * known,
        world=reading.world @ frame.roll * known[..., None],
        visibility=reading.visibility * known,
        presence=reading.presence * known,
        score=reading.score.to(known).expand(len(target)),
        crop_rays=frame_rays[:, :4],
        ray_map=frame_rays[:, 4:].unflatten(1, (RAY_MAP_SIZE, -1)).movedim(3, 1).contiguous(),
    )


def _disturbed(
    draws: Draws,
    truth: _Reading,
    target: Target,
    *,
    side: Tensor,
    width: Tensor,
    strength: float,
    world_landmarks: WorldLandmarks,
) -> _Reading:
    """Return a reading with BlazePose's errors.

    Args:
        draws: Random numbers.
        truth: A reading without.
        target: The people.
        side: Of the crops, (B,), pixels.
        width: Of the crops where the people are, (B,), metres.
        strength: Factor on all errors.
        world_landmarks: What BlazePose makes of poses.
    """
    places = truth.places
    outside = ~target.valid2d | (places.abs() > 0.5).any(-1)
    hidden = occlude(draws, places, truth.world[..., 2] / width[:, None])
    view = rate_view(target.landmarks, target.valid2d)
    noise = draw_image_noise(draws, hidden, outside, side, view.log_error)
    shift = strength * noise.shift
    world, size = disturb_world(
        draws,
        truth.world,
        width[:, None, None] * shift,
        height=target.height,
        view=view,
        share=strength * noise.share.sqrt(),
        model=world_landmarks,
    )
    depth = disturb_depth(draws, world, size, width, strength)
    places = swap_sides(draws, places + shift, noise.doubt).clamp(-_MAX_OFF, _MAX_OFF)
    return _Reading(places, world, depth, noise.visibility, noise.presence, noise.score)


def in_front(points: Tensor) -> Tensor:
    """Move points that no camera can see to just before it: their pixels are far off."""
    return torch.cat([points[..., :2], points[..., 2:].clamp(min=NEAREST)], -1)


def crop_width(target: Target, crop_rays: Tensor) -> Tensor:
    """Return the metres across the crop at the person's depth, (B,).

    Args:
        target: The people.
        crop_rays: Through corners of their crops, the upper left and right first, (B, K, 3).
    """
    middle = target.landmarks[:, HIPS, 2].mean(1).clamp(min=MIN_PELVIS)
    return (crop_rays[:, 1] - crop_rays[:, 0]).norm(dim=-1) * middle
