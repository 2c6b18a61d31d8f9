"""What the monitor computes from what it receives: rates, latency, errors against the truth.

No ROS in here: times are integer nanoseconds, people are arrays.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.metrics import depth_errors, match_boxes
from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import Frame

SETTLE = NS_PER_S  # a message later than this after the first one of its stamp is not waited for
RATE_WINDOW = 2 * NS_PER_S
LONG = 3.0  # seconds after which a person counts as followed


class StampLatency:
    """Latency of each image: receipt of the last message with its stamp, minus the stamp."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, int]] = {}  # stamp: first and last receipt
        self.seconds: list[float] = []

    def receive(self, stamp: int, now: int) -> None:
        """Note a message of ``stamp`` received at ``now``, both nanoseconds."""
        first, _ = self._open.get(stamp, (now, now))
        self._open[stamp] = (first, now)

    def settle(self, now: int) -> None:
        """Close the stamps whose last message can be taken to have come."""
        done = [stamp for stamp, (first, _) in self._open.items() if now - first > SETTLE]
        for stamp in done:
            self.seconds.append((self._open.pop(stamp)[1] - stamp) / NS_PER_S)

    def percentiles(self, *, newest: int | None = None) -> tuple[float, float]:
        """Return p50 and p99 in seconds of the ``newest`` stamps (all by default); NaN if none."""
        values = self.seconds if newest is None else self.seconds[-newest:]
        if not values:
            return float('nan'), float('nan')
        p50, p99 = np.percentile(values, (50, 99))
        return float(p50), float(p99)


class TopicRates:
    """Messages per topic: the rate of the last two seconds, and the count of all."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._recent: dict[str, deque[int]] = defaultdict(deque)

    def receive(self, topic: str, now: int) -> None:
        """Note a message on ``topic`` received at ``now`` nanoseconds."""
        self.counts[topic] += 1
        self._recent[topic].append(now)

    def rate(self, topic: str, now: int) -> float:
        """Return messages per second over the last two seconds before ``now``."""
        recent = self._recent[topic]
        while recent and now - recent[0] > RATE_WINDOW:
            recent.popleft()
        return len(recent) * NS_PER_S / RATE_WINDOW


@dataclass(frozen=True)
class PeopleAt:
    """People of one stamp, as a message tells them.

    Attributes:
        ids: Their ids.
        boxes: Image boxes, (N, 4), pixels.
        pelvis: Joint 0, (N, 3), metres, camera optical frame.
    """

    ids: tuple[str, ...]
    boxes: np.ndarray
    pelvis: np.ndarray


@dataclass
class Presence:
    """Who was there from when to when."""

    _spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    most_at_once: int = 0

    def see(self, stamp: int, ids: Iterable[str]) -> None:
        """Note the people of one stamp, nanoseconds."""
        ids = tuple(ids)
        self.most_at_once = max(self.most_at_once, len(ids))
        for person in ids:
            first, last = self._spans.get(person, (stamp, stamp))
            self._spans[person] = min(first, stamp), max(last, stamp)

    def summary(self) -> dict:
        """Return seconds from the first to the last sight of each id, and the most at once."""
        seconds = {who: round((last - first) / NS_PER_S, 2) for who, (first, last) in
                   self._spans.items()}  # fmt: skip
        long = [span for who, span in self._spans.items() if seconds[who] >= LONG]
        return {
            'most_at_once': self.most_at_once,
            'most_at_once_of_3_s_or_more': _most_at_once(long),
            'seconds_per_id': dict(sorted(seconds.items(), key=lambda item: -item[1])),
        }


def _most_at_once(spans: list[tuple[int, int]]) -> int:
    """Return how many of the spans overlap most; that happens where one of them begins."""
    return max((sum(a <= first <= b for a, b in spans) for first, _ in spans), default=0)


@dataclass
class TruthErrors:
    """Errors of the people against the true people of the same stamps."""

    relative: list[float] = field(default_factory=list)
    metres: list[float] = field(default_factory=list)
    true_seen: int = 0
    missed: int = 0
    extra: int = 0
    _ids: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def compare(self, found: PeopleAt, true: PeopleAt) -> None:
        """Match the people of one stamp by their boxes and note the errors."""
        pairs = match_boxes(found.boxes, true.boxes)
        self.true_seen += len(true.ids)
        self.missed += len(true.ids) - len(pairs)
        self.extra += len(found.ids) - len(pairs)
        for f, t in pairs:
            distance = float(np.linalg.norm(true.pelvis[t]))
            error = float(np.linalg.norm(found.pelvis[f] - true.pelvis[t]))
            self.metres.append(error)
            self.relative.append(error / distance)
            self._ids[true.ids[t]][found.ids[f]] += 1

    def summary(self) -> dict:
        """Return the figures over all stamps compared so far; medians are None without a match."""
        return {
            'people_true': self.true_seen,
            'people_missed': self.missed,
            'people_extra': self.extra,
            'pelvis_error_median_m': _median(self.metres),
            'pelvis_error_median_percent': _percent(self.relative),
            'ids_per_true_person': {true: dict(ids) for true, ids in sorted(self._ids.items())},
        }


class DepthAgainstTruth:
    """Errors of the node's depth and of its prior, a floor, against the true depth."""

    def __init__(self, *, camera_height: float, camera_tilt: float) -> None:
        """Take the floor's geometry as ``GroundPlane``; 0 high = no comparison."""
        self._floor = GroundPlane(camera_height, camera_tilt) if camera_height else None
        self._errors: list[tuple[float, float]] = []  # of depth and prior, together: see summary

    def compare(self, depth_z: np.ndarray, true_z: np.ndarray, camera: Camera) -> None:
        """Note the errors of one image; depths (H, W) metres on the pixels of ``camera``."""
        prior_z = self.prior_z(camera)
        if prior_z is None:
            return
        errors = [depth_errors(z, true_z).abs_rel for z in (depth_z, prior_z)]
        self._errors.append((errors[0], errors[1]))

    def prior_z(self, camera: Camera) -> np.ndarray | None:
        """Return the floor, (H, W) metres, NaN where it is not seen; None without a comparison."""
        if self._floor is None:
            return None
        blank = np.zeros((camera.height, camera.width, 3), np.uint8)
        return self._floor.depth(Frame(blank, camera, 0)).depth_z

    def summary(self) -> dict:
        """Return the medians of AbsRel over the images; None without one.

        Safe to call while another thread compares.
        """
        errors = list(self._errors)
        return {
            'refined': _median([refined for refined, _ in errors]),
            'prior': _median([prior for _, prior in errors]),
            'images': len(errors),
        }


def _median(values: list[float]) -> float | None:
    return round(float(np.median(values)), 4) if values else None


def _percent(values: list[float]) -> float | None:
    return round(100 * float(np.median(values)), 2) if values else None


def milliseconds(seconds: float) -> str:
    """Return whole milliseconds, a dash for what is not known."""
    return f'{seconds * 1e3:.0f}' if np.isfinite(seconds) else '–'


def rounded(value: float, digits: int) -> float | None:
    """Return a number for a file; None for what is not known."""
    return round(value, digits) if np.isfinite(value) else None
