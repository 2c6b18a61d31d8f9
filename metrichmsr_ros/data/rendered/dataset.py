"""Rendered people as training takes them: drawn from folders, mirrored, mixed with tier (a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.body.landmarks import MIRRORED_LANDMARKS
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.pose_bank import MIRRORED
from metrichmsr_ros.data.people.sample import Batch, SampleBatch
from metrichmsr_ros.data.people.target import joined, Target
from metrichmsr_ros.data.rendered.clearer import clearer
from metrichmsr_ros.data.rendered.shards import read_folder, Readings
from metrichmsr_ros.models.evidence import Evidence

_Side = TypeVar('_Side', Evidence, Target)

MIN_SCORE, MAX_ERROR = 0.5, 0.06  # beyond them BlazePose has lost the person, or read another

_MIRRORED_CORNERS = [1, 0, 3, 2]


class RenderedPeople:
    """Draws from folders of ``metrichmsr render``; half of the drawn are mirrored.

    Where ``physique`` is given they are drawn as photographs would show them, see ``clearer``.

    Attributes:
        readings: Those whom BlazePose did not lose.
    """

    def __init__(
        self, *folders: str | PathLike[str], body: BodyModel, physique: float = 0.0
    ) -> None:
        """Read the folders.

        Args:
            folders: One or more.
            body: Of the people.
            physique: Factor on how far bones and marks are moved.

        Raises:
            ValueError: One is no such folder, a shard is broken, or BlazePose lost everybody.
            OSError: One cannot be read.
        """
        self.readings = read_found(folders)
        self._points, self.physique = BodyPoints(body), physique
        self._face = body.blazepose(body.v_template)[:11]

    def __len__(self) -> int:
        return len(self.readings)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> tuple[Evidence, Target]:
        """Draw ``n`` people with replacement, on the CPU; ``generator`` decides whom.

        Raises:
            ValueError: ``n`` is not positive.
        """
        if n <= 0:
            raise ValueError(f'n={n} people, must be positive')
        drawn = self.readings[torch.randint(len(self), (n,), generator=generator)]
        evidence, target = drawn.evidence, drawn.target
        if self.physique > 0:
            evidence, target = clearer(
                Draws(n, generator),
                evidence,
                target,
                points=self._points,
                face=self._face,
                physique=self.physique,
            )
        turned = torch.rand(n, generator=generator) < 0.5
        return (
            _chosen(turned, mirror_evidence(evidence), evidence),
            _chosen(turned, mirror_target(target), target),
        )


class MixedPeople:
    """Draws a share of each batch from rendered people and the rest from elsewhere.

    Args:
        sample: Draws the rest, such as ``PeopleSampler.sample``.
        rendered: Draws the share.
        share: Of every batch, 0..1.

    Raises:
        ValueError: ``share`` is not a share.
    """

    def __init__(self, sample: SampleBatch, rendered: RenderedPeople, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f'share={share} must be within 0..1')
        self.rest, self.rendered, self.share = sample, rendered, share

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` people, the rendered ones first."""
        count = round(n * self.share)
        parts: list[Batch] = []
        if count:
            parts.append(self.rendered.sample(count, generator))
        if count < n:
            parts.append(self.rest(n - count, generator))
        evidences, targets = zip(*parts, strict=True)
        return joined(evidences), joined(targets)


def read_found(folders: Sequence[str | PathLike[str]]) -> Readings:
    """Return whom BlazePose has not lost, of folders of ``metrichmsr render``.

    Raises:
        ValueError: One is no such folder, a shard is broken, or BlazePose lost everybody.
        OSError: One cannot be read.
    """
    readings = Readings.joined([read_folder(Path(folder)) for folder in folders])
    kept = readings[found(readings)]
    if not len(kept):
        names = ', '.join(str(folder) for folder in folders)
        raise ValueError(f'{names}: BlazePose lost all of the {len(readings)} people')
    return kept


def found(readings: Readings) -> Tensor:
    """Tell whom BlazePose has not lost, (N,) bool."""
    return (readings.evidence.score > MIN_SCORE) & (readings.error < MAX_ERROR)


def mirror_evidence(evidence: Evidence) -> Evidence:
    """Return what BlazePose says of the mirrored pictures."""
    order = list(MIRRORED_LANDMARKS)
    flip = evidence.rays.new_tensor([-1.0, 1.0, 1.0])
    return Evidence(
        rays=evidence.rays[:, order] * flip,
        relative_depth=evidence.relative_depth[:, order],
        world=evidence.world[:, order] * flip,
        visibility=evidence.visibility[:, order],
        presence=evidence.presence[:, order],
        score=evidence.score,
        crop_rays=evidence.crop_rays[:, _MIRRORED_CORNERS] * flip,
        ray_map=evidence.ray_map.flip(-1) * flip[:, None, None],
    )


def mirror_target(target: Target) -> Target:
    """Return the truth of the mirrored people; bodies are the same on both sides."""
    joints, landmarks = list(MIRRORED), list(MIRRORED_LANDMARKS)
    flip = target.pelvis.new_tensor([-1.0, 1.0, 1.0])
    return Target(
        rotations=target.rotations[:, joints] * flip * flip[:, None],
        shape=target.shape,
        pelvis=target.pelvis * flip,
        joints=target.joints[:, joints] * flip,
        landmarks=target.landmarks[:, landmarks] * flip,
        height=target.height,
        valid2d=target.valid2d[:, landmarks],
    )


def _chosen(mask: Tensor, yes: _Side, no: _Side) -> _Side:
    values = {}
    for item in fields(no):
        a, b = getattr(yes, item.name), getattr(no, item.name)
        values[item.name] = torch.where(mask.reshape(-1, *[1] * (a.dim() - 1)), a, b)
    return type(no)(**values)
