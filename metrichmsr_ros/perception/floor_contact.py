"""How far people are who stand on a floor, for a camera whose height and tilt above it are known.

A person of another size at another distance looks the same and stands on another floor. So the
lowest point of a foot that is seen, at its depth below the camera, says how large and how far the
person is: the ratio of the floor's depth below the camera to the foot's.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.ground_plane import down_vector
from metrichmsr_ros.perception.person_depth import DepthReading
from metrichmsr_ros.perception.person_filter import STATURES
from metrichmsr_ros.perception.person_scale import HEIGHT_SIGMA
from metrichmsr_ros.structures import Landmarks, People

LEAST_VISIBILITY = 0.5  # of a foot's landmarks, their mean
FOOT_REACH = 0.25  # m from the foot's joint to the lowest point; who lies stands on no foot
FARTHEST = 10.0  # camera heights ahead: beyond, a tilt is everything
# One sigma: of a foot's place in the image at the person, m, and of a robot's pitching, rad.
FOOT_SIGMA, PITCH_SIGMA = 0.03, 0.01
SOLE_SIGMA = 0.02  # m of shoe below the skin, in every frame
_FOOT_JOINTS = [JOINT_INDEX[f'{side}_foot'] for side in ('left', 'right')]
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
        self._height_share = np.hypot(1.0, SOLE_SIGMA / (HEIGHT_SIGMA * camera_height))

    def read(self, people: People, landmarks: Landmarks, camera: Camera) -> DepthReading:
        """Compare people's feet with the floor; without a calibration nothing is read.

        Args:
            people: N people, those of ``landmarks`` first; the others are not read.
            landmarks: Of M ≤ N of them.
            camera: Camera of the image.
        """
        log_ratio, variance = np.full((2, len(people)), np.nan)
        causes = np.full((len(people), 4), np.nan)
        for i in range(len(landmarks) if camera.calibrated else 0):
            below = self._depth_below(people, i, landmarks.visibility[i], camera)
            pelvis = people.pelvis[i].astype(np.float64)
            # Of the pelvis, since a foot's own noise would be in the ratio and in its weight.
            ahead = pelvis @ self._forward
            if below is None or not 0 < ahead < FARTHEST * self._height:
                continue
            ratio = self._height / below
            if not STATURES[0] < ratio * people.heights[i] < STATURES[1]:
                continue
            log_ratio[i] = np.log(ratio)
            variance[i] = (FOOT_SIGMA**2 + (PITCH_SIGMA * ahead) ** 2) / self._height**2
            # A pose moves the mesh as it is; a build is its size, too.
            with_pose = pelvis @ self._down / self._height
            causes[i] = 1.0, with_pose, ahead / self._height, self._height_share
        return DepthReading(log_ratio, variance, causes)

    def _depth_below(
        self, people: People, index: int, visibility: np.ndarray, camera: Camera
    ) -> float | None:
        """Return how far below the camera a person stands, metres; None = no foot is seen there.

        Args:
            people: Among them the person.
            index: Of the person.
            visibility: Of BlazePose's landmarks of the person, (33,).
            camera: Camera of the image.
        """
        vertices = people.vertices[index]
        lowest = vertices[(vertices @ self._down.astype(np.float32)).argmax()].astype(np.float64)
        away = np.linalg.norm(people.joints[index, _FOOT_JOINTS] - lowest, axis=1)
        side = int(away.argmin())
        seen = away[side] < FOOT_REACH
        seen &= visibility[_FOOT_LANDMARKS[side]].mean() >= LEAST_VISIBILITY
        u, v = camera.project(lowest[None])[0]
        seen &= 0 <= u <= camera.width - 1 and 0 <= v <= camera.height - 1
        below = float(lowest @ self._down)
        return below if seen and below > 0 else None
