"""Lens distortion on the z = 1 plane: ``plumb_bob``, ``rational_polynomial``, ``equidistant``.

OpenCV's models and coefficient order (``calib3d`` and ``fisheye``) under ROS's names. Unlike
OpenCV, a model is used only where it is one-to-one: beyond the radius at which the image folds
back on itself both ways give NaN. Plain array code for NumPy and torch; torch is differentiable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

# Number of coefficients; plumb_bob without k3 is common enough to be read as k3 = 0.
NUM_COEFFICIENTS = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}

# No lens comes near it; the roots of polynomials with larger ones overflow.
MAX_COEFFICIENT = 1e6

# Slope of the widest ray, 89.9 degrees off the axis: rays have z = 1.
_MAX_SLOPE = 1e3
_MAX_ITERATIONS = 40


class CameraError(ValueError):
    """A camera, calibration or CameraInfo that cannot be used; names the value and the rule."""


def namespace(array: Any) -> Any:
    """Return the module, ``numpy`` or ``torch``, whose functions work on ``array``."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    import torch  # only where tensors are used: importing it takes seconds

    if not isinstance(array, torch.Tensor):
        raise TypeError(f'expected a NumPy array or a torch tensor, got {type(array).__name__}')
    return torch


def check_coefficients(model: str, D: Any) -> np.ndarray:
    """Return D as the model's own number of float64 coefficients.

    Empty D means none; zeros past the model's last coefficient are dropped (drivers pad).

    Raises:
        CameraError: Unknown model, wrong number of coefficients, or one that is not finite or
            larger than any lens has.
    """
    if model not in NUM_COEFFICIENTS:
        raise CameraError(
            f'distortion model {model!r} is not one of {", ".join(NUM_COEFFICIENTS)}'
        )
    D = np.array(D, np.float64).ravel() + 0.0  # -0.0 becomes 0.0, so that equal means equal bytes
    if not np.isfinite(D).all():
        raise CameraError(f'distortion coefficients must be finite, got D = {D.tolist()}')
    if (abs(D) > MAX_COEFFICIENT).any():
        raise CameraError(
            f'distortion coefficients must be within ±{MAX_COEFFICIENT:g}, got D = {D.tolist()}'
        )
    number = NUM_COEFFICIENTS[model]
    allowed = D.size in (0, number) or (model == 'plumb_bob' and D.size == 4)
    if not allowed and not (D.size > number and not D[number:].any()):
        raise CameraError(
            f'{model} has {number} distortion coefficients, got {D.size}: D = {D.tolist()}'
        )
    return np.pad(D[:number], (0, max(0, number - D.size)))


@lru_cache(maxsize=64)
def radius_limit(model: str, D: tuple[float, ...]) -> float:
    """Return the largest undistorted radius (slope) up to which the model is one-to-one."""
    if model == 'equidistant':
        slope = np.polynomial.Polynomial([1, *np.multiply(D, (3, 5, 7, 9))])
        theta = np.sqrt(_first_positive_root(slope))
        return float(np.tan(min(theta, np.arctan(_MAX_SLOPE))))
    k1, k2, _, _, k3, k4, k5, k6 = (*D, 0.0, 0.0, 0.0)[:8]
    above = np.polynomial.Polynomial([1, k1, k2, k3])
    below = np.polynomial.Polynomial([1, k4, k5, k6])
    twice_u = np.polynomial.Polynomial([0, 2])
    slope = above * below + twice_u * (above.deriv() * below - above * below.deriv())
    pole = _first_positive_root(below) * (1 - 1e-9)  # short of it: beyond, the sign flips
    u = min(_first_positive_root(slope), pole)
    return float(min(np.sqrt(u), _MAX_SLOPE))


def distort(model: str, D: tuple[float, ...], xy: Any) -> Any:
    """Move ideal points of the z = 1 plane to where the lens images them.

    Args:
        model: Distortion model.
        D: Its coefficients.
        xy: Undistorted points, (..., 2), NumPy or torch.

    Returns:
        Distorted points, (..., 2), NaN beyond ``radius_limit``.
    """
    xp = namespace(xy)
    r2 = xy[..., 0] ** 2 + xy[..., 1] ** 2
    # NaN goes in before the polynomials: they overflow out there, and gradients stay clean.
    xy = xp.where((r2 <= radius_limit(model, D) ** 2)[..., None], xy, xp.nan)
    if model == 'equidistant':
        return _equidistant(D, xy)
    return _polynomial(D, xy)[0]


