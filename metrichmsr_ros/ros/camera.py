"""A camera for demonstrations: plays any ``data.sources`` source as a live ROS camera.

Publishes ``~/image_raw``, ``~/camera_info``, ``~/depth/image_raw`` where the source has depth, and
the truth that a synthetic source knows as ``~/truth/people`` and ``~/truth/depth``. Starts when
somebody subscribes to the image.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback

from metrichmsr_msgs.msg import PersonArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from metrichmsr_ros.data.sources import open_source, SourceError, SourceFrame
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.cdr import image_bytes
from metrichmsr_ros.ros.messages import camera_info, person_array, to_header
from metrichmsr_ros.ros.run import one_line, run_node
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage

CAMERA_QOS = QoSProfile(depth=1)  # reliable: matches best-effort and reliable subscribers alike
DRAIN = 0.5  # seconds for the last frame to reach subscribers
LATE = NS_PER_S // 20  # the oldest that a stamp may be: what is later is not caught up
TRUTH_PERIOD = NS_PER_S // 5  # truth is for measuring: a few times a second will do
PROGRESS_PERIOD = 3.0
DEFAULTS = {
    'source': 'synthetic',  # as data.sources.open_source
    'fov': 0.0,  # horizontal, rad; 0 = as the source says
    'camera_info': '',  # camera_calibration YAML; empty = as the source says
    'rate': 0.0,  # frames per second, files play faster or slower; 0 = the source's own
    'people': 0,  # of the synthetic world; 0 = its own default
    'depth_slop': 0.5,  # largest time between an image and its depth in a bag, s
    'restamp': True,  # stamp with now; else keep the source's stamps and publish /clock
    'wait_for': 1,  # image subscribers to wait for before the first frame
}


class Pace:
    """The offset from a source's time to the present: when its frames are due, and their stamps.

    All times of the source get the same, and not each its own look at the clock: intervals stay
    the source's, and depth keeps its distance from all images that it goes with. The offset never
    falls, so no stamp jumps back. It rises with a source that is more than ``LATE`` behind, which
    plays in slow motion with stamps ``LATE`` old, rather than in jumps or in a race to catch up.
    """

    def __init__(self) -> None:
        self._offset: int | None = None

    def offset(self, stamp: int, now: int) -> int:
        """Return what to add to the source's times from this frame on, nanoseconds.

        Args:
            stamp: The frame's own, nanoseconds.
            now: Present time, nanoseconds.
        """
        offset = now - stamp
        if self._offset is not None:
            offset = max(self._offset, offset - LATE)
        self._offset = offset
        return offset


class CameraNode(Node):
    """Publishes the frames of one source at its own pace from a thread of its own.

    Raises:
        SourceError: The source cannot be opened.
    """

    def __init__(self) -> None:
        super().__init__('camera')
        value = {name: self.declare_parameter(name, d).value for name, d in DEFAULTS.items()}
        self.source = open_source(
            value['source'],
            fov=value['fov'] or None,
            camera_info=value['camera_info'] or None,
            rate=value['rate'] or None,
            people=value['people'] or None,
            depth_slop=value['depth_slop'],
            progress=self._tell_progress,
        )
        self._restamp, self._wait_for = value['restamp'], value['wait_for']
        self._image = self.create_publisher(Image, '~/image_raw', CAMERA_QOS)
        self._info = self.create_publisher(CameraInfo, '~/camera_info', CAMERA_QOS)
        self._depth = self.create_publisher(Image, '~/depth/image_raw', CAMERA_QOS)
        self._depth_info = self.create_publisher(CameraInfo, '~/depth/camera_info', CAMERA_QOS)
        self._true_people = self.create_publisher(PersonArray, '~/truth/people', CAMERA_QOS)
        self._true_depth = self.create_publisher(Image, '~/truth/depth', CAMERA_QOS)
        self._time: Publisher | None = None
        if not self._restamp:
            self._time = self.create_publisher(Clock, '/clock', 10)
        self._truth_due = 0
        self._depth_taken: int | None = None  # the source's time of the depth that was sent last
        self._stop = threading.Event()
        self.failed = False
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        """End the publishing thread, then the node."""
        self._stop.set()
        self._thread.join(timeout=2.0)
        super().destroy_node()

    def _tell_progress(self, share: float) -> None:
        if not self.context.ok():  # Ctrl-C: rendering is long, and nobody spins yet
            raise ExternalShutdownException
        self.get_logger().info(
            f'rendering the room, once: {share:.0%}', throttle_duration_sec=PROGRESS_PERIOD
        )

    def _run(self) -> None:
        try:
            self._play()
        except Exception as error:
            # Ctrl-C may take the context down while we publish: that is no failure.
            self.failed = self.context.ok() and not self._stop.is_set()
            if self.failed:
                self.get_logger().debug(traceback.format_exc())
                kind = '' if isinstance(error, SourceError) else f'{type(error).__name__}: '
                self.get_logger().error(one_line(f'{kind}{error}'))
        finally:
            self._stop.wait(DRAIN)
            rclpy.try_shutdown()  # the executor's thread ends the process

    def _play(self) -> None:
        while self._image.get_subscription_count() < self._wait_for:
            if self._stop.wait(0.05):
                return
        self.get_logger().info(f'playing {self.source.name} at {self.source.rate:g} Hz')
        pace = Pace()
        for frame in self.source:
            now = time.time_ns()
            offset = pace.offset(frame.stamp, now)
            if self._stop.wait(max(0, frame.stamp + offset - now) / NS_PER_S):
                return
            self._publish(frame, offset if self._restamp else 0)

    def _publish(self, frame: SourceFrame, offset: int) -> None:
        """Publish a frame with ``offset`` nanoseconds added to its times."""
        stamp = frame.stamp + offset
        header = to_header(stamp, frame.frame_id)
        if self._time is not None:
            self._time.publish(Clock(clock=header.stamp))
        self._info.publish(_info_of(frame.camera, header))
        if frame.depth is not None:
            taken = frame.stamp if frame.depth_stamp is None else frame.depth_stamp
            self._publish_depth(frame.depth, taken, offset, frame.frame_id)
        pixels = image_bytes(frame.image, encoding='rgb8', stamp=stamp, frame_id=frame.frame_id)
        self._image.publish(pixels)
        if frame.truth is not None and stamp >= self._truth_due:
            self._truth_due = stamp + TRUTH_PERIOD
            self._true_people.publish(person_array(frame.truth, calibrated=True, header=header))
            if frame.truth_depth_z is not None and self._true_depth.get_subscription_count():
                self._send_depth(self._true_depth, frame.truth_depth_z, stamp, frame.frame_id)

    def _publish_depth(self, depth: DepthImage, taken: int, offset: int, frame_id: str) -> None:
        """Publish a depth once, as its sensor did: a slow one comes with several images."""
        if taken == self._depth_taken:
            return
        self._depth_taken = taken
        self._depth_info.publish(_info_of(depth.camera, to_header(taken + offset, frame_id)))
        self._send_depth(self._depth, depth.depth_z, taken + offset, frame_id)

    @staticmethod
    def _send_depth(publisher: Publisher, depth_z: np.ndarray, stamp: int, frame_id: str) -> None:
        data = image_bytes(depth_z, encoding='32FC1', stamp=stamp, frame_id=frame_id)
        publisher.publish(data)


def _info_of(camera: Camera, header: Header) -> CameraInfo:
    info = camera_info(camera, header=header)
    if not camera.calibrated:
        info.k, info.p = np.zeros(9), np.zeros(12)  # how a CameraInfo says so
    return info


def main(args: list[str] | None = None) -> int:
    """Play a source until it ends or the process is told to; return the exit code."""
    cameras: list[CameraNode] = []

    def make() -> CameraNode:
        cameras.append(CameraNode())
        return cameras[0]

    code = run_node(make, args)
    return 1 if cameras and cameras[0].failed else code


if __name__ == '__main__':
    sys.exit(main())
