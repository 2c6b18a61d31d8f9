"""A monitor of the running graph: subscribes to everything, like any other user, and tells.

Once a second it prints rates, latency, drops, people and, where the camera publishes the truth,
the errors against it; at the end it writes ``summary.json`` beside an overlay video and a rerun
recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo

from metrichmsr_ros.data.image_messages import ImageError
from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.ros.diagnostics import status_name
from metrichmsr_ros.ros.monitor_messages import (
    INPUTS,
    is_complete,
    people_at,
    RESULTS,
    snapshot_of,
    stages_of,
    stamp_of,
    to_depth,
    TRUTH,
)
from metrichmsr_ros.ros.monitor_statistics import (
    DepthAgainstTruth,
    milliseconds,
    Presence,
    rounded,
    StampLatency,
    TopicRates,
    TruthErrors,
)
from metrichmsr_ros.ros.recorder import open_recorder, Recorder
from metrichmsr_ros.ros.run import run_node
from metrichmsr_ros.ros.teller import Teller
from metrichmsr_ros.stamps import NS_PER_S

MONITOR_QOS = QoSProfile(depth=5)
CONFIGURE_FAILED = 'configure failed'  # how the node's diagnosis then begins
NICE = 5  # measuring must not take the cores from what is measured
KEPT = 30  # newest stamps whose messages are kept, to be put together
DEFAULTS: dict[str, Any] = {
    'node': 'metrichmsr',  # name of the perception node, as a topic: relative to the namespace
    'camera': 'camera',  # name of the camera node
    'topics': '',  # of the node that are listened to, with commas; empty = all
    'output': '',  # folder for summary.json, overlay.mp4, scene.rrd; empty = none
    'duration': 0.0,  # seconds after the first result; 0 = until interrupted
    'patience': 120.0,  # longest wait for the first result, s
    'video_rate': 10.0,  # frames per second of the video
    'rerun_rate': 2.0,  # records per second of the rerun file; 0 = none
    'camera_height': 0.0,  # of the ground-plane prior to compare the depth with, m; 0 = none
    'camera_tilt': 0.0,  # of the same, rad
}


class Monitor(Node):
    """Counts, compares, records."""

    def __init__(self) -> None:
        super().__init__('monitor')
        self.value = {n: self.declare_parameter(n, d).value for n, d in DEFAULTS.items()}
        self.rates, self.latency, self.errors = TopicRates(), StampLatency(), TruthErrors()
        self.depth = DepthAgainstTruth(
            camera_height=self.value['camera_height'], camera_tilt=self.value['camera_tilt']
        )
        self.presence = Presence()
        full_name = self.resolve_topic_name(self.value['node'], only_expand=True)
        self._status = status_name(full_name)
        self.diagnosis = ''
        self.stages: dict[str, float] = {}
        self._teller = Teller()
        self.first_result: int | None = None
        self._messages: dict[int, dict[str, bytes]] = defaultdict(dict)
        self._camera: Camera | None = None
        self._recorded = 0
        # Comparing images takes time in which messages would wait and seem late.
        self._aside = ThreadPoolExecutor(max_workers=1)
        self._recorder = self._open_recorder()
        self.failure = ''
        self._started = time.monotonic()
        self._subscribe()
        self.create_timer(0.1, self._end_in_time)
        self.create_timer(1.0, self._tell)
        self.create_timer(1.0 / self.value['video_rate'], self._record)

    def destroy_node(self) -> None:
        """Finish the files, then the node."""
        self.latency.settle(self._now() + 2 * NS_PER_S)
        self._aside.shutdown()
        if self._recorder is not None:
            summary = json.dumps(self._summary(), indent=2)
            self._recorder.close()
            if self._recorder.failure is not None:
                self._fail(f'the recording failed: {self._recorder.failure}')
            try:
                (Path(self.value['output']) / 'summary.json').write_text(summary + '\n')
            except OSError as error:
                self._fail(f'the summary cannot be written: {error}')
        super().destroy_node()

    def _fail(self, reason: str) -> None:
        self.failure = f'{self.failure}; {reason}' if self.failure else reason

    @property
    def elapsed(self) -> float:
        """Seconds since the first result."""
        return 0.0 if self.first_result is None else (self._now() - self.first_result) / NS_PER_S

    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _open_recorder(self) -> Recorder | None:
        if not self.value['output']:
            return None
        rates = {name: self.value[name] for name in ('video_rate', 'rerun_rate')}
        return open_recorder(Path(self.value['output']), **rates)

    def _subscribe(self) -> None:
        node, camera = self.value['node'], self.value['camera']
        names = {'image': f'{camera}/image_raw', 'tf': '/tf'}
        names |= {name: f'{camera}/{name}' for name in TRUTH}
        chosen = [name for name in self.value['topics'].split(',') if name]
        results = {name: RESULTS[name] for name in chosen or RESULTS}
        truth = {name: TRUTH[name] for name in TRUTH if not chosen or name == 'truth/people'}
        for name, (kind, offset) in (INPUTS | results | truth).items():
            topic = names.get(name, f'{node}/{name}')
            receive = self._receiver(name, offset)
            self.create_subscription(kind, topic, receive, MONITOR_QOS, raw=True)
        self.create_subscription(
            CameraInfo, f'{camera}/camera_info', self._on_camera_info, MONITOR_QOS
        )
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def _receiver(self, name: str, offset: int) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            now = self._now()
            self.rates.receive(name, now)
            stamp = stamp_of(data, offset)
            if stamp is None:
                return
            if name in RESULTS:
                self.latency.receive(stamp, now)
            if name == 'people' and self.first_result is None:
                self.first_result = now
            self._keep(stamp, name, data)

        return receive

    def _keep(self, stamp: int, name: str, data: bytes) -> None:
        at = self._messages[stamp]
        at[name] = data
        if len(self._messages) > KEPT:
            del self._messages[min(self._messages)]
        if 'people' in at and name in ('people', 'truth/people'):
            found = people_at(at['people'])
            self.presence.see(stamp, found.ids)
            if 'truth/people' in at:
                self.errors.compare(found, people_at(at['truth/people']))
        both = {'depth/image', 'truth/depth'}
        if name in both and both <= set(at) and self._camera is not None:
            refined, true = at['depth/image'], at['truth/depth']
            self._aside.submit(self._compare_depth, refined, true, self._camera)

    def _compare_depth(self, refined: bytes, true: bytes, camera: Camera) -> None:
        self.depth.compare(to_depth(refined), to_depth(true), camera)

    def _on_camera_info(self, info: CameraInfo) -> None:
        try:
            self._camera = Camera.from_camera_info(info, width=info.width, height=info.height)
        except CameraError as error:
            self._camera = None  # without it nothing is compared or recorded
            line = f'note: the CameraInfo cannot be used: {error}'
            self._teller.note(line, topic='camera', remind=False)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status:
                self.diagnosis = status.message
                self.stages = stages_of(status)

    def _end_in_time(self) -> None:
        """End the process when the duration is over, or when no result will come."""
        duration, patience = self.value['duration'], self.value['patience']
        if self.first_result is None and self.diagnosis.startswith(CONFIGURE_FAILED):
            self.failure = self.diagnosis
        elif self.first_result is None and time.monotonic() - self._started > patience:
            reason = self.diagnosis or 'no diagnostics'
            self.failure = f'no result within {patience:g} s: {reason}'
        if self.failure or (duration and self.elapsed >= duration):
            rclpy.try_shutdown()

    def _record(self) -> None:
        if self._recorder is None or self._camera is None:
            return
        also = [name for name in ('depth/image', 'truth/depth') if self.rates.counts[name]]
        for stamp in sorted(self._messages, reverse=True):
            at = self._messages[stamp]
            if stamp <= self._recorded:
                return
            if is_complete(at, also):
                self._recorded = stamp
                prior_z = self.depth.prior_z(self._camera)
                try:
                    snapshot = snapshot_of(stamp, dict(at), self._camera, prior_z=prior_z)
                    self._recorder.offer(snapshot)
                except ImageError as error:
                    line = f'note: an image cannot be recorded: {error}'
                    self._teller.note(line, topic='image', remind=False)
                return

    def _tell(self) -> None:
        now = self._now()
        self.latency.settle(now)
        if self.first_result is None:
            self._teller.note(
                f'waiting for the first result: {self.diagnosis or "the node starts"}'
            )
            return
        if self.diagnosis and not self.diagnosis.startswith('active'):
            self._teller.note(f'note: {self.diagnosis}', remind=False)
        rate = {name: self.rates.rate(name, now) for name in ('image', 'people')}
        p50, p99 = self.latency.percentiles(newest=round(5 * max(rate['people'], 1)))
        dropped = self.rates.counts['image'] - self.rates.counts['people']
        line = (
            f'{self.elapsed:5.0f} s | images {rate["image"]:4.1f} Hz, results '
            f'{rate["people"]:4.1f} Hz, not processed {max(0, dropped)} | latency '
            f'p50 {milliseconds(p50)} p99 {milliseconds(p99)} ms | most people at once '
            f'{self.presence.most_at_once}'
        )
        errors = self.errors.summary()
        if errors['pelvis_error_median_percent'] is not None:
            line += f' | pelvis error {errors["pelvis_error_median_percent"]:.1f} %'
        depth = self.depth.summary()
        if depth['images']:
            line += f' | depth AbsRel {depth["refined"]:.3f} (prior {depth["prior"]:.3f})'
        self._teller.say(line)

    def _summary(self) -> dict[str, Any]:
        p50, p99 = self.latency.percentiles()
        seconds = max(self.elapsed, 1e-9)
        counts = dict(sorted(self.rates.counts.items()))
        summary: dict[str, Any] = {
            'seconds': round(self.elapsed, 2),
            'messages': counts,
            'rates_hz': {name: round(count / seconds, 2) for name, count in counts.items()},
            'latency_ms': {'p50': rounded(p50 * 1e3, 1), 'p99': rounded(p99 * 1e3, 1)},
            'images_without_result': max(0, counts.get('image', 0) - counts.get('people', 0)),
            'people': self.presence.summary(),
            'diagnostics': self.diagnosis,
            'stages_ms': self.stages,
        }
        if self.errors.true_seen:
            summary['people_errors'] = self.errors.summary()
        if self.depth.summary()['images']:
            summary['depth_abs_rel'] = self.depth.summary()
        return summary


def main(args: list[str] | None = None) -> int:
    """Watch until the duration is over or the process is told to end; return the exit code."""
    os.nice(NICE)
    monitors: list[Monitor] = []

    def make() -> Monitor:
        monitors.append(Monitor())
        return monitors[0]

    code = run_node(make, args)
    if code or not monitors:
        return code
    failure = monitors[0].failure
    if monitors[0].first_result is None and not failure:
        failure = 'ended before the first result'
    if failure:
        sys.stderr.write(f'monitor: {failure}\n')
    return 1 if failure else 0


if __name__ == '__main__':
    sys.exit(main())
