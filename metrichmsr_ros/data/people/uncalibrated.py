"""Sampled people whose evidence does not know the camera that saw them, for the ablation of rays.

The people, their pixels and all errors are those of ``PeopleSampler`` with the same generator.
What the evidence says of directions is made again with the camera that is assumed where there is
no calibration (``Camera.uncalibrated``): the focal length is the longer side of the image, the
principal point its centre, and the lens has no distortion. It then depends on pixels alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.models.evidence import Evidence


class UncalibratedPeople(PeopleSampler):
    """Draws people whose camera is unknown; with ``exact_ray_map`` the ray map alone knows it."""

    def __init__(self, *args: Any, exact_ray_map: bool = False, **options: Any) -> None:
        """Prepare as ``PeopleSampler`` does.

        Args:
            args: Of ``PeopleSampler``.
            exact_ray_map: Whether the ray map is of the true camera.
            options: Of ``PeopleSampler``.
        """
        super().__init__(*args, **options)
        self._exact_ray_map = exact_ray_map

    def _observe(self, draws: Draws, target: Target, lenses: Lenses) -> Evidence:
        evidence = super()._observe(draws, target, lenses)
        assumed = assumed_lenses(lenses.size)

        def assume(rays: Tensor) -> Tensor:
            return assumed.unproject(lenses.project(rays))[0]

        seen = replace(evidence, rays=assume(evidence.rays), crop_rays=assume(evidence.crop_rays))
        if self._exact_ray_map:
            return seen
        height = evidence.ray_map.shape[2]
        cells = assume(evidence.ray_map.flatten(2).mT)
        return replace(seen, ray_map=cells.mT.unflatten(-1, (height, -1)).contiguous())


def assumed_lenses(size: Tensor) -> Lenses:
    """Return what is assumed of uncalibrated cameras with images of ``size``, (B, 2) pixels."""
    return Lenses(
        size=size,
        focal=size.amax(-1, keepdim=True).expand(-1, 2),
        centre=(size - 1) / 2,
        fisheye=torch.zeros(len(size), dtype=torch.bool, device=size.device),
        D=size.new_zeros(len(size), 5),
    )
