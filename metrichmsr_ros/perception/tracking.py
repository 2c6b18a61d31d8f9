"""Who is who from frame to frame.

People are assigned to tracks by metric distance (Mahalanobis, so that depth counts less than
what is across the ray) and by the overlap of predicted image boxes. A person starts NEW, is
TRACKED from the third image in a row, and is PREDICTED at constant velocity through a short
occlusion. All times are the frames' own stamps.

The filters that predict where to look for a person also say what is published of him, if so
wanted: one build, and pose and place without jitter, in the frame that shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
import logging

import numpy as np
from scipy.optimize import linear_sum_assignment
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.boxes import box_iou
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.filtered_people import along_ray, filtered, same_image
from metrichmsr_ros.perception.person_depth import DepthReading
from metrichmsr_ros.perception.person_filter import depth_variance, PersonFilter
from metrichmsr_ros.perception.track import Track
from metrichmsr_ros.perception.track_filter import known_covariance, measurement_noise
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import People, TrackState

logger = logging.getLogger(__name__)

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
RESIZED = 0.03  # log of a change of size at which a mesh is posed anew in the same frame
SURE_SCORE = 0.5  # of a reading in the place of somebody known that is somebody else


def track_ids(seed: int = 0) -> Iterator[str]:
    """Yield all 26⁵ ids of five lower-case letters, each once, in an order set by ``seed``."""
    count = 26**5
    for i in range(count):
        number = (
            seed + i * 7_342_981
        ) % count  # the step is coprime to 26: visits every number once
        yield ''.join(chr(ord('a') + number // 26**k % 26) for k in range(5))


@dataclass(frozen=True)
class Tracked:
    """People with ids.

    Attributes:
        people: The measured people in the order they came, without those read twice or misread;
            then the PREDICTED ones.
        measured: Which of the people given each measured one is, indices, ascending.
    """

    people: People
    measured: tuple[int, ...]


class Tracker:
    """Gives people their ids, states and velocities, and one course through time.

    Args:
        seed: Where the sequence of ids starts; two nodes of one graph want different ones.
        body: Poses what the filters say, which is then published; None = publish what is measured.
    """

    def __init__(self, *, seed: int = 0, body: BodyModel | None = None) -> None:
        self._ids = track_ids(seed)
        self._body = body
        self._tracks: list[Track] = []
        self._shown: list[Track] = []
        self._stamp: int | None = None

    def reset(self) -> None:
        """Forget everybody. Ids go on: none is given twice."""
        self._tracks, self._shown = [], []
        self._stamp = None

    def update(
        self, people: People, stamp: int, camera: Camera, *, known: np.ndarray | None = None
    ) -> Tracked:
        """Take the people measured in one image.

        Args:
            people: N measured people; ids, states and velocities are ignored.
            stamp: Time of the image, ns. A stamp before the last one starts anew, with new ids.
            camera: Camera of the image, to move boxes with their people.
            known: Which were read where somebody known was expected, (N,) bool; None = nobody. If
                one of these is not he, it is a stranger only if it is surely somebody.

        Returns:
            The measured people, filtered or unchanged but for id, state and velocity, then the
            predicted ones.
        """
        self._move_to(stamp)
        kept = _without_duplicates(people)
        owners = self._assign(people.select(kept), camera)
        believed = {
            i: track
            for i, track in zip(kept, owners, strict=True)
            if _is_believed(track, float(people.scores[i]), stamp, known is not None and known[i])
        }
        people = people.select(list(believed))
        seen = self._match(people, list(believed.values()), stamp)
        self._tracks = [t for t in self._tracks if t.lives(stamp)]
        unseen = [t for t in self._tracks if t.last_seen < stamp]
        self._shown = seen + unseen
        if self._body is None:
            people = people.concatenate(*(t.predicted(camera) for t in unseen))
        else:
            people = people.concatenate(*(t.last for t in unseen))
            people = filtered(people, [t.filter for t in self._shown], self._body, camera)
        return Tracked(_labelled(people, self._shown, stamp), tuple(believed))

    def correct(self, people: People, reading: DepthReading, camera: Camera) -> People:
        """Move people along their rays to where a sensor or the floor says that they are.

        With a body, they get the size that belongs to it: at once where it changes by more than
        ``RESIZED``, else with the next update.

        Args:
            people: As the last update returned them.
            reading: What is measured of each of them.
            camera: Camera of the image, for the boxes.

        Returns:
            The people, nearer or farther as far as the reading is to be trusted beside the
            estimate; their covariance shrinks.
        """
        read = np.flatnonzero(np.isfinite(reading.log_ratio)).tolist()
        if not read:
            return people
        factor, covariance = np.ones(len(people)), people.pelvis_covariance.astype(np.float64)
        grown = 0.0
        for i in read:
            alone = self._body is None
            person = PersonFilter.of(people, i) if alone else self._shown[i].filter
            before, build = person.scale.value, person.scale.build
            causes = None if reading.causes is None else reading.causes[i]
            person.scale.update(reading.log_ratio[i], reading.variance[i], causes)
            factor[i] = np.exp(person.scale.value - before)
            if alone:
                self._shown[i].factor *= float(factor[i])
            covariance[i] = person.covariance
            grown = max(grown, abs(person.scale.build - build))
        if self._body is None or grown < RESIZED:
            return along_ray(people, factor, covariance, camera)
        people = filtered(people, [track.filter for track in self._shown], self._body, camera)
        return replace(people, velocities=people.velocities * factor[:, None].astype(np.float32))

    def _match(self, people: People, owners: Sequence[Track | None], stamp: int) -> list[Track]:
        """Return each person's track, new or brought up to date."""
        pelvis = people.pelvis.astype(np.float64)
        covariance = known_covariance(pelvis, people.pelvis_covariance)
        seen = []
        for i, track in enumerate(owners):
            if track is None:
                track = Track.start(next(self._ids), people, i, stamp)
                self._tracks.append(track)
            else:
                track.filter.shape.update(
                    people.shape[i], 1 / depth_variance(pelvis[i], covariance[i])
                )
                track.last, track.last_seen, track.factor = people.select([i]), stamp, 1.0
                track.hits += 1
            seen.append(track)
        if self._body is not None and seen:
            shape = np.stack([track.filter.shape.mean for track in seen])
            pelvis = same_image(people, shape, self._body)
            heights = self._body.heights(torch.from_numpy(shape).float()).tolist()
            for track, height in zip(seen, heights, strict=True):
                track.filter.set_height(height)
        for i, track in enumerate(seen):
            track.last_pelvis = pelvis[i]
            if track.hits > 1:
                track.filter.update(pelvis[i], covariance[i], people.pose[i])
        return seen

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

    def _assign(self, people: People, camera: Camera) -> list[Track | None]:
        """Return the track of each measured person, or None for a stranger."""
        pelvis = people.pelvis.astype(np.float64)
        owner: list[Track | None] = [None] * len(people)
        if not self._tracks or not len(people):
            return owner
        noise = measurement_noise(pelvis, people.pelvis_covariance)
        apparent = [t.filter.apparent for t in self._tracks]
        predicted = np.stack([kalman.position for kalman in apparent])
        boxes = np.stack([t.moved_box(camera) for t in self._tracks])
        iou = box_iou(boxes, people.boxes)
        spread = np.stack([kalman.position_covariance for kalman in apparent])[:, None] + noise
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


def _is_believed(track: Track | None, score: float, stamp: int, known: bool) -> bool:
    """Tell whether a reading is of its track's person, or of a stranger where it has no track."""
    if track is not None:
        return track.believes(score, stamp)
    return not known or score >= SURE_SCORE


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


def _labelled(people: People, tracks: list[Track], stamp: int) -> People:
    velocities = np.full((len(tracks), 3), np.nan, np.float32)
    states = []
    for i, track in enumerate(tracks):
        if stamp > track.first_seen:
            velocities[i] = track.filter.velocity
        known = TrackState.TRACKED if track.confirmed else TrackState.NEW
        states.append(known if track.last_seen == stamp else TrackState.PREDICTED)
    return replace(
        people, ids=tuple(t.id for t in tracks), states=tuple(states), velocities=velocities
    )
