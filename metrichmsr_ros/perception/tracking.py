"""Who is who from frame to frame.

People are assigned to tracks by metric distance (Mahalanobis, so that depth counts less than
what is across the ray) and by the overlap of predicted image boxes. A person starts NEW, is
TRACKED from the third image in a row, and is PREDICTED at constant velocity through a short
occlusion. All times are the frames' own stamps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import logging

import numpy as np
from scipy.optimize import linear_sum_assignment

from metrichmsr_ros.geometry.boxes import box_iou
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.track_filter import measurement_noise, PelvisFilter
from metrichmsr_ros.structures import People, TrackState

logger = logging.getLogger(__name__)

CONFIRM_HITS = 3
MAX_OCCLUSION = 0.7  # s a confirmed person is predicted without being seen
MAX_GAP = 2.0  # s without any frame after which nobody is taken for the same person
GATE = 16.27  # χ² with three degrees of freedom, 99.9 %
# Far outside the metric gate a person may still be the same where his box is: a wrong depth for an
# image or two is commoner than a stranger in exactly the same place.
WIDE_GATE = 6 * GATE
WIDE_GATE_IOU = 0.6
# In units of squared Mahalanobis distance.
IOU_WEIGHT = 10.0
MISS_COST = GATE + 1.5 * IOU_WEIGHT
DUPLICATE_IOU = 0.5
DUPLICATE_ACROSS = 0.25  # m between the pelvises of two people, across the ray
DUPLICATE_DEPTH = 0.15  # of the distance, along the ray
MIN_DEPTH = 0.1  # m; who is predicted nearer has left
NS_PER_S = 1_000_000_000


def track_ids(seed: int = 0) -> Iterator[str]:
    """Yield all 26⁵ ids of five lower-case letters, each once, in an order set by ``seed``."""
    count = 26**5
    for i in range(count):
        number = (
            seed + i * 7_342_981
        ) % count  # the step is coprime to 26: visits every number once
        yield ''.join(chr(ord('a') + number // 26**k % 26) for k in range(5))


@dataclass
class _Track:
    id: str
    filter: PelvisFilter
    last: People  # the measured person, N = 1
    first_seen: int
    last_seen: int
    hits: int = 1

    @property
    def confirmed(self) -> bool:
        return self.hits >= CONFIRM_HITS


@dataclass(frozen=True)
class Tracked:
    """People with ids.

    Attributes:
        people: The measured people in the order they came, without those read twice; then the
            PREDICTED ones.
        measured: Which of the people given each measured one is, indices, ascending.
    """

    people: People
    measured: tuple[int, ...]


class Tracker:
    """Gives people their ids, states and velocities.

    Args:
        seed: Where the sequence of ids starts; two nodes of one graph want different ones.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._ids = track_ids(seed)
        self._tracks: list[_Track] = []
        self._stamp: int | None = None

    def reset(self) -> None:
        """Forget everybody. Ids go on: none is given twice."""
        self._tracks = []
        self._stamp = None

    def update(self, people: People, stamp: int, camera: Camera) -> Tracked:
        """Take the people measured in one image.

        Args:
            people: N measured people; ids, states and velocities are ignored.
            stamp: Time of the image, ns. A stamp before the last one starts anew, with new ids.
            camera: Camera of the image, to move boxes with their people.

        Returns:
            The measured people, unchanged but for id, state and velocity, then the predicted ones.
        """
        self._move_to(stamp)
        kept = _without_duplicates(people)
        people = people.select(kept)
        pelvis = people.pelvis.astype(np.float64)
        noise = measurement_noise(pelvis, people.pelvis_covariance)
        seen = []
        for i, track in enumerate(self._assign(people, pelvis, noise, camera)):
            if track is None:
                kalman = PelvisFilter(pelvis[i], noise[i])
                track = _Track(next(self._ids), kalman, people.select([i]), stamp, stamp)
                self._tracks.append(track)
            else:
                track.filter.update(pelvis[i], noise[i])
                track.last, track.last_seen = people.select([i]), stamp
                track.hits += 1
            seen.append(track)
        self._tracks = [t for t in self._tracks if _lives(t, stamp)]
        predicted = [_predicted(t, camera) for t in self._tracks if t.last_seen < stamp]
        return Tracked(_labelled(people, seen, stamp).concatenate(*predicted), tuple(kept))

    def _move_to(self, stamp: int) -> None:
        """Predict every track to ``stamp``."""
        seconds = 0.0 if self._stamp is None else (stamp - self._stamp) / NS_PER_S
        if seconds < 0:
            logger.warning('stamp jumped back by %.3f s: tracking starts anew', -seconds)
            self.reset()
        elif seconds > MAX_GAP:
            self.reset()
        for track in self._tracks:
            track.filter.predict(seconds)
        self._stamp = stamp

    def _assign(
        self, people: People, pelvis: np.ndarray, noise: np.ndarray, camera: Camera
    ) -> list[_Track | None]:
        """Return the track of each measured person, or None for a stranger."""
        owner: list[_Track | None] = [None] * len(people)
        if not self._tracks or not len(people):
            return owner
        predicted = np.stack([t.filter.position for t in self._tracks])
        boxes = np.stack([_moved_box(t, camera) for t in self._tracks])
        iou = box_iou(boxes, people.boxes)
        spread = np.stack([t.filter.position_covariance for t in self._tracks])[:, None] + noise
        offset = pelvis[None] - predicted[:, None]
        solved = np.linalg.solve(spread, offset[..., None])[..., 0]
        distance = np.sum(offset * solved, axis=2)
        near = distance < np.where(iou > WIDE_GATE_IOU, WIDE_GATE, GATE)
        # With the growth of the covariance this is a likelihood: one who was last seen long ago
        # does not take a measurement from one who was there a moment ago.
        growth = np.linalg.slogdet(spread)[1] - np.linalg.slogdet(noise)[1]
        cost = np.minimum(distance, GATE) + growth + IOU_WEIGHT * (1.0 - iou)
        cost = np.where(near, cost, 1e6)
        # One column more per track: to miss somebody is better than two bad matches.
        cost = np.hstack([cost, np.full((len(cost), len(cost)), MISS_COST)])
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if column < len(people):
                owner[column] = self._tracks[row]
        return owner