def undistort(model: str, D: tuple[float, ...], xy: Any) -> Any:
    """Invert ``distort``.

    Args:
        model: Distortion model.
        D: Its coefficients.
        xy: Distorted points of the z = 1 plane, (..., 2), NumPy or torch.

    Returns:
        Undistorted points, (..., 2), NaN where no point within ``radius_limit`` is imaged there.
    """
    xp = namespace(xy)
    if model == 'equidistant':
        return _undistort_equidistant(D, xy, radius_limit(model, D))
    target = xy if xp is np else xy.detach()
    solution = _solve_polynomial(D, target.reshape(-1, 2), radius_limit(model, D))
    solution = solution.reshape(xy.shape)
    # One more Newton step from the constant solution: it carries the exact gradient.
    return solution - _newton_step(D, solution, xy)[0]


def _first_positive_root(polynomial: np.polynomial.Polynomial) -> float:
    roots = polynomial.trim().roots()
    real = roots.real[(abs(roots.imag) < 1e-9 * (1 + abs(roots.real))) & (roots.real > 0)]
    return float(real.min()) if real.size else np.inf


def _polynomial(D: tuple[float, ...], xy: Any) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Return distorted points and the Jacobian's entries xx, xy, yx, yy."""
    xp = namespace(xy)
    k1, k2, p1, p2, k3, k4, k5, k6 = (*D, 0.0, 0.0, 0.0)[:8]
    x, y = xy[..., 0], xy[..., 1]
    u = x * x + y * y
    below = 1 + u * (k4 + u * (k5 + u * k6))
    radial = (1 + u * (k1 + u * (k2 + u * k3))) / below
    d_below = k4 + u * (2 * k5 + u * 3 * k6)
    d_radial = 2 * (k1 + u * (2 * k2 + u * 3 * k3) - radial * d_below) / below  # 2 d radial / du
    x_d = x * radial + 2 * p1 * x * y + p2 * (u + 2 * x * x)
    y_d = y * radial + p1 * (u + 2 * y * y) + 2 * p2 * x * y
    cross = x * y * d_radial + 2 * p1 * x + 2 * p2 * y
    d_xx = radial + x * x * d_radial + 2 * p1 * y + 6 * p2 * x
    d_yy = radial + y * y * d_radial + 6 * p1 * y + 2 * p2 * x
    return xp.stack((x_d, y_d), -1), (d_xx, cross, cross, d_yy)


def _newton_step(D: tuple[float, ...], xy: Any, target: Any) -> tuple[Any, Any]:
    """Return the step to subtract from ``xy`` and the residual, both (..., 2)."""
    xp = namespace(target)
    image, (a, b, c, d) = _polynomial(D, xy)
    residual = image - target
    determinant = a * d - b * c
    determinant = xp.where(abs(determinant) > 1e-9, determinant, 1e-9)
    u, v = residual[..., 0], residual[..., 1]
    return xp.stack(((d * u - b * v) / determinant, (a * v - c * u) / determinant), -1), residual


def _solve_polynomial(D: tuple[float, ...], target: Any, limit: float) -> Any:
    """Return the undistorted (n, 2) points of ``target``, NaN where there is none."""
    xp = namespace(target)
    solution = _newton(D, target, target, limit)
    # An inflected profile can throw Newton off: once more from the solution without p1, p2.
    failed = xp.isfinite(target).all(-1) & xp.isnan(solution[:, 0])
    if failed.any():
        start = _solve_radially(D, target[failed], limit)
        solution[failed] = _newton(D, start, target[failed], limit)
    return solution


def _newton(D: tuple[float, ...], start: Any, target: Any, limit: float) -> Any:
    """Iterate on the points not yet solved; NaN where unsolved in the end."""
    xp = namespace(target)
    tolerance = _tolerance(target)
    solution = start + 0
    open_ = xp.nonzero(xp.isfinite(target).all(-1))
    open_ = open_[0] if xp is np else open_[:, 0]
    for _ in range(_MAX_ITERATIONS):
        step, residual = _newton_step(D, solution[open_], target[open_])
        wrong = (abs(residual) > tolerance).any(-1)
        open_, step = open_[wrong], step[wrong]
        if not len(open_):
            break
        moved = solution[open_] - step
        radius = (moved * moved).sum(-1) ** 0.5
        shrink = limit / xp.where(radius > limit, radius, limit)
        solution[open_] = moved * shrink[..., None]
    solution[open_] = xp.nan
    outside = (solution * solution).sum(-1) > (limit * (1 + tolerance)) ** 2
    solution[outside] = xp.nan
    return solution


