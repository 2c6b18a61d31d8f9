"""How hard a view of somebody is for BlazePose, fitted to 4,864 rendered readings.

A person seen from behind, from above the head or from so near that hands are much nearer than
feet is read worse, and more often not at all (``python scripts/blazepose_errors.py`` prints
both). A network that trusts all views alike is wrong about these.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP = 11, 12, 23, 24
# Logarithm of the error over that of an easy view, for a unit of each measure.
_TILTED, _TURNED_AWAY, _SPREAD = 0.80, 0.28, 0.19
_UPRIGHT, _MOST_SPREAD = 0.4, 2.0
# Lost: one in ten at a cosine of 0.6 from the trunk's axis to the ray, six in ten at 1.
_LOST_FROM, _LOST_SLOPE = 0.5, 1.1


class View(NamedTuple):
    """How B people are seen.

    Attributes:
        log_error: Logarithm of how many times as large the errors are as in an easy view, (B,).
        lost: Chance that nothing of use is read, (B,).
        outside: Share of the landmarks that are not in the image, (B,).
    """

    log_error: Tensor
    lost: Tensor
    outside: Tensor


def rate_view(landmarks: Tensor, inside: Tensor) -> View:
    """Rate the views of people.

    Args:
        landmarks: True ones, (B, 33, 3), metres, camera frame.
        inside: Whether they are in the image, (B, 33) bool.
    """
    hips = (landmarks[:, _LEFT_HIP] + landmarks[:, _RIGHT_HIP]) / 2
    trunk = (landmarks[:, _LEFT_SHOULDER] + landmarks[:, _RIGHT_SHOULDER]) / 2 - hips
    across = landmarks[:, _LEFT_SHOULDER] - landmarks[:, _RIGHT_SHOULDER]
    trunk, ray = functional.normalize(trunk, dim=-1), functional.normalize(hips, dim=-1)
    front = functional.normalize(across.cross(trunk, dim=-1), dim=-1)
    tilt = (trunk * ray).sum(-1).abs()
    away = (1 + (front * ray).sum(-1)) / 2
    depth = (landmarks @ ray.unsqueeze(-1)).squeeze(-1)
    spread = (depth.amax(-1) - depth.amin(-1)) / hips.norm(dim=-1)
    log_error = (
        _TILTED * (tilt - _UPRIGHT).clamp(min=0)
        + _TURNED_AWAY * away
        + _SPREAD * spread.clamp(max=_MOST_SPREAD)
    )
    lost = (_LOST_SLOPE * (tilt - _LOST_FROM)).clamp(0, 1)
    return View(log_error, lost, 1 - inside.to(tilt).mean(-1))
