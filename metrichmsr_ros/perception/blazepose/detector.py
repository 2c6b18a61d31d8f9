"""BlazePose's person detector on a whole image and on tiles, for several and for far people."""

from __future__ import annotations

import cv2
import numpy as np

from metrichmsr_ros.geometry.boxes import box_iou
from metrichmsr_ros.perception.blazepose import anchors
from metrichmsr_ros.perception.blazepose.assets import AssetPaths, find_assets
from metrichmsr_ros.perception.blazepose.crops import check_image
from metrichmsr_ros.perception.blazepose.landmarker import ROI_FACTOR
from metrichmsr_ros.perception.tiles import all_tiles, Tile, TileSweep
from metrichmsr_ros.runtime.litert import LiteRtNetwork
from metrichmsr_ros.structures import Detections, Frame

_KNOWN_IOU = 0.4


class BlazePoseDetector:
    """Finds people in a stream, a few tiles in each frame, or in a single image with every tile.

    Its candidates are proposals: the landmark network's score and ``is_person`` decide.
    """

    def __init__(
        self,
        assets: AssetPaths | None = None,
        *,
        budget_ms: float | None = 10.0,
        min_score: float = 0.4,
        num_threads: int = 1,
    ) -> None:
        """Load the network.

        Args:
            assets: Checked files; those of the cache by default.
            budget_ms: Time for looking at tiles in one frame, on average; None looks at all of
                them in each frame, as single images need it.
            min_score: Candidates below it are left out, 0..1.
            num_threads: Threads of one call.

        Raises:
            AssetError: The file is missing or corrupt.
            ValueError: A figure is out of its range.
        """
        if not 0 < min_score < 1:
            raise ValueError(f'min_score is {min_score}, must be within 0..1')
        self._sweep = None if budget_ms is None else TileSweep(budget_ms=budget_ms)
        assets = find_assets() if assets is None else assets
        self._network = LiteRtNetwork(assets.detector, num_threads=num_threads)
        size, count = anchors.INPUT_SIZE, anchors.NUM_ANCHORS
        self._network.require((1, size, size, 3), ((1, count, anchors.NUM_VALUES), (1, count, 1)))
        self._centres = anchors.anchor_centres()
        self._min_score = min_score

    def detect(self, frame: Frame, *, known_boxes: np.ndarray | None = None) -> Detections:
        """Return candidates in the tiles whose turn it is; see ``Detector.detect``."""
        image = frame.image
        check_image(image)
        height, width = image.shape[:2]
        if self._sweep is None:
            found = [self._look(image, tile) for tile in all_tiles(width, height)]
        else:
            found = self._sweep.run(width, height, lambda tile: self._look(image, tile))
        people = anchors.merge(anchors.concatenate(found))
        boxes = people.boxes().astype(np.float32)
        if known_boxes is not None and len(known_boxes):
            unknown = box_iou(boxes, np.asarray(known_boxes)).max(axis=1) < _KNOWN_IOU
            people, boxes = people.select(unknown), boxes[unknown]
        return Detections(
            boxes=boxes,
            scores=people.scores.astype(np.float32),
            rois=people.rois(factor=ROI_FACTOR),
        )

    def _look(self, image: np.ndarray, tile: Tile) -> anchors.Candidates:
        """Candidates of one tile, in image pixels."""
        pixels = _tile_pixels(image, tile).astype(np.float32)
        values, logits = self._network(pixels[None] / 127.5 - 1)
        found = anchors.decode(
            values[0], logits[0, :, 0], self._centres, min_score=self._min_score
        )
        scale = tile.side / anchors.INPUT_SIZE
        # Both count from the corner, which lies half a pixel before the first pixel's centre.
        corner = np.array([tile.x - 0.5, tile.y - 0.5])
        return anchors.Candidates(
            found.scores,
            np.column_stack([found.faces[:, :2] * scale + corner, found.faces[:, 2:] * scale]),
            found.points * scale + corner,
        )


def _tile_pixels(image: np.ndarray, tile: Tile) -> np.ndarray:
    """Read a tile at the network's size, black outside the image, (224, 224, 3) uint8."""
    height, width = image.shape[:2]
    left, top = max(tile.x, 0), max(tile.y, 0)
    right, bottom = min(tile.x + tile.side, width), min(tile.y + tile.side, height)
    scale = anchors.INPUT_SIZE / tile.side
    # Rounded outwards at the far edges so that a tile inside the image fills the whole input.
    x0, y0 = round((left - tile.x) * scale), round((top - tile.y) * scale)
    x1 = max(round((right - tile.x) * scale), x0 + 1)
    y1 = max(round((bottom - tile.y) * scale), y0 + 1)
    shrinks = scale < 1
    inside = cv2.resize(
        image[top:bottom, left:right],
        (x1 - x0, y1 - y0),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    pixels = np.zeros((anchors.INPUT_SIZE, anchors.INPUT_SIZE, 3), np.uint8)
    pixels[y0:y1, x0:x1] = inside
    return pixels
