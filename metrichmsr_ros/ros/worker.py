"""The thread that decodes and processes, and the one that publishes what it found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import threading
import time
import traceback
from typing import Any

from rclpy.clock import Clock
from rclpy.logging import get_logger
from rclpy.utilities import ok

from metrichmsr_ros.data.image_messages import ImageError
from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.ros.cameras import NoCameraInfoError
from metrichmsr_ros.ros.diagnostics import DepthStatus, Health
from metrichmsr_ros.ros.frames import read_depth, read_image
from metrichmsr_ros.ros.inputs import Input, Inputs
from metrichmsr_ros.ros.mailbox import Mailbox
from metrichmsr_ros.ros.outputs import Outputs
from metrichmsr_ros.ros.parameters import Parameters
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage, Frame, Scene

_CAMERA_INFO_PATIENCE = 2.0
"""Seconds after the start within which the first CameraInfo may be later than the first image."""

Complain = Callable[[str, str], None]


class Worker:
    """Processes the newest input whenever it is done with the one before.

    What was found in one image is published while the next one is processed.
    """

    def __init__(
        self,
        *,
        pipeline: Any,
        inputs: Inputs,
        outputs: Outputs,
        health: Health,
        complain: Complain,
        read_parameters: Callable[[], Parameters],
        clock: Clock,
    ) -> None:
        """Start the thread.

        Args:
            pipeline: ``process(frame, want_depth=)`` and ``reset()``.
            inputs: Keeps the CameraInfos.
            outputs: Publishes the results.
            health: Counts them.
            complain: Called with the kind and the text of every error.
            read_parameters: Returns the parameters of now.
            clock: Latency is its time minus the image's stamp.
        """
        self.camera: Camera | None = None
        self._pipeline = pipeline
        self._inputs = inputs
        self._outputs = outputs
        self._health = health
        self._complain = complain
        self._read_parameters = read_parameters
        self._clock = clock
        self._started = time.monotonic()
        self._stamp: int | None = None
        self._frame_id: str | None = None
        self._mailbox: Mailbox[Input] = Mailbox()
        self._publisher = ThreadPoolExecutor(max_workers=1, thread_name_prefix='publishing')
        self._publishing: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name='perception', daemon=True)
        pipeline.reset()
        self._thread.start()

    def put(self, item: Input) -> bool:
        """Hand over an input; return whether an older one was dropped for it."""
        return self._mailbox.put(item)

    def stop(self) -> None:
        """Finish the input in work and end both threads."""
        self._mailbox.close()
        self._thread.join()
        self._publisher.shutdown()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            try:
                self._attempt(item)
            except Exception as error:  # so did telling of an error, or the reset after it
                if not ok():  # the context went down while we were publishing
                    return
                self._tell_last(error)

    def _attempt(self, item: Input) -> None:
        """Process an input; what is wrong with it is told and ends here."""
        try:
            self._process(item)
        except ImageError as error:
            self._complain('image', str(error))
        except NoCameraInfoError as error:
            if time.monotonic() - self._started > _CAMERA_INFO_PATIENCE:
                self._complain('no camera info', str(error))
        except CameraError as error:
            self._complain('camera info', str(error))
        except Exception as error:
            if not ok():
                raise
            get_logger('metrichmsr').debug(traceback.format_exc())
            self._complain('pipeline', f'{type(error).__name__}: {error}')
            self._pipeline.reset()

    def _tell_last(self, error: Exception) -> None:
        """Tell of an error in the handling of another: the thread must not end in silence."""
        text = f'{type(error).__name__}: {error}'
        if self._health.error('worker', text):
            get_logger('metrichmsr').error(text)

    def _process(self, item: Input) -> None:
        parameters = self._read_parameters()
        wanted = self._outputs.wanted(parameters)
        if not wanted:
            return
        started = time.perf_counter()
        frame = read_image(item.image, self._inputs.cameras, parameters)
        frame_id = item.image.header.frame_id
        if not self._in_sequence(frame.stamp, frame_id):
            return
        self.camera = frame.camera
        if not frame_id and 'tf' in wanted:
            self._complain('frame', 'the image has an empty frame_id: no transforms are sent')
            wanted = wanted - {'tf'}
        depth = self._read_depth(item, frame, parameters)
        read = time.perf_counter()
        scene = self._pipeline.process(
            Frame(frame.image, frame.camera, frame.stamp, depth),
            want_depth=self._outputs.needs_depth(wanted),
            want_mesh=self._outputs.needs_mesh(wanted, parameters),
        )
        if scene.depth_error is not None:
            error = scene.depth_error
            self._complain('depth source', f'{type(error).__name__}: {error}')
        if self._publishing is not None:
            self._publishing.result()  # results leave in the order of their images
        self._publishing = self._publisher.submit(
            self._publish, scene, wanted, parameters, frame_id, read - started
        )

    def _publish(
        self,
        scene: Scene,
        wanted: frozenset[str],
        parameters: Parameters,
        frame_id: str,
        read_seconds: float,
    ) -> None:
        """Publish a scene and count it; what goes wrong is told and ends here."""
        started = time.perf_counter()
        try:
            self._outputs.publish(scene, wanted, parameters, frame_id=frame_id)
        except Exception as error:
            if ok():  # else the context went down while we were publishing
                get_logger('metrichmsr').debug(traceback.format_exc())
                self._complain('publishing', f'{type(error).__name__}: {error}')
            return
        seconds = time.perf_counter() - started
        self._health.result(
            latency=(self._clock.now().nanoseconds - scene.frame.stamp) / NS_PER_S,
            people=len(scene.people),
            depth=None if scene.depth is None else DepthStatus.of(scene.depth),
            stages={'read': read_seconds, **scene.timings, 'publish': seconds},
        )

    def _in_sequence(self, stamp: int, frame_id: str) -> bool:
        """Forget the tracks where time jumps back or the camera is another one.

        Returns:
            False where time stands still.
        """
        before, self._stamp = self._stamp, stamp
        camera, self._frame_id = self._frame_id, frame_id
        if camera is not None and camera != frame_id:
            self._complain(
                'frame',
                f'images are of {frame_id!r} and no longer of {camera!r}: tracks start anew',
            )
            self._pipeline.reset()
        if before is not None and stamp == before:
            self._complain(
                'stamp', f'two images have the stamp {before / NS_PER_S:.6f}: one is left out'
            )
            return False
        if before is not None and stamp < before:
            self._complain(
                'stamp',
                f'the stamp jumps back by {(before - stamp) / NS_PER_S:.3f} s: tracks start anew',
            )
            self._pipeline.reset()
        return True

    def _read_depth(self, item: Input, frame: Frame, parameters: Parameters) -> DepthImage | None:
        """Return the depth of the input; a bad one costs the depth, not the people."""
        if item.depth is None:
            return None
        try:
            return read_depth(
                item.depth,
                self._inputs.depth_cameras,
                frame.camera,
                frame_id=item.image.header.frame_id,
                rectified=parameters.image_rectified,
            )
        except (ImageError, CameraError) as error:
            self._complain('depth', str(error))
            return None
