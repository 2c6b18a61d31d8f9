"""Where to read each known person in the next frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import People


class PersonCrop(NamedTuple):
    """Where to read one person.

    Attributes:
        id: His.
        roi: The crop, (4,), as in ``Detections.rois``.
        box: His box in the frame before, (4,), pixels.
        pelvis_z: Depth of his pelvis in the frame before, metres.
    """

    id: str
    roi: np.ndarray
    box: np.ndarray
    pelvis_z: float


class PersonCrops:
    """The crop of each person from frame to frame.

    Who was read has the crop that the landmarks suggest; who is predicted has the last crop, moved
    and scaled with the box, so that a person is read again on coming out from behind something.
    """

    def __init__(self) -> None:
        self._crops: dict[str, PersonCrop] = {}

    def __len__(self) -> int:
        return len(self._crops)

    def keep(self, people: People, rois: np.ndarray) -> None:
        """Keep the crops of the people of this frame and forget all others.

        Args:
            people: The tracked people, N; those read in this frame first.
            rois: Next crops of those, (M ≤ N, 4) as in ``Landmarks.next_rois``.
        """
        kept = {}
        for i, name in enumerate(people.ids):
            before = self._crops.get(name)
            if i < len(rois):
                roi = np.asarray(rois[i], np.float64)
            elif before is not None:
                roi = _moved(before.roi, before.box, people.boxes[i])
            else:
                continue
            kept[name] = PersonCrop(name, roi, people.boxes[i], float(people.pelvis[i, 2]))
        self._crops = kept

    def within(self, camera: Camera) -> list[PersonCrop]:
        """Return the crops that still show a part of the image, those read last first."""
        size = np.array([camera.width, camera.height])
        return [
            crop
            for crop in self._crops.values()
            if _is_crop(crop.roi)
            and (np.abs(crop.roi[:2] - size / 2) < (size + crop.roi[2]) / 2).all()
        ]


def _is_crop(roi: np.ndarray) -> bool:
    """Whether a crop (4,) has a size: somebody predicted from nonsense may have shrunk to none."""
    return bool(np.isfinite(roi).all() and roi[2] >= 1)


def _moved(roi: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return a crop (4,) moved and scaled as its box (4,) has been."""
    scale = (now[2:] - now[:2]).max() / max((before[2:] - before[:2]).max(), 1e-6)
    middle_before, middle_now = (before[:2] + before[2:]) / 2, (now[:2] + now[2:]) / 2
    centre = middle_now + (roi[:2] - middle_before) * scale
    return np.array([*centre, roi[2] * scale, roi[3]])
