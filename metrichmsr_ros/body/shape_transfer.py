"""β of one body as β of another: the same joints at rest and the same height, as nearly as it can.

θ means the same on every body of SMPL's joints, and a pelvis is a pelvis; only β is a body's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel

_HEIGHT_WEIGHT = 3.0  # beside one joint's coordinate
_SIGMA = 0.002  # metres to which the measures are trusted against |β|, which is about one


class ShapeTransfer:
    """A linear map of shapes, fitted once."""

    def __init__(self, source: BodyModel, target: BodyModel) -> None:
        """Fit the map.

        Args:
            source: Whose β is given.
            target: Whose β is wanted.
        """
        mean, directions = _measures(source)
        own_mean, own_directions = _measures(target)
        ridge = _SIGMA**2 * torch.eye(own_directions.shape[1], dtype=mean.dtype)
        fit = torch.linalg.solve(own_directions.T @ own_directions + ridge, own_directions.T)
        self._linear = (fit @ directions).float()
        self._constant = (fit @ (mean - own_mean)).float()

    def __call__(self, shape: Tensor) -> Tensor:
        """Return the target's β, (B, 10), given the source's, (B, 10)."""
        return shape @ self._linear.T + self._constant


def _measures(body: BodyModel) -> tuple[Tensor, Tensor]:
    """Return a body's measures at β = 0, (M,), and their change with β, (M, 10), metres."""
    template, directions = body.v_template.double(), body.shapedirs.double().unflatten(0, (-1, 3))
    joints, joint_directions = body.joint_template.double(), body.joint_shapedirs.double()
    joint_directions = joint_directions.unflatten(0, (-1, 3))
    top, sole = template[:, 1].argmax(), template[:, 1].argmin()
    return (
        torch.cat([
            (joints - joints[0]).flatten(),
            _HEIGHT_WEIGHT * (template[top, 1:2] - template[sole, 1:2]),
        ]),
        torch.cat([
            (joint_directions - joint_directions[0]).flatten(0, 1),
            _HEIGHT_WEIGHT * (directions[top, 1:2] - directions[sole, 1:2]),
        ]),
    )  # fmt: skip