def _lives(track: _Track, stamp: int) -> bool:
    if track.filter.position[2] < MIN_DEPTH:
        return False
    unseen = (stamp - track.last_seen) / NS_PER_S
    return unseen <= (MAX_OCCLUSION if track.confirmed else 0.0)


def _moved_box(track: _Track, camera: Camera) -> np.ndarray:
    """Return the last box, (4,), shifted and scaled as the person has moved since."""
    box = track.last.boxes[0].astype(np.float64)
    before, now = track.last.pelvis[0].astype(np.float64), track.filter.position
    before_px, now_px = camera.project(np.stack([before, now]))
    if now[2] < MIN_DEPTH or not np.isfinite([before_px, now_px]).all():
        return box
    corners = box.reshape(2, 2)
    return ((corners - before_px) * (before[2] / now[2]) + now_px).reshape(4)


def _without_duplicates(people: People) -> list[int]:
    """Return the indices of people that are not a less sure reading of somebody else."""
    pelvis = people.pelvis.astype(np.float64)
    iou = box_iou(people.boxes, people.boxes)
    kept: list[int] = []
    for i in np.argsort(-people.scores, kind='stable'):
        if not any(iou[i, j] > DUPLICATE_IOU and _same_place(pelvis[i], pelvis[j]) for j in kept):
            kept.append(int(i))
    return sorted(kept)


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two pelvises (3,) are nearer than two people can be, given how depth is measured."""
    middle = (a + b) / 2
    distance = float(np.linalg.norm(middle))
    ray = middle / max(distance, 1e-6)
    along = float((a - b) @ ray)
    across = float(np.linalg.norm((a - b) - along * ray))
    return across < DUPLICATE_ACROSS and abs(along) < DUPLICATE_DEPTH * distance


def _labelled(people: People, tracks: list[_Track], stamp: int) -> People:
    velocities = np.full((len(tracks), 3), np.nan, np.float32)
    for i, track in enumerate(tracks):
        if stamp > track.first_seen:
            velocities[i] = track.filter.velocity
    states = (TrackState.TRACKED if t.confirmed else TrackState.NEW for t in tracks)
    return replace(
        people, ids=tuple(t.id for t in tracks), states=tuple(states), velocities=velocities
    )


def _predicted(track: _Track, camera: Camera) -> People:
    """Return a person not seen in this image, moved with the whole mesh to where the filter is."""
    last = track.last
    shift = (track.filter.position - last.pelvis[0]).astype(np.float32)
    return replace(
        last,
        ids=(track.id,),
        states=(TrackState.PREDICTED,),
        boxes=_moved_box(track, camera)[None].astype(np.float32),
        translation=last.translation + shift,
        vertices=last.vertices + shift,
        joints=last.joints + shift,
        pelvis_covariance=track.filter.position_covariance[None].astype(np.float32),
        velocities=track.filter.velocity[None].astype(np.float32),
    )
