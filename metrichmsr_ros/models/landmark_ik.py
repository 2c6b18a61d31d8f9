"""LandmarkIK, the classical baseline: BlazePose landmarks → metric people, in closed form.

1. World landmarks are metric about the mid-hip, in the axes of a camera that looks along the
   crop's own axis; the smallest turn from the optical axis to the ray of the crop's centre brings
   them into the camera's axes.
2. Their directions give the joint rotations (``landmark_rotations.py``).
3. The shape is the mean adult: landmarks are too small by a tenth, so they do not tell the height.
4. The body stands where its points lie best on the distortion-aware rays of the image landmarks
   (``ray_translation.py``), after a small turn as a whole that brings them nearer to those rays
   (``ray_placement.py``).
"""

from __future__ import annotations

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.boxes import mesh_boxes
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.turns import apply, inverse, matrix, rotvec, smallest_turn, unit
from metrichmsr_ros.models.landmark_rotations import LandmarkRotations
from metrichmsr_ros.models.ray_placement import place_on_rays
from metrichmsr_ros.structures import (
    Frame,
    Landmarks,
    NUM_LANDMARKS,
    NUM_SHAPE,
    People,
    TrackState,
)

NAME = 'landmark_ik'

# Below this visibility a world landmark is a guess about what is hidden or outside the image.
MIN_VISIBILITY = 0.1
# Adults' heights vary by 5.5 % about their mean, and with them the distance at one image size.
HEIGHT_SIGMA = 0.055
# The landmarks of one part of the body are wrong together: on average three are worth one.
_LANDMARKS_PER_ERROR = 3.0
# A fitted pose has its pelvis elsewhere in the body than the person, about each axis, metres.
_POSE_SIGMA = 0.04
# Where less than this of a person is visible, landmarks go astray together or to somebody else:
# the error along and across the ray, as a share of the distance, per share of the person that is
# missing. Measured on renders of people before and behind one another.
_SURELY_VISIBLE = 0.7
_HIDDEN_ALONG, _HIDDEN_ACROSS = 0.8, 0.25
# Landmarks of the face, a hand or a foot say the same thing several times.
_SHARE = np.ones(NUM_LANDMARKS)
_SHARE[:11], _SHARE[17:23], _SHARE[29:] = 0.25, 0.33, 0.5


class LandmarkIK:
    """Closed-form estimator; follows the ``Estimator`` protocol."""

    name = NAME

    def __init__(self, body: BodyModel) -> None:
        """Prepare the rest pose of ``body``, on the CPU."""
        self.body = body
        shape = torch.zeros(1, NUM_SHAPE)
        with torch.no_grad():
            rest = body.blazepose(body.rest_vertices(shape))[0].numpy()
            self._pelvis = body.rest_joints(shape)[0, 0].numpy()
            self._height = float(body.heights(shape))
        self._rotations = LandmarkRotations(rest)

    def estimate(self, frame: Frame, landmarks: Landmarks) -> People:
        """Estimate the people.

        Args:
            frame: The image and its camera.
            landmarks: N people of that image.

        Returns:
            As many people, in the same order, not tracked yet. ``pelvis_covariance`` holds the
            unknown height, which is most of it for who is plainly visible, the errors of landmarks
            and pose, and what being hidden adds to them.
        """
        count = len(landmarks)
        if not count:
            return People.empty(self.body.num_vertices, self.body.name)
        world = world_in_camera_axes(frame.camera, landmarks)
        pose = self._rotations.fit(world, landmarks.visibility >= MIN_VISIBILITY)
        shape = np.zeros((count, NUM_SHAPE), np.float32)
        # Posed once, with the pelvis at the origin; turning and placing it is a rigid motion.
        at_origin = np.tile(-self._pelvis, (count, 1))
        vertices, joints = self.body.pose_numpy(pose, shape, at_origin)
        placed = place_on_rays(
            self._points(vertices),
            frame.camera.unproject(landmarks.image[..., :2].astype(np.float64)),
            landmarks.visibility * landmarks.presence * _SHARE,
        )
        pose[:, 0] = rotvec(placed.R @ matrix(pose[:, 0]))
        R, pelvis = inverse(placed.R).astype(np.float32), placed.translation.astype(np.float32)
        vertices, joints = vertices @ R + pelvis[:, None], joints @ R + pelvis[:, None]
        return People(
            ids=('',) * count,
            states=(TrackState.NEW,) * count,
            scores=landmarks.scores.astype(np.float32),
            boxes=mesh_boxes(frame.camera, vertices, landmarks.boxes),
            pose=pose.astype(np.float32),
            shape=shape,
            translation=pelvis - self._pelvis,
            vertices=vertices,
            joints=joints,
            pelvis_covariance=_pelvis_covariance(
                pelvis, placed.covariance, landmarks.visibility.mean(axis=1)
            ),
            heights=np.full(count, self._height, np.float32),
            velocities=np.full((count, 3), np.nan, np.float32),
            body_model=self.body.name,
        )

    @torch.inference_mode()
    def _points(self, vertices: np.ndarray) -> np.ndarray:
        return self.body.blazepose(torch.from_numpy(vertices)).numpy()


def world_in_camera_axes(camera: Camera, landmarks: Landmarks) -> np.ndarray:
    """Return the world landmarks turned from the crop's axis to the camera's.

    Args:
        camera: Camera of the image.
        landmarks: N people.

    Returns:
        (N, 33, 3) float64, metres about the mid-hip, camera axes.
    """
    rays = camera.unproject(landmarks.rois[:, :2].astype(np.float64))
    optical = np.array([0.0, 0.0, 1.0])
    rays = np.where(np.isfinite(rays), rays, optical)
    R_cam_crop = smallest_turn(optical, unit(rays))
    return apply(R_cam_crop[:, None], landmarks.world.astype(np.float64))


def _pelvis_covariance(
    pelvis: np.ndarray, fitted: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    """Return the covariance, (N, 3, 3) float32, m², of all that makes a pelvis wrong.

    Args:
        pelvis: (N, 3), metres.
        fitted: What the landmarks' scatter about the posed body explains, (N, 3, 3), m².
        visibility: Mean of each person's landmarks, (N,), 0..1.
    """
    along = pelvis[:, :, None] * pelvis[:, None, :]
    across = (pelvis**2).sum(axis=1)[:, None, None] * np.eye(3) - along
    hidden = (_SURELY_VISIBLE - visibility).clip(min=0.0)[:, None, None]
    covariance = _LANDMARKS_PER_ERROR * fitted + HEIGHT_SIGMA**2 * along
    covariance = covariance + (_HIDDEN_ALONG * hidden) ** 2 * along
    covariance = covariance + (_HIDDEN_ACROSS * hidden) ** 2 * across
    return (covariance + _POSE_SIGMA**2 * np.eye(3)).astype(np.float32)
