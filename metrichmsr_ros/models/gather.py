"""The evidence that each image encoder takes, out of a frame."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.network_config import BLAZEPOSE, MetricHMRConfig
from metrichmsr_ros.perception.detection import detections_from_boxes
from metrichmsr_ros.structures import Frame, Landmarks

if TYPE_CHECKING:
    from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker


def evidence_of_landmarks(
    config: MetricHMRConfig, frame: Frame, landmarks: Landmarks
) -> Evidence | ImageEvidence:
    """Return evidence about people whom BlazePose has found, on the CPU.

    Args:
        config: Of the network.
        frame: The image and its camera.
        landmarks: N people of that image; only their crops matter to ViTPose.
    """
    if config.image_encoder == BLAZEPOSE:
        return Evidence.from_landmarks(frame, landmarks)
    return ImageEvidence.from_frame(frame, landmarks.rois)


def evidence_of_boxes(
    config: MetricHMRConfig, frame: Frame, boxes: np.ndarray, landmark_network: str | None = None
) -> Evidence | ImageEvidence:
    """Return evidence about people in boxes, on the CPU.

    Args:
        config: Of the network.
        frame: The image and its camera.
        boxes: Of whole people: x_min, y_min, x_max, y_max, (N, 4), pixels.
        landmark_network: One of ``LANDMARK_NETWORKS``, for BlazePose; None = the best there is.

    Raises:
        AssetError: BlazePose is needed and its files are missing or corrupt.
        ValueError: A box is empty or not finite, or the image is not of the camera's size.
    """
    height, width = frame.camera.height, frame.camera.width
    if frame.image.shape != (height, width, 3):
        raise ValueError(f'image is {frame.image.shape}: it must be ({height}, {width}, 3)')
    if config.image_encoder == BLAZEPOSE:
        return Evidence.from_landmarks(
            frame, _landmarker(landmark_network).read_boxes(frame.image, boxes)
        )
    return ImageEvidence.from_frame(frame, detections_from_boxes(boxes).rois)


@functools.cache
def _landmarker(landmark_network: str | None) -> BlazePoseLandmarker:
    # Only who asks for it waits for the landmark network to load, and only once.
    from metrichmsr_ros.perception.blazepose.assets import best_landmark_network, find_assets
    from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker

    network = landmark_network or best_landmark_network()
    return BlazePoseLandmarker(find_assets(landmark_network=network))
