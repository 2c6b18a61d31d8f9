"""Who is in a frame: the known people read in their own crops, then whom the detector finds."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from metrichmsr_ros.perception.blazepose.people import (
    is_new_person,
    is_person,
    suppress_duplicates,
)
from metrichmsr_ros.perception.detection import Detector
from metrichmsr_ros.perception.occluders import Occluders
from metrichmsr_ros.perception.person_crops import PersonCrops
from metrichmsr_ros.perception.stopwatch import Stopwatch
from metrichmsr_ros.structures import Frame, Landmarks, People

STREAM_CANDIDATES = 2


class Landmarker(Protocol):
    """Reads the person of each crop."""

    def read(self, image: np.ndarray, rois: np.ndarray) -> Landmarks:
        """Return landmarks of all crops ``rois`` (N, 4) of ``image`` (H, W, 3), with scores."""
        ...


class PeopleFinder:
    """Reads people from frame to frame.

    Args:
        detector: Finds people who are not known yet.
        landmarker: Reads landmarks in crops.
        occluders: Paints people out of the crops of others.
        min_score: Probability below which the crop of a known person holds nobody.
        max_people: Most people followed at once, with those who are hidden.
        max_candidates: Most of the detector's candidates that are read in one frame; it is
            expected to propose the others again.
    """

    def __init__(
        self,
        detector: Detector,
        landmarker: Landmarker,
        occluders: Occluders,
        *,
        min_score: float = 0.5,
        max_people: int = 8,
        max_candidates: int = STREAM_CANDIDATES,
    ) -> None:
        self._detector = detector
        self._landmarker = landmarker
        self._occluders = occluders
        self._min_score = min_score
        self._max_people = max_people
        self._max_candidates = max_candidates
        self._crops = PersonCrops()
        self._shape: tuple[int, ...] = ()
        self._passed_over = 0

    def reset(self) -> None:
        """Forget everybody."""
        self._crops = PersonCrops()
        self._occluders.reset()
        self._passed_over = 0

    def warm_up(self, frame: Frame) -> Landmarks:
        """Run detector and landmark network once; return what is read in all of a square frame."""
        self._detector.detect(frame, known_boxes=np.zeros((0, 4), np.float32))
        side = frame.camera.width
        return self._landmarker.read(frame.image, np.array([[side / 2, side / 2, side, 0.0]]))

    def find(self, frame: Frame, watch: Stopwatch) -> tuple[Landmarks, np.ndarray]:
        """Return everybody's landmarks, and in whose place somebody known was expected, (N,) bool.

        Args:
            frame: Is looked at.
            watch: Is told the time of the stages.
        """
        if frame.image.shape != self._shape:  # other pixels; new intrinsics alone move nobody
            self._shape = frame.image.shape
            self.reset()
        size = {'width': frame.camera.width, 'height': frame.camera.height}
        with watch('landmarks'):
            known = self._read_known(frame)
            known = known.select(is_person(known, **size, min_score=self._min_score))
            known = known.select(suppress_duplicates(known, num_known=len(known)))
        with watch('detector'):
            found = self._detector.detect(frame, known_boxes=known.boxes)
        with watch('landmarks'):
            # Who is hidden keeps his place: he is followed, and may come out again.
            chosen = self._choose(found.scores, self._max_people - len(self._crops))
            new = self._read_new(frame, found.rois[chosen], found.boxes[chosen])
            new = new.select(is_person(new, **size, min_score=self._min_score))
            # A detector's crop is rough; a person's own landmarks give the crop to read well from.
            new = self._read_new(frame, new.next_rois, new.boxes)
            new = new.select(is_new_person(new, **size, min_score=self._min_score))
            everybody = known.concatenate(new)
            kept = suppress_duplicates(everybody, num_known=len(known))
            return everybody.select(kept), kept < len(known)

    def keep(self, people: People, rois: np.ndarray, stamp: int) -> None:
        """Remember the people of the frame for the next one.

        Args:
            people: The tracked people, N; those read in this frame first.
            rois: Next crops of those, (M ≤ N, 4) as in ``Landmarks.next_rois``.
            stamp: Of the frame, ns.
        """
        self._crops.keep(people, rois)
        self._occluders.keep(people, stamp)

    def _read_known(self, frame: Frame) -> Landmarks:
        crops = self._crops.within(frame.camera)
        images = [
            self._occluders.paint_out(
                frame, crop.roi, crop.box, name=crop.id, pelvis_z=crop.pelvis_z
            )
            for crop in crops
        ]
        return self._read(frame, images, np.array([crop.roi for crop in crops]).reshape(-1, 4))

    def _read_new(self, frame: Frame, rois: np.ndarray, boxes: np.ndarray) -> Landmarks:
        images = [
            self._occluders.paint_out(frame, roi, box)
            for roi, box in zip(rois, boxes, strict=True)
        ]
        return self._read(frame, images, rois)

    def _read(self, frame: Frame, images: list[np.ndarray], rois: np.ndarray) -> Landmarks:
        """Read each crop (N, 4) in its own image, N of the frame's size, mostly the frame's."""
        if all(image is frame.image for image in images):
            return self._landmarker.read(frame.image, rois)
        first, *others = (
            self._landmarker.read(image, roi[None])
            for image, roi in zip(images, rois, strict=True)
        )
        return first.concatenate(*others)

    def _choose(self, scores: np.ndarray, room: int) -> np.ndarray:
        """Return which candidates to read: the best, but in turn where there are too many."""
        room = max(0, min(room, self._max_candidates))
        best = np.argsort(-scores, kind='stable')
        if len(best) > room:
            # Else what looks like a person for ever would keep out somebody with a lower score.
            best = np.roll(best, -self._passed_over)[:room]
            self._passed_over += room
        return best
