"""CameraInfo-like values → intrinsics of the image that was in fact received.

Works on anything with CameraInfo's attributes (``k d p r width height distortion_model binning_x
binning_y roi``); imports no ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from metrichmsr_ros.geometry.distortion import (
    CameraError,
    check_coefficients,
    NUM_COEFFICIENTS,
)

# Focal lengths and principal point over the image's longer side, and the focal lengths' inverse: a
# field of view from 0.06 to 179.7 degrees.
MAX_REACH = 1000


@dataclass(frozen=True)
class Intrinsics:
    """What a CameraInfo says about one image.

    Attributes:
        K: [fx 0 cx; 0 fy cy; 0 0 1], (3, 3) float64, pixels.
        D: Distortion coefficients, (n,) float64.
        distortion_model: Name of the model D belongs to.
        K_rectified: The same of the rectified image, (3, 3) float64, pixels; empty where it is K.
    """

    K: np.ndarray
    D: np.ndarray
    distortion_model: str
    K_rectified: np.ndarray


def scale_intrinsics(K: np.ndarray, scale_x: float, scale_y: float) -> np.ndarray:
    """Return K of the image resized by the two factors, integer coordinates at pixel centres."""
    scaled = np.array(K, np.float64)
    scaled[0, 0] *= scale_x
    scaled[1, 1] *= scale_y
    scaled[0, 2] = (scaled[0, 2] + 0.5) * scale_x - 0.5
    scaled[1, 2] = (scaled[1, 2] + 0.5) * scale_y - 0.5
    return scaled


def check_size(width: Any, height: Any, name: str) -> tuple[int, int]:
    """Return the size as integers; CameraError where one is not a positive integer."""
    size = [float(n) if isinstance(n, Real) else 0.0 for n in (width, height)]
    if not all(n > 0 and n.is_integer() for n in size):
        raise CameraError(f'{name} must have a positive width and height, got {width}x{height}')
    return int(width), int(height)


def check_matrix(matrix: Any, name: str) -> np.ndarray:
    """Return a (3, 3) float64 camera matrix; CameraError where it is none."""
    matrix = np.array(matrix, np.float64) + 0.0
    if matrix.shape != (3, 3):
        raise CameraError(f'{name} must be 3x3, got shape {matrix.shape}')
    if not np.isfinite(matrix).all():
        raise CameraError(f'{name} must be finite, got {matrix.ravel().tolist()}')
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise CameraError(
            f'focal lengths must be positive, got fx = {matrix[0, 0]:g}, fy = {matrix[1, 1]:g} '
            f'in {name}'
        )
    rest = matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]]
    if not np.array_equal(rest, (0, 0, 0, 0, 1)):
        raise CameraError(f'{name} must be [fx 0 cx 0 fy cy 0 0 1], got {matrix.ravel().tolist()}')
    return matrix


def check_reach(K: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return K; CameraError where no lens has it: what follows would overflow or never end."""
    side = max(width, height)
    focal, centre = K[[0, 1], [0, 1]], K[:2, 2]
    if focal.min() * MAX_REACH < side or focal.max() > MAX_REACH * side:
        raise CameraError(
            f'focal lengths must be within 1/{MAX_REACH} to {MAX_REACH} times the longer side of '
            f'the image, {side} px, got fx = {focal[0]:g}, fy = {focal[1]:g}'
        )
    if np.abs(centre).max() > MAX_REACH * side:
        raise CameraError(
            f'the principal point must be within {MAX_REACH} times the longer side of the image, '
            f'{side} px, got cx = {centre[0]:g}, cy = {centre[1]:g}'
        )
    return K


def read_camera_info(
    info: Any, *, width: int, height: int, rectified: bool = False
) -> Intrinsics | None:
    """Return the intrinsics of the ``width`` x ``height`` image that ``info`` came with.

    Args:
        info: CameraInfo or anything with its attributes.
        width: Width of the received image, pixels.
        height: Height of the received image, pixels.
        rectified: Whether the image is rectified: P is read, else K and D.

    Returns:
        The intrinsics, or None where ``info`` says that the camera is not calibrated (K[0] = 0).

    Raises:
        CameraError: A value breaks a rule; names both.
    """
    width, height = check_size(width, height, 'image')
    k = _numbers(info.k, 9, 'K').reshape(3, 3)
    if k[0, 0] == 0:
        return None
    if rectified:
        # P's fourth column is the baseline to the other camera of a pair; our origin is this one.
        K, P = check_matrix(_numbers(info.p, 12, 'P').reshape(3, 4)[:, :3], 'P'), None
        model, D = 'plumb_bob', np.zeros(0)
    else:
        K, P = check_matrix(k, 'K'), _rectified_matrix(info, k)
        model, D = _read_distortion(info)
    return Intrinsics(
        K=_received(K, info, width, height),
        D=check_coefficients(model, D),
        distortion_model=model,
        K_rectified=np.zeros(0) if P is None else _received(P, info, width, height),
    )


