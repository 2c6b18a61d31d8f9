"""What the node says of itself once a second on ``/diagnostics``.

``Health`` is written by the executor and the worker thread and knows no ROS; ``report`` makes the
message of it. A plain publisher carries it: lifecycle publishers are mute while inactive, just
when a user wants to know why nothing comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from std_msgs.msg import Header

from metrichmsr_ros.structures import DepthMap, DepthState

WINDOW = 5.0
"""Rates and latencies are those of this many seconds."""
RECENT = 3.0
"""An error raises the level for this many seconds; its count stays."""
LOG_PERIOD = 5.0
"""Least time between two log lines of one kind of error, seconds."""

STAGE = 'time of '
"""Before the name of a stage in the message."""

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass
class _Kind:
    count: int = 0
    message: str = ''
    seen: float = -np.inf
    logged: float = -np.inf


@dataclass(frozen=True)
class _Result:
    time: float
    latency: float
    stages: dict[str, float]


@dataclass(frozen=True)
class DepthStatus:
    """The newest depth in a few words, without its pixels; as in ``DepthMap``."""

    source: str
    state: DepthState
    scale: float
    shift: float
    anchor_age: float

    @classmethod
    def of(cls, depth: DepthMap) -> DepthStatus:
        """Return that of ``depth``."""
        return cls(depth.source, depth.state, depth.scale, depth.shift, depth.anchor_age)

    @property
    def values(self) -> dict[str, str]:
        """What to show of it."""
        age = '' if np.isnan(self.anchor_age) else f'{self.anchor_age:.1f}'
        return {
            'depth': f'{self.state.name.lower()}, {self.source}',
            'depth scale': f'{self.scale:.3f}',
            'depth shift (m)': f'{self.shift:.3f}',
            'depth anchored before (s)': age,
        }


@dataclass(frozen=True)
class Snapshot:
    """Health at one moment; rates per second over ``WINDOW``, latencies in seconds or NaN.

    Attributes:
        rate_in: Images that came.
        rate_out: Images whose results were published.
        latency_p50: Median time from an image's stamp to its last message.
        latency_p99: 99th percentile of the same.
        drops: Images overwritten by a newer one before the worker came to them, since activation.
        idle: Images left alone because nobody subscribes, since activation.
        people: People in the newest result.
        depth: Depth of the newest result, None where nobody wanted it or there is none.
        stages: Median seconds of each stage of the results that had it.
        silence: Seconds since the last image or, before the first, since activation.
        errors: Message and count of each kind of error, newest first.
        recent: Kinds that occurred within ``RECENT``, newest first.
    """

    rate_in: float
    rate_out: float
    latency_p50: float
    latency_p99: float
    drops: int
    idle: int
    people: int
    depth: DepthStatus | None
    stages: dict[str, float]
    silence: float
    errors: dict[str, tuple[int, str]]
    recent: tuple[str, ...]


@dataclass
class Health:
    """Counts what goes through the node; safe to call from any thread."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _arrivals: deque[float] = field(default_factory=deque)
    _results: deque[_Result] = field(default_factory=deque)
    _kinds: dict[str, _Kind] = field(default_factory=dict)
    _drops: int = 0
    _idle: int = 0
    _people: int = 0
    _depth: DepthStatus | None = None
    _since: float = field(default_factory=time.monotonic)

    def restart(self) -> None:
        """Forget rates, drops and people at activation; errors stay."""
        with self._lock:
            self._arrivals.clear()
            self._results.clear()
            self._drops = self._idle = self._people = 0
            self._since = time.monotonic()

    def image(self, *, dropped: bool = False, idle: bool = False) -> None:
        """Count an image that came, and whether it cost the one before or is of no use."""
        with self._lock:
            self._since = time.monotonic()
            self._arrivals.append(self._since)
            self._drops += dropped
            self._idle += idle

    def result(
        self,
        *,
        latency: float,
        people: int,
        depth: DepthStatus | None = None,
        stages: Mapping[str, float] | None = None,
    ) -> None:
        """Count a published result.

        Args:
            latency: From the image's stamp to the last message, seconds.
            people: How many there are.
            depth: Of the scene, None where there is none.
            stages: Seconds of each.
        """
        with self._lock:
            self._results.append(_Result(time.monotonic(), latency, dict(stages or {})))
            self._people, self._depth = people, depth

    def error(self, kind: str, message: str) -> bool:
        """Count an error; return whether it is time to log one of its kind."""
        with self._lock:
            now = time.monotonic()
            entry = self._kinds.setdefault(kind, _Kind())
            entry.count += 1
            entry.message, entry.seen = message, now
            due = now - entry.logged >= LOG_PERIOD
            if due:
                entry.logged = now
        return due

    def snapshot(self) -> Snapshot:
        """Return the state of now."""
        with self._lock:
            now = time.monotonic()
            _forget(self._arrivals, self._results, now - WINDOW)
            latencies = [result.latency for result in self._results]
            p50, p99 = np.percentile(latencies, (50, 99)) if latencies else (np.nan, np.nan)
            kinds = sorted(self._kinds.items(), key=lambda item: -item[1].seen)
            return Snapshot(
                rate_in=len(self._arrivals) / WINDOW,
                rate_out=len(self._results) / WINDOW,
                latency_p50=float(p50),
                latency_p99=float(p99),
                drops=self._drops,
                idle=self._idle,
                people=self._people if self._results else 0,
                depth=self._depth if self._results else None,
                stages=_medians([result.stages for result in self._results]),
                silence=now - self._since,
                errors={name: (kind.count, kind.message) for name, kind in kinds},
                recent=tuple(name for name, kind in kinds if now - kind.seen <= RECENT),
            )


