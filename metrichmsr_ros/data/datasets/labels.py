"""What the data sets say about people, in one form.

θ, β and t are those of the body that a data set was made with, SMPL of the person's gender: they
mean nothing on another body. Letters: N people in images, T frames of one person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import Frame


@dataclass(frozen=True)
class PersonLabels:
    """N people, each in an image, in camera frames.

    Attributes:
        images: Image files.
        K: Intrinsics of the undistorted images, (N, 3, 3) float64, pixels.
        boxes: x_min, y_min, x_max, y_max, (N, 4) float64, pixels; may reach out of the image.
        pose: Axis-angle θ, (N, 24, 3) float64, radians; joint 0 turns body into camera axes.
        shape: β, (N, 10) float64.
        translation: SMPL ``transl``, (N, 3) float64, metres, camera frame.
        quarter_turned: Whether the stored image must be turned by 90° clockwise first, (N,) bool.
    """

    images: tuple[Path, ...]
    K: np.ndarray
    boxes: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    quarter_turned: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def frame(self, index: int) -> Frame:
        """Read a person's image; its camera has the image's size.

        Raises:
            DatasetError: It cannot be read.
        """
        image = cv2.imread(str(self.images[index]))
        if image is None:
            raise DatasetError(f'{self.images[index]}: not a readable image')
        if self.quarter_turned[index]:
            image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        height, width = image.shape[:2]
        camera = Camera(width, height, self.K[index])
        return Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), camera, stamp=0)


@dataclass(frozen=True)
class PersonSequence:
    """One person through T frames of a moving camera.

    Attributes:
        name: Of sequence and person, unique in the data set.
        gender: 'male', 'female' or 'neutral': which SMPL the parameters are of.
        images: Image files, T.
        K: Intrinsics, (3, 3) float64, pixels.
        T_cam_world: World to camera, (T, 4, 4) float64, metres.
        pose: Axis-angle θ, (T, 24, 3) float64, radians; joint 0 turns body into world axes.
        shape: β, (10,) float64.
        translation: SMPL ``transl``, (T, 3) float64, metres, world frame.
        boxes: x_min, y_min, x_max, y_max, (T, 4) float64, pixels.
        valid: Frames that the data set's protocol scores, (T,) bool. They are picked before a
            sequence is cut into chunks.
        rate: Frames per second.
    """

    name: str
    gender: str
    images: tuple[Path, ...]
    K: np.ndarray
    T_cam_world: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    boxes: np.ndarray
    valid: np.ndarray
    rate: float = 30.0

    def __len__(self) -> int:
        return len(self.images)

    def in_camera(self, rest_pelvis: np.ndarray) -> PersonLabels:
        """Return the valid frames in their camera frames.

        Args:
            rest_pelvis: Joint 0 of the unposed body of this gender and shape, (3,), metres: the
                point that joint 0 turns about.
        """
        kept = np.flatnonzero(self.valid)
        root, translation = to_camera(
            self.pose[kept, 0],
            self.translation[kept],
            T_cam_world=self.T_cam_world[kept],
            rest_pelvis=rest_pelvis,
        )
        return PersonLabels(
            images=tuple(self.images[i] for i in kept),
            K=np.broadcast_to(self.K, (len(kept), 3, 3)),
            boxes=self.boxes[kept],
            pose=np.concatenate((root[:, None], self.pose[kept, 1:]), 1),
            shape=np.broadcast_to(self.shape, (len(kept), len(self.shape))),
            translation=translation,
            quarter_turned=np.zeros(len(kept), bool),
        )


def to_camera(
    root: np.ndarray,
    translation: np.ndarray,
    *,
    T_cam_world: np.ndarray,
    rest_pelvis: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring SMPL's root rotation and ``transl`` from the world into the camera.

    The body turns about its rest pelvis p, not about the origin, so with x_cam = R x + t the
    translation becomes R (p + transl) + t - p.

    Args:
        root: Axis-angle, (T, 3), radians.
        translation: (T, 3), metres.
        T_cam_world: (T, 4, 4).
        rest_pelvis: p, (3,), metres.

    Returns:
        Axis-angle (T, 3) and ``transl`` (T, 3) in camera axes.
    """
    R, t = T_cam_world[:, :3, :3], T_cam_world[:, :3, 3]
    turned = (Rotation.from_matrix(R) * Rotation.from_rotvec(root)).as_rotvec()
    moved = np.einsum('tij,tj->ti', R, rest_pelvis + translation) + t - rest_pelvis
    return turned, moved


def boxes_around(pixels: np.ndarray, *, padding: float = 1.2) -> np.ndarray:
    """Return boxes around points, (..., K, 2) → (..., 4), ``padding`` times their extent."""
    low, high = pixels.min(-2), pixels.max(-2)
    grow = 0.5 * (padding - 1) * (high - low)
    return np.concatenate((low - grow, high + grow), -1)
