"""What a sampled person truly is; the other half of a training pair beside ``Evidence``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor

from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.image_evidence import ImageEvidence


@dataclass(frozen=True)
class Target:
    """Truth of B people in the camera optical frame, float32 unless said otherwise.

    Attributes:
        rotations: Of each joint in its parent's axes, (B, 24, 3, 3); joint 0 turns body axes into
            camera axes.
        shape: β, (B, 10), standard deviations.
        pelvis: Joint 0, (B, 3), metres.
        joints: SMPL joints, (B, 24, 3), metres; ``joints[:, 0]`` is ``pelvis``.
        landmarks: Where BlazePose would mark its points, (B, 33, 3), metres.
        height: Standing height of the unposed body, (B,), metres.
        valid2d: Landmarks in front of the camera and inside the image, (B, 33) bool.
    """

    rotations: Tensor
    shape: Tensor
    pelvis: Tensor
    joints: Tensor
    landmarks: Tensor
    height: Tensor
    valid2d: Tensor

    def __len__(self) -> int:
        return len(self.pelvis)

    def __getitem__(self, index: slice | Tensor) -> Target:
        return Target(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    def to(self, device: torch.device | str) -> Target:
        """Return the same truth on ``device``."""
        return Target(**{item.name: getattr(self, item.name).to(device) for item in fields(self)})


_Side = TypeVar('_Side', bound='Evidence | ImageEvidence | Target')


def joined(parts: Sequence[_Side]) -> _Side:
    """Return one side of training pairs, evidence or targets, one part after the other."""
    names = [item.name for item in fields(parts[0])]
    return type(parts[0])(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    )
