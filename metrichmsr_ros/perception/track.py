"""One person who is followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.person_filter import PersonFilter
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import People

CONFIRM_HITS = 3
MAX_OCCLUSION = 0.7  # s a confirmed person is predicted without being seen
MIN_DEPTH = 0.1  # m; who is predicted nearer has left
# A reading that is this much less sure than the person's usual ones is of something else: mostly
# of who stands before him. What is usual changes within SCORE_MEMORY, which is shorter than
# MAX_OCCLUSION: who sits down behind a desk is doubted for a moment and not lost.
DOUBT = 0.5
SCORE_MEMORY = 0.5  # s


@dataclass
class Track:
    """What a tracker keeps of one person.

    Attributes:
        id: Five lower-case letters.
        filter: Where he is, and how.
        last: The person as last measured, N = 1.
        last_pelvis: His pelvis then, (3,), metres, where the filter was told.
        first_seen: Stamp of the first image that showed him, ns.
        last_seen: Stamp of the last one.
        last_read: Stamp of the last image in which something was read in his place.
        score: What is usual of the scores of these readings.
        factor: By which a sensor put the person, as last measured, farther away.
        hits: Images that showed him.
    """

    id: str
    filter: PersonFilter
    last: People
    last_pelvis: np.ndarray
    first_seen: int
    last_seen: int
    last_read: int
    score: float
    factor: float = 1.0
    hits: int = 1

    @classmethod
    def start(cls, name: str, people: People, index: int, stamp: int) -> Track:
        """Follow one of the measured ``people`` from now on."""
        return cls(
            id=name,
            filter=PersonFilter.of(people, index),
            last=people.select([index]),
            last_pelvis=people.pelvis[index].astype(np.float64),
            first_seen=stamp,
            last_seen=stamp,
            last_read=stamp,
            score=float(people.scores[index]),
        )

    @property
    def confirmed(self) -> bool:
        """Whether enough images have shown the person."""
        return self.hits >= CONFIRM_HITS

    def lives(self, stamp: int) -> bool:
        """Whether he may still come into view again, or is in it."""
        if self.filter.pelvis[2] < MIN_DEPTH:
            return False
        unseen = (stamp - self.last_seen) / NS_PER_S
        return unseen <= (MAX_OCCLUSION if self.confirmed else 0.0)

    def believes(self, score: float, stamp: int) -> bool:
        """Take note of a reading in his place; return whether it is of him."""
        kept = np.exp((self.last_read - stamp) / NS_PER_S / SCORE_MEMORY)
        believed = score >= DOUBT * self.score
        self.score = kept * self.score + (1.0 - kept) * score
        self.last_read = stamp
        return bool(believed)

    def moved_box(self, camera: Camera) -> np.ndarray:
        """Return the last box, (4,), shifted and scaled as the person has moved since."""
        box = self.last.boxes[0].astype(np.float64)
        before, now = self.last_pelvis, self.filter.apparent.position
        before_px, now_px = camera.project(np.stack([before, now]))
        if now[2] < MIN_DEPTH or not np.isfinite([before_px, now_px]).all():
            return box
        corners = box.reshape(2, 2)
        return ((corners - before_px) * (before[2] / now[2]) + now_px).reshape(4)

    def predicted(self, camera: Camera) -> People:
        """Return the person as last measured, the whole mesh moved to where he must be now."""
        last = self.last
        pelvis = self.factor * self.filter.apparent.position
        shift = (pelvis - self.last_pelvis).astype(np.float32)
        return replace(
            last,
            boxes=self.moved_box(camera)[None].astype(np.float32),
            translation=last.translation + shift,
            vertices=last.vertices + shift,
            joints=last.joints + shift,
            pelvis_covariance=self.filter.covariance[None].astype(np.float32),
        )