def _solve_radially(D: tuple[float, ...], target: Any, limit: float) -> Any:
    """Undo the radial part alone; points out of its reach land on the limit."""
    xp = namespace(target)
    k1, k2, _, _, k3, k4, k5, k6 = (*D, 0.0, 0.0, 0.0)[:8]
    straight = (k1, k2, 0.0, 0.0, k3, k4, k5, k6)

    def image(r: Any) -> tuple[Any, Any]:
        distorted, (slope, *_) = _polynomial(straight, xp.stack((r, r * 0), -1))
        return distorted[..., 0], slope

    distance = (target * target).sum(-1) ** 0.5
    radius = _solve_increasing(image, distance, limit)
    return target * (radius / xp.where(distance > 0, distance, 1.0))[..., None]


def _solve_increasing(
    function: Callable[[Any], tuple[Any, Any]], target: Any, limit: float
) -> Any:
    """Return x in [0, limit] with function(x) = target ≥ 0, by Newton in a shrinking bracket.

    ``function`` gives value and slope and increases up to ``limit``; beyond its reach x = limit.
    """
    xp = namespace(target)
    tolerance = _tolerance(target)
    low, high = target * 0, target * 0 + limit
    x = xp.where(target < limit, target, limit)
    width = high
    for _ in range(_MAX_ITERATIONS):
        value, slope = function(x)
        residual = value - target
        low = xp.where(residual < 0, x, low)
        high = xp.where(residual > 0, x, high)
        if not ((abs(residual) > tolerance) & (high - low > tolerance * high)).any():
            break
        step = -residual / xp.where(slope > 1e-9, slope, 1e-9)
        # Near a pole Newton creeps: only steps that at least halve the last one are taken.
        good = (x + step >= low) & (x + step <= high) & (2 * abs(step) <= width)
        width = xp.where(good, abs(step), (high - low) / 2)
        x = xp.where(good, x + step, (low + high) / 2)
    return x


def _tolerance(array: Any) -> float:
    return max(1e-10, 32 * float(namespace(array).finfo(array.dtype).eps))


def _equidistant(D: tuple[float, ...], xy: Any) -> Any:
    xp = namespace(xy)
    r2 = xy[..., 0] ** 2 + xy[..., 1] ** 2
    off_axis = ~(r2 < 1e-18)
    r = xp.sqrt(xp.where(off_axis, r2, 1.0))  # the root's gradient is infinite on the axis
    theta = xp.arctan(r)
    return xy * xp.where(off_axis, _theta_distorted(D, theta) / r, 1.0)[..., None]


def _theta_distorted(D: tuple[float, ...], theta: Any) -> Any:
    k1, k2, k3, k4 = D
    u = theta * theta
    return theta * (1 + u * (k1 + u * (k2 + u * (k3 + u * k4))))


def _theta_slope(D: tuple[float, ...], theta: Any) -> Any:
    k1, k2, k3, k4 = D
    u = theta * theta
    return 1 + u * (3 * k1 + u * (5 * k2 + u * (7 * k3 + u * 9 * k4)))


def _undistort_equidistant(D: tuple[float, ...], xy: Any, limit: float) -> Any:
    xp = namespace(xy)
    r2 = xy[..., 0] ** 2 + xy[..., 1] ** 2
    off_axis = ~(r2 < 1e-18)
    target = xp.sqrt(xp.where(off_axis, r2, 1.0))
    theta = _solve_increasing(
        lambda t: (_theta_distorted(D, t), _theta_slope(D, t)),
        target if xp is np else target.detach(),
        float(np.arctan(limit)),
    )
    residual = _theta_distorted(D, theta) - target
    # As for the polynomials: the last step carries the gradient.
    slope = _theta_slope(D, theta)
    theta = theta - residual / xp.where(slope > 1e-9, slope, 1e-9)  # 0 where the image folds
    theta = xp.where(abs(residual) <= _tolerance(xy), theta, xp.nan)
    return xy * xp.where(off_axis, xp.tan(theta) / target, 1.0)[..., None]
