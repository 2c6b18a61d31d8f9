"""How far people are who stand on a floor, for a camera whose height and tilt above it are known.

A person of another size at another distance looks the same and stands on another floor. So the
lowest point of a foot that is seen, at its depth below the camera, says how large and how far the
person is: the ratio of the floor's depth below the camera to the foot's.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.ground_plane import down_vector
from metrichmsr_ros.perception.person_depth import DepthReading
from metrichmsr_ros.structures import Landmarks, People

LEAST_VISIBILITY = 0.5  # of a foot's landmarks, their mean
FOOT_REACH = 0.25  # m from the foot's joint to the lowest point; who kneels stands on no foot
LEAST_SLOPE = 0.1  # of the ray to the foot, down over forward: far out a tilt is everything
STATURES = 0.7, 2.2  # m; who would be smaller or larger stands on something else
# One sigma: of a foot's place in the image at the person, m, and of a robot's pitching, rad.
FOOT_SIGMA, PITCH_SIGMA = 0.03, 0.01
_FOOT_JOINTS = (10, 11)  # left and right, of SMPL
_FOOT_LANDMARKS = tuple(
    [BLAZEPOSE_NAMES.index(f'{side}_{part}') for part in ('ankle', 'heel', 'foot_index')]
    for side in ('left', 'right')
)


class FloorContact:
    """Reads people's distances from where they stand.

    Args:
        camera_height: Of the optical centre above the floor, metres, > 0.
        camera_tilt: How far the optical axis points below the horizon, radians. The camera is
            taken not to roll.
    """

    def __init__(self, camera_height: float, camera_tilt: float) -> None:
        self._height = camera_height
        self._down = down_vector(camera_tilt)
        self._forward = np.array([0.0, -self._down[2], self._down[1]])

    def read(self, people: People, landmarks: Landmarks, camera: Camera) -> DepthReading:
        """Compare people's feet with the floor.

        Args:
            people: N people, those of ``landmarks`` first; the others are not read.
            landmarks: Of M ≤ N of them.
            camera: Camera of the image.
        """
        log_ratio, variance, tilt = np.full((3, len(people)), np.nan)
        for i in range(len(landmarks)):
            foot = _standing_foot(people.vertices[i], people.joints[i], self._down)
            if foot is None or not _is_seen(*foot, landmarks.visibility[i], camera):
                continue
            below, ahead = foot[0] @ self._down, foot[0] @ self._forward
            if below <= max(LEAST_SLOPE * ahead, 0.0):
                continue
            ratio = self._height / below
            if not STATURES[0] < ratio * people.heights[i] < STATURES[1]:
                continue
            log_ratio[i] = np.log(ratio)
            variance[i] = (FOOT_SIGMA**2 + (PITCH_SIGMA * ahead) ** 2) / below**2
            tilt[i] = ahead / below
        return DepthReading(log_ratio, variance, tilt)


def _standing_foot(
    vertices: np.ndarray, joints: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, int] | None:
    """Return a person's lowest point, (3,), and whose foot it is, 0 = left; None = nobody's."""
    lowest = vertices[(vertices @ down.astype(np.float32)).argmax()].astype(np.float64)
    away = np.linalg.norm(joints[list(_FOOT_JOINTS)] - lowest, axis=1)
    side = int(away.argmin())
    return (lowest, side) if away[side] < FOOT_REACH else None


def _is_seen(point: np.ndarray, side: int, visibility: np.ndarray, camera: Camera) -> bool:
    """Whether a foot's lowest point (3,) is in the image and BlazePose, (33,), sees that foot."""
    if visibility[_FOOT_LANDMARKS[side]].mean() < LEAST_VISIBILITY:
        return False
    u, v = camera.project(point[None])[0]
    return bool(0 <= u <= camera.width - 1 and 0 <= v <= camera.height - 1)
