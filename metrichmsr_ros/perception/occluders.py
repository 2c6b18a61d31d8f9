"""People painted out of the crops of others.

A landmark network reads the person who dominates a crop. Of two who walk close together that is
one and the same in both crops: the other is lost, and not found again while the first is in his
crop. Where the known people are in a frame is known from the one before.
"""

from __future__ import annotations

import cv2
import numpy as np

from metrichmsr_ros.geometry.boxes import shared_areas
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import Frame, People, TrackState

MIN_SCORE = 0.5  # of who may hide others: what is no person must not
MAX_AGE = 0.5  # s after which nobody knows where people are
_GROWTH = 0.012  # of the crop's side: clothes and hair stand off the mesh
_REACH = np.sqrt(0.5)  # from the middle of a turned crop to its corners, of its side


class Occluders:
    """Where the people of the last frame are in this one, and whom they hide.

    Args:
        raycaster: Of their body.
    """

    def __init__(self, raycaster: MeshRaycaster) -> None:
        self._raycaster = raycaster
        self._people: People | None = None
        self._stamp = 0
        self._seen: tuple[Frame, MeshDepth] | None = None

    def reset(self) -> None:
        """Forget everybody."""
        self._people, self._seen = None, None

    def keep(self, people: People, stamp: int) -> None:
        """Remember the tracked people of a frame; who is only predicted hides nobody."""
        shown = [state != TrackState.PREDICTED for state in people.states]
        self._people, self._stamp, self._seen = people.select(shown), stamp, None

    def paint_out(
        self,
        frame: Frame,
        roi: np.ndarray,
        box: np.ndarray,
        *,
        name: str = '',
        pelvis_z: float = np.inf,
    ) -> np.ndarray:
        """Return a frame's image without those who stand before somebody, for reading his crop.

        Args:
            frame: After the one of ``keep``.
            roi: His crop, (4,), as in ``Detections.rois``.
            box: His box, (4,), pixels; only those whose boxes meet it are painted out.
            name: His id; nobody's by default.
            pelvis_z: Depth of his pelvis, metres; all others stand before a stranger.

        Returns:
            The image itself where nobody does, else a copy in which these are one plain colour.
        """
        age = (frame.stamp - self._stamp) / NS_PER_S
        if self._people is None or not 0 <= age <= MAX_AGE:
            return frame.image
        people = self._people
        own = np.array([other == name for other in people.ids], bool)
        meets = shared_areas(people.boxes, box[None])[:, 0] > 0
        hiding = (people.scores >= MIN_SCORE) & (people.pelvis[:, 2] < pelvis_z) & meets & ~own
        if not hiding.any():
            return frame.image
        window = _window(roi, frame)
        rows, columns = slice(window[1], window[3]), slice(window[0], window[2])
        person = self._cast(frame, age).person[rows, columns]
        hidden = np.append(hiding, False)[person]
        if not hidden.any():
            return frame.image
        reach = max(1, round(_GROWTH * float(roi[2])))
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        hidden = (cv2.dilate(hidden.astype(np.uint8), kernel) > 0) & ~np.append(own, False)[person]
        image = frame.image.copy()
        part = image[rows, columns]
        part[hidden] = part[~hidden].mean(axis=0) if not hidden.all() else 128
        return image

    def _cast(self, frame: Frame, age: float) -> MeshDepth:
        """Return who is seen where, moved on by ``age`` seconds, once per frame."""
        if self._seen is None or self._seen[0] is not frame:
            assert self._people is not None
            shift = age * np.nan_to_num(self._people.velocities)
            vertices = self._people.vertices + shift[:, None]
            self._seen = frame, self._raycaster.cast(vertices, frame.camera)
        return self._seen[1]


def _window(roi: np.ndarray, frame: Frame) -> np.ndarray:
    """Return first column and row about a crop, and those after the last, (4,) integers."""
    reach = _REACH * roi[2]
    size = np.array([frame.camera.width, frame.camera.height])
    low = np.clip(np.floor(roi[:2] - reach), 0, size)
    high = np.clip(np.ceil(roi[:2] + reach) + 1, 0, size)
    return np.concatenate([low, high]).astype(int)
