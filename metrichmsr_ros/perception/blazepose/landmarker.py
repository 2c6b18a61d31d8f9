"""BlazePose's landmark network: 33 points of the person in a crop, in the image and in metres."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.special import expit

from metrichmsr_ros.body.landmarks import MIRRORED_LANDMARKS
from metrichmsr_ros.geometry.turns import turn_in_image
from metrichmsr_ros.perception.blazepose.assets import AssetPaths, find_assets
from metrichmsr_ros.perception.blazepose.crops import (
    check_image,
    check_rois,
    crop,
    rois_from_axes,
)
from metrichmsr_ros.perception.detection import detections_from_boxes
from metrichmsr_ros.runtime.litert import LiteRtNetwork
from metrichmsr_ros.structures import Landmarks, NUM_LANDMARKS

_SIZE = 256
_NUM_OUTPUTS = 39  # the landmarks, two auxiliary points (mid-hip, circle), four that have no use
_HIPS, _CIRCLE = 33, 34
_CELLS = 64  # of a heatmap along a side
_WINDOW = 3  # cells to each side of a landmark
_MIN_PEAK = 0.5
_PASSES_OF_BOX = 6
ROI_FACTOR = 1.25  # side of the crop over the diameter of the person's circle


_MIRRORED = [*MIRRORED_LANDMARKS, *range(NUM_LANDMARKS, _NUM_OUTPUTS)]


class _Reading(NamedTuple):
    """What the network says of one crop, as ``decode_landmarks`` takes it."""

    points: np.ndarray
    peaks: np.ndarray
    world: np.ndarray
    score: float


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
                (1, _CELLS, _CELLS, _NUM_OUTPUTS),
                (1, 3 * _NUM_OUTPUTS),
            ),
        )

    def read(
        self, image: np.ndarray, rois: np.ndarray, *, passes: int = 1, mirrored: bool = False
    ) -> Landmarks:
        """Read the person of each roi, whether there is one or not: ``scores`` says it.

        Args:
            image: (H, W, 3) uint8, RGB.
            rois: As in ``Detections.rois``, (N, 4); may reach over the border.
            passes: 2 reads each person again in the crop that the first reading suggests, as a new
                person needs it; after 6 crops have settled, as in tracking.
            mirrored: Average the last reading with that of the mirrored crop, for one pass more.
                On renders that takes 3 % off the errors in the image and 7 % off those of the
                world landmarks.

        Returns:
            Landmarks of all N.

        Raises:
            ValueError: Wrong image or rois.
        """
        check_image(image)
        rois = check_rois(rois)
        if passes < 1:
            raise ValueError(f'passes is {passes}, must be at least 1')
        for _ in range(passes - 1):
            rois = self._read_once(image, rois).next_rois
        return self._read_once(image, rois, mirrored=mirrored)

    def read_boxes(self, image: np.ndarray, boxes: np.ndarray) -> Landmarks:
        """Read the people in boxes of whole people, (N, 4), pixels.

        A box does not tell how its person is turned, nor how far it is padded, and crops settle
        within some passes, as they do in tracking. The last reading is averaged with its mirror.

        Raises:
            ValueError: Wrong image, or a box is empty or not finite.
        """
        rois = detections_from_boxes(boxes).rois
        return self.read(image, rois, passes=_PASSES_OF_BOX, mirrored=True)

    def _read_once(
        self, image: np.ndarray, rois: np.ndarray, *, mirrored: bool = False
    ) -> Landmarks:
        found = []
        for roi in rois:
            pixels = crop(image, roi, _SIZE, border=cv2.BORDER_REPLICATE)
            reading = self._look(pixels)
            if mirrored:
                other = _mirror(self._look(np.ascontiguousarray(pixels[:, ::-1])))
                reading = _mean(reading, other)
            found.append(reading)
        return decode_landmarks(
            np.array([reading.points for reading in found]).reshape(-1, _NUM_OUTPUTS, 5),
            np.array([reading.peaks for reading in found]).reshape(-1, _NUM_OUTPUTS),
            np.array([reading.world for reading in found]).reshape(-1, _NUM_OUTPUTS, 3),
            np.array([reading.score for reading in found]),
            rois,
        )

    def _look(self, pixels: np.ndarray) -> _Reading:
        outputs = self._network(pixels[None].astype(np.float32) / 255)
        points = outputs[0].reshape(_NUM_OUTPUTS, 5).astype(np.float64)
        points[:, :2], peaks = refine_by_heatmap(points[:, :2], outputs[3][0])
        world = outputs[4].reshape(_NUM_OUTPUTS, 3).astype(np.float64)
        return _Reading(points, peaks, world, outputs[1].item())


def _mean(one: _Reading, other: _Reading) -> _Reading:
    return _Reading(
        (one.points + other.points) / 2,
        (one.peaks + other.peaks) / 2,
        (one.world + other.world) / 2,
        (one.score + other.score) / 2,
    )


def _mirror(reading: _Reading) -> _Reading:
    """Return what a reading of the mirrored crop says of the crop."""
    points, world = reading.points[_MIRRORED], reading.world[_MIRRORED]
    points[:, 0] = _SIZE - points[:, 0]
    world[:, 0] *= -1
    return _Reading(points, reading.peaks[_MIRRORED], world, reading.score)


def refine_by_heatmap(points: np.ndarray, heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move each point to the centre of mass of its heatmap about it, as BlazePose does.

    On photographs with known joints this takes a quarter off the median error.

    Args:
        points: Crop pixels from the crop's corner, (39, 2).
        heatmap: Logits, (64, 64, 39).

    Returns:
        The points, (39, 2), moved where the heatmap is sure, and the heatmap's highest value about
        each point, (39,), 0..1, 0 for a point outside the crop.
    """
    step = _SIZE // _CELLS  # cell i lies at pixel step * i: measured, and so without half a cell
    inside = ((points >= 0) & (points < _SIZE)).all(axis=1)
    cells = np.clip(points // step, 0, _CELLS - 1).astype(int)
    reach = np.arange(-_WINDOW, _WINDOW + 1)
    columns, rows = cells[:, 0, None] + reach, cells[:, 1, None] + reach
    windows = expit(
        heatmap[
            np.clip(rows, 0, _CELLS - 1)[:, :, None],
            np.clip(columns, 0, _CELLS - 1)[:, None, :],
            np.arange(len(points))[:, None, None],
        ].astype(np.float64)
    )
    windows *= ((rows >= 0) & (rows < _CELLS))[:, :, None]
    windows *= ((columns >= 0) & (columns < _CELLS))[:, None, :]
    peaks = windows.max(axis=(1, 2)) * inside
    mass = np.maximum(windows.sum(axis=(1, 2)), np.finfo(float).tiny)
    x = (windows.sum(axis=1) * columns).sum(axis=1) / mass
    y = (windows.sum(axis=2) * rows).sum(axis=1) / mass
    moved = step * np.column_stack([x, y])
    return np.where((peaks >= _MIN_PEAK)[:, None], moved, points), peaks


def decode_landmarks(
    points: np.ndarray,
    peaks: np.ndarray,
    world: np.ndarray,
    scores: np.ndarray,
    rois: np.ndarray,
) -> Landmarks:
    """Bring the network's outputs from N crops into the image.

    Args:
        points: x, y, z in crop pixels from the crop's corner, visibility and presence as logits,
            (N, 39, 5).
        peaks: Highest value of the heatmap about each point, (N, 39), 0..1. A point cannot be more
            visible than that: a blurred heatmap marks a wrong point, which the logit does not.
        world: Metres in crop axes, (N, 39, 3).
        scores: (N,), 0..1.
        rois: The crops, (N, 4).
    """
    scales = (rois[:, 2] / _SIZE)[:, None]
    # The network counts from the crop's corner (its answer to a mirrored crop is 256 - x).
    from_centre = points[..., :3] - [_SIZE / 2, _SIZE / 2, 0]
    image = turn_in_image(from_centre * scales[..., None], rois[:, 3])
    image[..., :2] += rois[:, None, :2]
    body = slice(NUM_LANDMARKS)
    return Landmarks(
        image=image[:, body].astype(np.float32),
        world=turn_in_image(world[:, body], rois[:, 3]).astype(np.float32),
        visibility=np.minimum(expit(points[:, body, 3]), peaks[:, body]).astype(np.float32),
        presence=expit(points[:, body, 4]).astype(np.float32),
        scores=scores.astype(np.float32),
        boxes=_boxes_inside(image[:, body, :2], np.abs(from_centre[:, body, :2]) <= _SIZE / 2),
        rois=rois.astype(np.float32),
        next_rois=rois_from_axes(image[:, _HIPS, :2], image[:, _CIRCLE, :2], factor=ROI_FACTOR),
    )


def _boxes_inside(points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Box about each person's points inside the crop; about all where none is, (N, 4) float32."""
    counted = np.all(inside, axis=-1)
    counted = counted | ~np.any(counted, axis=1, keepdims=True)
    low = np.where(counted[..., None], points, np.inf).min(axis=1)
    high = np.where(counted[..., None], points, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=-1).astype(np.float32)
