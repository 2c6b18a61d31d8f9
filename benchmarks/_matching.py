"""Which of the people whom a pipeline sees are which of the true ones of a synthetic loop."""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.geometry.boxes import mesh_boxes
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.metrics import match_boxes
from metrichmsr_ros.structures import People


def match_people(people: People, true_joints: np.ndarray, camera: Camera) -> list[tuple[int, int]]:
    """Return pairs of indices, of ``people`` and of the true ones, by the boxes of their joints.

    Args:
        people: Who is seen.
        true_joints: (P, 24, 3), metres, camera frame.
        camera: Of the image.
    """
    nowhere = np.full((1, 4), np.nan)
    return match_boxes(
        mesh_boxes(camera, people.joints.astype(np.float64), nowhere),
        mesh_boxes(camera, true_joints.astype(np.float64), nowhere),
    )
