"""Reader of an evaluation index: images with cameras and the metric truth about their people.

An index is one JSON file (``schema`` 1) beside the images that it names. Lengths are metres in
each image's camera optical frame, pixels have integer coordinates at pixel centres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from metrichmsr_ros.data.image_list import read_images
from metrichmsr_ros.geometry.camera import Camera


@dataclass(frozen=True)
class TruePerson:
    """What is known about one person of an image.

    Attributes:
        box: x_min, y_min, x_max, y_max, (4,) float64, pixels; its padding differs between sources.
        joints: Anatomical points by name, (3,) float64 each, metres, camera frame.
        id: Name of the person across views and instants, or None.
        mask: Image file whose non-zero pixels are the person, or None.
        surface_depth: Median depth_z of the visible surface, metres, or None.
        height: Height of the person, metres, or None.
    """

    box: np.ndarray
    joints: Mapping[str, np.ndarray] = field(default_factory=dict)
    id: str | None = None
    mask: Path | None = None
    surface_depth: float | None = None
    height: float | None = None

    def read_mask(self) -> np.ndarray | None:
        """Return the mask as (H, W) bool, or None where there is none.

        Raises:
            ValueError: The mask's file is not a readable image.
        """
        return None if self.mask is None else _read(self.mask, cv2.IMREAD_GRAYSCALE) > 0


@dataclass(frozen=True)
class IndexImage:
    """One image of an index.

    Attributes:
        file: Name as the index writes it; the key that predictions use.
        path: The file.
        source: Data set that it belongs to; results are reported per source.
        camera: Its calibrated camera.
        people: The true people.
        depth_file: Measured depth image, or None.
        metres_per_unit: Metres per value of ``depth_file``.
        frame: Name of the instant, or None; the views of several cameras share one.
        R_world_to_cam: Rotation of world axes into the camera frame, (3, 3) float64, or None.
        t_world_to_cam: Translation that follows it, (3,) float64, metres, or None.
    """

    file: str
    path: Path
    source: str
    camera: Camera
    people: tuple[TruePerson, ...]
    depth_file: Path | None = None
    metres_per_unit: float = 1.0
    frame: str | None = None
    R_world_to_cam: np.ndarray | None = None
    t_world_to_cam: np.ndarray | None = None

    def read_image(self) -> np.ndarray:
        """Return the image, (H, W, 3) uint8, RGB.

        Raises:
            ValueError: The file is missing or corrupt, or its size is not the index's.
        """
        image = _read(self.path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        self._check_size(self.path, image)
        return np.ascontiguousarray(image[..., ::-1])

    def read_depth_z(self) -> np.ndarray | None:
        """Return the measured depth, (H, W) float32, metres, NaN where unknown, or None.

        Raises:
            ValueError: The file is missing or corrupt, or its size is not the index's.
        """
        if self.depth_file is None:
            return None
        depth = _read(self.depth_file, cv2.IMREAD_UNCHANGED)
        self._check_size(self.depth_file, depth)
        depth_z = depth.astype(np.float32) * np.float32(self.metres_per_unit)
        return np.where(depth_z > 0, depth_z, np.float32(np.nan))

    def people_pixels(self) -> np.ndarray:
        """Return where the people are, (H, W) bool: their masks, or their boxes without a mask.

        Raises:
            ValueError: A mask is not a readable image of the image's size.
        """
        pixels = np.zeros((self.camera.height, self.camera.width), bool)
        for person in self.people:
            mask = person.read_mask()
            if mask is None:
                x0, y0, x1, y1 = person.box.round().astype(int).clip(min=0)
                pixels[y0 : y1 + 1, x0 : x1 + 1] = True
            else:
                self._check_size(person.mask, mask)
                pixels |= mask
        return pixels

    def _check_size(self, path: Path | None, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        if (width, height) != (self.camera.width, self.camera.height):
            raise ValueError(
                f'{path} is {width}x{height} pixels, but the index says '
                f'{self.camera.width}x{self.camera.height}'
            )


def read_index(path: str | Path) -> tuple[IndexImage, ...]:
    """Read an index file.

    Args:
        path: The JSON file; the files that it names are relative to its folder.

    Returns:
        Its images, in its order.

    Raises:
        ValueError: Not JSON, or against the schema; the message names the file, entry and rule.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    _, images = read_images(path, 'an index has', lambda entry: _parse_image(entry, path.parent))
    return tuple(images)


def _parse_image(entry: dict[str, Any], folder: Path) -> IndexImage:
    depth = entry.get('depth_z')
    rotation, translation = entry.get('R_world_to_cam'), entry.get('t_world_to_cam_m')
    frame = entry.get('frame')
    return IndexImage(
        file=str(entry['file']),
        path=folder / entry['file'],
        source=str(entry.get('source', 'images')),
        camera=Camera(
            width=int(entry['width']),
            height=int(entry['height']),
            K=_array(entry['K'], (3, 3), 'K'),
            D=np.asarray(entry.get('D', ()), np.float64),
            distortion_model=entry.get('distortion_model', 'plumb_bob'),
        ),
        people=tuple(_parse_person(person, folder) for person in entry['people']),
        depth_file=None if depth is None else folder / depth['file'],
        metres_per_unit=1.0 if depth is None else float(depth['metres_per_unit']),
        frame=None if frame is None else str(frame),
        R_world_to_cam=None if rotation is None else _array(rotation, (3, 3), 'R_world_to_cam'),
        t_world_to_cam=None
        if translation is None
        else _array(translation, (3,), 't_world_to_cam_m'),
    )


def _parse_person(entry: dict[str, Any], folder: Path) -> TruePerson:
    box = _array(entry['bbox_xyxy'], (4,), 'bbox_xyxy')
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f'bbox_xyxy {box.tolist()} must be x_min < x_max, y_min < y_max')
    joints = entry.get('joints', {})
    mask, surface, box3d = entry.get('mask'), entry.get('surface_depth_m'), entry.get('box3d')
    return TruePerson(
        box=box,
        joints={name: _array(xyz, (3,), f'joint {name}') for name, xyz in joints.items()},
        id=None if entry.get('id') is None else str(entry['id']),
        mask=None if mask is None else folder / mask,
        surface_depth=None if surface is None else float(surface['median']),
        height=None if box3d is None else float(box3d['height']),
    )


def _array(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f'{name} must be {shape} finite numbers, not {value}')
    return array


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags) if path.is_file() else None
    if image is None:
        raise ValueError(f'{path} is {"not a readable image" if path.exists() else "missing"}')
    return image