def read_calibration_yaml(path: str | Path) -> SimpleNamespace:
    """Return the CameraInfo-like values of a ``camera_calibration`` YAML file.

    Raises:
        CameraError: The file is not such a YAML; names the path and what is missing.
        OSError: The file cannot be read.
    """
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
        return SimpleNamespace(
            width=values['image_width'],
            height=values['image_height'],
            distortion_model=values['distortion_model'],
            k=values['camera_matrix']['data'],
            d=values['distortion_coefficients']['data'],
            p=values.get('projection_matrix', {}).get('data', [0.0] * 12),
            r=values.get('rectification_matrix', {}).get('data', [0.0] * 9),
            binning_x=0,
            binning_y=0,
            roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CameraError(f'{path} is not a camera_calibration YAML file: {error!r}') from error


def _numbers(values: Any, length: int | None, name: str) -> np.ndarray:
    try:
        numbers = np.array(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise CameraError(f'{name} must be numbers, got {values!r}') from error
    if length is not None and numbers.size != length:
        raise CameraError(f'{name} must have {length} numbers, got {numbers.size}')
    if not np.isfinite(numbers).all():
        raise CameraError(f'{name} must be finite, got {numbers.tolist()}')
    return numbers


def _rectified_matrix(info: Any, k: np.ndarray) -> np.ndarray | None:
    """Return P's camera matrix; None where it is K, or none, or rectification turns the image too.

    What a pair of cameras is turned to is another frame than the image's. An image that is not
    rectified does not need P: what is wrong with it is no reason to refuse the image.
    """
    try:
        R = _numbers(info.r, 9, 'R')
        P = check_matrix(_numbers(info.p, 12, 'P').reshape(3, 4)[:, :3], 'P')
        check_reach(P, *check_size(info.width, info.height, 'CameraInfo'))
    except CameraError:
        return None
    turned = R.any() and not np.allclose(R, np.eye(3).ravel(), atol=1e-6)
    return None if turned or np.array_equal(P, k) else P


def _read_distortion(info: Any) -> tuple[str, np.ndarray]:
    """Return model and D; D all zero means none whatever the model, as image_geometry reads it."""
    D = _numbers(info.d, None, 'D')
    if info.distortion_model in ('', *NUM_COEFFICIENTS) and not D.any():
        return 'plumb_bob', np.zeros(0)
    return info.distortion_model, D


def _received(K: np.ndarray, info: Any, width: int, height: int) -> np.ndarray:
    """Bring K of the full sensor image to the image received: roi, then binning, then scaling."""
    full = check_size(info.width, info.height, 'CameraInfo')
    roi = info.roi
    window = full
    if roi.width or roi.height:
        window = check_size(roi.width, roi.height, 'CameraInfo.roi')
    if roi.x_offset + window[0] > full[0] or roi.y_offset + window[1] > full[1]:
        raise CameraError(
            f'roi {window[0]}x{window[1]} at ({roi.x_offset}, {roi.y_offset}) must lie inside the '
            f'{full[0]}x{full[1]} image of CameraInfo'
        )
    # Binning and scaling are both a factor from the window to the pixels received.
    expected = (window[0] // max(info.binning_x, 1), window[1] // max(info.binning_y, 1))
    # One uniform factor, up to the rounding of the sizes to whole pixels.
    mismatch = abs(width * expected[1] - height * expected[0])
    if mismatch >= max(expected):
        raise CameraError(
            f'image is {width}x{height}, not a uniform scaling of the {expected[0]}x{expected[1]} '
            'of CameraInfo (after roi and binning)'
        )
    K = K.copy()
    K[:2, 2] -= (roi.x_offset, roi.y_offset)
    return scale_intrinsics(K, width / window[0], height / window[1])