def _forget(arrivals: deque[float], results: deque[_Result], before: float) -> None:
    while arrivals and arrivals[0] < before:
        arrivals.popleft()
    while results and results[0].time < before:
        results.popleft()


def _medians(stages: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in stages for name in one)
    return {name: float(np.median([one[name] for one in stages if name in one])) for name in names}


@dataclass(frozen=True)
class Problem:
    """Something a user should know: ``level`` is WARN or ERROR of ``DiagnosticStatus``."""

    level: bytes
    message: str


def status_name(node: str) -> str:
    """Return the name of the status of the node with this fully qualified name."""
    return f'{node.lstrip("/")}: perception'


def report(
    snapshot: Snapshot,
    *,
    name: str,
    hardware_id: str,
    header: Header,
    state: str,
    problems: tuple[Problem, ...] = (),
    values: dict[str, str] | None = None,
) -> DiagnosticArray:
    """Return the diagnostics message.

    Args:
        snapshot: What was counted.
        name: Name of the status, by convention ``<node>: <component>``; see ``status_name``.
        hardware_id: The camera.
        header: Its stamp is the time of the report.
        state: Lifecycle state.
        problems: What is wrong besides the errors of ``snapshot``.
        values: More keys and values to show.
    """
    recent = tuple(Problem(ERROR, snapshot.errors[kind][1]) for kind in snapshot.recent)
    problems = (*recent, *problems)
    level = max((problem.level for problem in problems), default=OK)
    summary = f'{state}, {snapshot.rate_out:.1f} Hz, {snapshot.people} people'
    shown = {
        'state': state,
        'images in (Hz)': f'{snapshot.rate_in:.1f}',
        'results out (Hz)': f'{snapshot.rate_out:.1f}',
        'latency p50 (ms)': _milliseconds(snapshot.latency_p50),
        'latency p99 (ms)': _milliseconds(snapshot.latency_p99),
        'dropped images': str(snapshot.drops),
        'images nobody wanted': str(snapshot.idle),
        'people': str(snapshot.people),
        **(snapshot.depth.values if snapshot.depth is not None else {}),
        **{f'{STAGE}{stage} (ms)': f'{1e3 * t:.1f}' for stage, t in snapshot.stages.items()},
        **(values or {}),
    }
    for kind, (count, message) in snapshot.errors.items():
        shown[f'error: {kind}'] = f'{count} times, last: {message}'
    status = DiagnosticStatus(
        level=level,
        name=name,
        message='; '.join(problem.message for problem in problems) or summary,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in shown.items()],
    )
    return DiagnosticArray(header=header, status=[status])


def _milliseconds(seconds: float) -> str:
    return f'{seconds * 1e3:.0f}' if np.isfinite(seconds) else ''
