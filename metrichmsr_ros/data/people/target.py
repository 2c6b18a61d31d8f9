"""What a sampled person truly is; the other half of a training pair beside ``Evidence``."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


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
