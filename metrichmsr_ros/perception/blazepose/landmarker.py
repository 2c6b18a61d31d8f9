"""BlazePose's landmark network: 33 points of the person in a crop, in the image and in metres."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.special import expit

from metrichmsr_ros.perception.blazepose.assets import AssetPaths, find_assets
from metrichmsr_ros.perception.blazepose.crops import (
    check_image,
    check_rois,
    crop,
    rois_from_axes,
    turn,
)
from metrichmsr_ros.runtime.litert import LiteRtNetwork
from metrichmsr_ros.structures import Landmarks, NUM_LANDMARKS

_SIZE = 256
_NUM_OUTPUTS = 39  # the landmarks, two auxiliary points (mid-hip, circle), four that have no use
_HIPS, _CIRCLE = 33, 34
ROI_FACTOR = 1.25  # side of the crop over the diameter of the person's circle


class BlazePoseLandmarker:
    """Reads people's landmarks out of crops; one call of the network for each crop and pass."""

    def __init__(self, assets: AssetPaths | None = None, *, num_threads: int = 1) -> None:
        """Load the network.

        Args:
            assets: Checked files; those of the cache by default.
            num_threads: Threads of one call.

        Raises:
            AssetError: The file is missing or corrupt.
        """
        assets = find_assets() if assets is None else assets
        self._network = LiteRtNetwork(assets.landmarker, num_threads=num_threads)
        self._network.require(
            (1, _SIZE, _SIZE, 3),
            (
                (1, 5 * _NUM_OUTPUTS),
                (1, 1),
                (1, _SIZE, _SIZE, 1),
                (1, 64, 64, _NUM_OUTPUTS),
                (1, 3 * _NUM_OUTPUTS),
            ),
        )

    def read(self, image: np.ndarray, rois: np.ndarray, *, passes: int = 1) -> Landmarks:
        """Read the person of each roi, whether there is one or not: ``scores`` says it.

        Args:
            image: (H, W, 3) uint8, RGB.
            rois: As in ``Detections.rois``, (N, 4); may reach over the border.
            passes: 2 reads each person again in the crop that the first reading suggests: as good as
                tracking, for a single image.

        Returns:
            Landmarks of all N.

        Raises:
            ValueError: Wrong image or rois.
        """
        check_image(image)
        rois = check_rois(rois)
        if passes < 1:
            raise ValueError(f'passes is {passes}, must be at least 1')
        landmarks = self._read_once(image, rois)
        for _ in range(passes - 1):
            landmarks = self._read_once(image, landmarks.next_rois)
        return landmarks

    def _read_once(self, image: np.ndarray, rois: np.ndarray) -> Landmarks:
        points = np.zeros((len(rois), _NUM_OUTPUTS, 5))
        world = np.zeros((len(rois), _NUM_OUTPUTS, 3))
        scores = np.zeros(len(rois), np.float32)
        for i, roi in enumerate(rois):
            pixels = crop(image, roi, _SIZE, border=cv2.BORDER_REPLICATE)
            outputs = self._network(pixels[None].astype(np.float32) / 255)
            points[i] = outputs[0].reshape(_NUM_OUTPUTS, 5)
            scores[i] = outputs[1].item()
            world[i] = outputs[4].reshape(_NUM_OUTPUTS, 3)
        return decode_landmarks(points, world, scores, rois)


def decode_landmarks(
    points: np.ndarray, world: np.ndarray, scores: np.ndarray, rois: np.ndarray
) -> Landmarks:
    """Bring the network's outputs from N crops into the image.

    Args:
        points: x, y, z in crop pixels from the crop's corner, visibility and presence as logits,
            (N, 39, 5).
        world: Metres in crop axes, (N, 39, 3).
        scores: (N,), 0..1.
        rois: The crops, (N, 4).
    """
    scales = (rois[:, 2] / _SIZE)[:, None]
    # The network counts from the crop's corner (its answer to a mirrored crop is 256 - x).
    from_centre = points[..., :3] - [_SIZE / 2, _SIZE / 2, 0]
    image = turn(from_centre * scales[..., None], rois[:, 3])
    image[..., :2] += rois[:, None, :2]
    body = slice(NUM_LANDMARKS)
    return Landmarks(
        image=image[:, body].astype(np.float32),
        world=turn(world[:, body], rois[:, 3]).astype(np.float32),
        visibility=expit(points[:, body, 3]).astype(np.float32),
        presence=expit(points[:, body, 4]).astype(np.float32),
        scores=scores.astype(np.float32),
        boxes=_boxes_inside(image[:, body, :2], np.abs(from_centre[:, body, :2]) <= _SIZE / 2),
        rois=rois.astype(np.float32),
        next_rois=rois_from_axes(image[:, _HIPS, :2], image[:, _CIRCLE, :2], factor=ROI_FACTOR),
    )


def _boxes_inside(points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Box about each person's points inside the crop; about all where none is, (N, 4) float32."""
    inside = inside.all(axis=-1)
    inside |= ~inside.any(axis=1, keepdims=True)
    low = np.where(inside[..., None], points, np.inf).min(axis=1)
    high = np.where(inside[..., None], points, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=-1).astype(np.float32)
