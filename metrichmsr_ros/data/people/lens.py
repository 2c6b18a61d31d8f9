"""Many cameras at once: the lens of each sample, batched where ``Camera`` is one camera.

The models are those of ``geometry/distortion.py`` (tested against it), restricted to
coefficients that are one-to-one over the whole field, so that no point is lost. Letters: B
samples, K points each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

_Map = Callable[[tuple[Tensor, ...], Tensor], Tensor]
_NEWTON_STEPS = 6
_SOLVED = 1e-4
_MAX_ANGLE = 1.50  # radians off the axis; rays have z = 1


@dataclass(frozen=True)
class Lenses:
    """Intrinsics of B images.

    Attributes:
        size: Width and height, (B, 2), pixels.
        focal: fx, fy, (B, 2), pixels.
        centre: Principal point, (B, 2), pixels.
        fisheye: Whether 'equidistant' instead of 'plumb_bob', (B,) bool.
        D: k1, k2, p1, p2, k3, or of a fisheye k1, k2, k3, k4 and a zero, (B, 5).
    """

    size: Tensor
    focal: Tensor
    centre: Tensor
    fisheye: Tensor
    D: Tensor

    def __getitem__(self, index: Tensor | slice) -> Lenses:
        return Lenses(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    @classmethod
    def joined(cls, parts: list[Lenses]) -> Lenses:
        """Return the cameras of several batches one after the other."""
        names = [item.name for item in fields(cls)]
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})

    def project(self, points: Tensor) -> Tensor:
        """Project points with z > 0, (B, K, 3) metres, to pixels, (B, K, 2)."""
        xy = points[..., :2] / points[..., 2:]
        bent = self._by_model(xy, _plumb_bob, _equidistant)
        return bent * self.focal[:, None] + self.centre[:, None]

    def unproject(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return rays with z = 1, (B, K, 3), and where they solve the lens, (B, K) bool.

        Elsewhere the rays are those without a lens, as ``Evidence.from_landmarks`` has them.
        """
        target = (pixels - self.centre[:, None]) / self.focal[:, None]
        xy = self._by_model(target, _undo_plumb_bob, _undo_equidistant)
        again = self._by_model(xy, _plumb_bob, _equidistant)
        solved = ((again - target).abs() <= _SOLVED * (1 + target.abs())).all(-1)
        xy = torch.where(solved[..., None], xy, target)
        return torch.cat([xy, torch.ones_like(xy[..., :1])], -1), solved

    def inside(self, pixels: Tensor) -> Tensor:
        """Tell which pixels (B, K, 2) lie in the image, (B, K) bool."""
        return ((pixels >= -0.5) & (pixels <= self.size[:, None] - 0.5)).all(-1)

    def _by_model(self, xy: Tensor, plumb_bob: _Map, equidistant: _Map) -> Tensor:
        """Apply each sample's model to its points; samples without a lens stay as they are."""
        result = xy.clone()
        bent = self.D.abs().sum(-1) > 0
        for which, function in ((bent & ~self.fisheye, plumb_bob), (self.fisheye, equidistant)):
            rows = torch.nonzero(which)[:, 0]
            if len(rows):
                D = self.D[rows].unsqueeze(-1).unbind(1)
                result[rows] = function(D, xy[rows])
        return result


def _plumb_bob(D: tuple[Tensor, ...], xy: Tensor) -> Tensor:
    k1, k2, p1, p2, k3 = D
    x, y = xy.unbind(-1)
    u = x * x + y * y
    radial = 1 + u * (k1 + u * (k2 + u * k3))
    return torch.stack(
        (
            x * radial + 2 * p1 * x * y + p2 * (u + 2 * x * x),
            y * radial + p1 * (u + 2 * y * y) + 2 * p2 * x * y,
        ),
        -1,
    )


def _undo_plumb_bob(D: tuple[Tensor, ...], target: Tensor) -> Tensor:
    """Newton on the radius, then fixed-point on the small tangential part."""
    k1, k2, p1, p2, k3 = D
    aim, xy = target, target
    for _ in range(3):
        length = aim.norm(dim=-1).clamp(min=1e-9)
        r = length
        for _ in range(_NEWTON_STEPS):
            u = r * r
            value = r * (1 + u * (k1 + u * (k2 + u * k3))) - length
            slope = 1 + u * (3 * k1 + u * (5 * k2 + u * 7 * k3))
            r = (r - value / slope.clamp(min=0.05)).clamp(min=0.0, max=100.0)
        xy = aim * (r / length)[..., None]
        x, y = xy.unbind(-1)
        u = x * x + y * y
        shift = torch.stack(
            (
                2 * p1 * x * y + p2 * (u + 2 * x * x),
                p1 * (u + 2 * y * y) + 2 * p2 * x * y,
            ),
            -1,
        )
        aim = target - shift
    return xy


def _equidistant(D: tuple[Tensor, ...], xy: Tensor) -> Tensor:
    r = xy.norm(dim=-1).clamp(min=1e-9)
    theta = torch.atan(r)
    return xy * (_theta(D, theta) / r)[..., None]


def _undo_equidistant(D: tuple[Tensor, ...], target: Tensor) -> Tensor:
    k1, k2, k3, k4, _ = D
    length = target.norm(dim=-1).clamp(min=1e-9)
    theta = length.clamp(max=_MAX_ANGLE)
    for _ in range(_NEWTON_STEPS):
        u = theta * theta
        slope = 1 + u * (3 * k1 + u * (5 * k2 + u * (7 * k3 + u * 9 * k4)))
        theta = (theta - (_theta(D, theta) - length) / slope.clamp(min=0.05)).clamp(
            0.0, _MAX_ANGLE
        )
    return target * (torch.tan(theta) / length)[..., None]


def _theta(D: tuple[Tensor, ...], theta: Tensor) -> Tensor:
    k1, k2, k3, k4, _ = D
    u = theta * theta
    return theta * (1 + u * (k1 + u * (k2 + u * (k3 + u * k4))))
