"""The lifecycle node: wiring between subscriptions, the pipeline and publishers.

The executor's thread only stores the newest message; one worker thread decodes, processes and
publishes. See ``inputs.py``, ``worker.py``, ``outputs.py`` and ``diagnostics.py`` for the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import resource
import sys
import textwrap
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.ros.diagnostics import (
    ERROR,
    Health,
    Problem,
    RECENT,
    report,
    status_name,
    WARN,
)
from metrichmsr_ros.ros.inputs import Input, Inputs
from metrichmsr_ros.ros.messages import to_header
from metrichmsr_ros.ros.outputs import Draw, Outputs
from metrichmsr_ros.ros.parameter_server import ParameterServer
from metrichmsr_ros.ros.parameters import pipeline_config
from metrichmsr_ros.ros.run import run_node
from metrichmsr_ros.ros.transitions import refuse_impossible_transitions
from metrichmsr_ros.ros.worker import Worker
from metrichmsr_ros.start import loading
from metrichmsr_ros.structures import DepthState

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_REPORT_PERIOD = 1.0
_LONGEST_ERROR = 400  # characters: a message may quote what it was sent
_HINT = (
    'is its QoS compatible, and do both processes use config/fastdds.xml '
    '(FASTDDS_DEFAULT_PROFILES_FILE)? Stock Fast DDS loses large images'
)
_STRANGE_LATENCY = 5.0
"""Seconds between an image's stamp and its result that no camera and no pipeline explain."""
_UNANCHORED = (
    'the scale of the depth is unanchored: nobody has been in view for depth_memory, or nothing '
    'sound was seen of anybody'
)
_UNCALIBRATED = (
    'the camera is not calibrated: its focal length is a guess, and all distances are off by one '
    'factor'
)


class MetricHmsrNode(LifecycleNode):
    """Image and CameraInfo in; people, meshes, transforms and metric depth out."""

    def __init__(
        self, *, build: Callable[[PipelineConfig], Any], draw: Draw, **kwargs: Any
    ) -> None:
        """Declare parameters and start reporting; nothing heavy happens before configure.

        Args:
            build: Loads a pipeline; raises with the reason where it cannot.
            draw: Makes the overlay of a scene.
            kwargs: As for ``rclpy.node.Node``.

        Raises:
            rclpy.exceptions.ParameterException: A start-up parameter is of the wrong type or out
                of range.
        """
        super().__init__('metrichmsr', **kwargs)
        refuse_impossible_transitions(self)
        self._build = build
        self._draw = draw
        self._pipeline: Any = None
        self._outputs: Outputs | None = None
        self._inputs: Inputs | None = None
        self._worker: Worker | None = None
        self._failure = ''
        self._health = Health()
        self._server = ParameterServer(self, unconfigured=lambda: self._pipeline is None)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # Steady clocks: simulated time may stand still, and must not silence the node.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_REPORT_PERIOD, self._tick, clock=self._steady)
        if self._server.read().autostart:
            self._starter = self.create_timer(0.0, self._autostart, clock=self._steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the pipeline and warm it up; FAILURE with the reason where that cannot be."""
        parameters = self._server.read()
        try:
            pipeline = self._build(pipeline_config(parameters))
            self._outputs = Outputs(self, pipeline.body.faces, self._draw)
        except Exception as error:
            self._failure = f'configure failed: {str(error) or type(error).__name__}'
            self.get_logger().error(self._failure)
            self.get_logger().debug(traceback.format_exc())
            return FAILURE
        self._pipeline = pipeline
        self._failure = ''
        self.get_logger().info(f'configured: body {pipeline.body.name}')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        self._health.restart()
        super().on_activate(state)
        assert self._outputs is not None
        self._inputs = Inputs(self, self._server.read(), self._receive)
        self._worker = Worker(
            pipeline=self._pipeline,
            inputs=self._inputs,
            outputs=self._outputs,
            health=self._health,
            complain=self._complain,
            read_parameters=self._server.read,
            clock=self.get_clock(),
        )
        self.get_logger().info(f'active: waiting for images on {self._inputs.topic("image")}')
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker; the pipeline stays loaded."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the pipeline and the publishers."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from whatever state."""
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after an unexpected failure of a transition."""
        self.get_logger().error('a transition failed: everything is released')
        self._release()
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker, then destroy the node."""
        self._stop()
        super().destroy_node()
        # rclpy forgets the state machine: its services would stay in the graph and never answer.
        self._state_machine.destroy_when_not_in_use()

    def _receive(self, item: Input) -> None:
        """Take an image in the executor's thread."""
        if self._worker is None or self._outputs is None:
            return  # the executor had taken it before a transition ended the subscription
        if not self._outputs.wanted(self._server.read()):
            self._health.image(idle=True)
            return
        self._health.image(dropped=self._worker.put(item))

    def _autostart(self) -> None:
        """Configure and activate, once the executor spins."""
        self._starter.cancel()
        if self._state_machine.current_state[1] != 'unconfigured':
            return
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def _complain(self, kind: str, message: str) -> None:
        """Count an error of the input or the pipeline, and log it now and then, in one line."""
        message = textwrap.shorten(message, _LONGEST_ERROR, placeholder=' …')
        if self._health.error(kind, message):
            self.get_logger().error(message)

    def _tick(self) -> None:
        """Follow the publishers and publish diagnostics."""
        if self._inputs is not None:
            for name in self._inputs.refresh():
                self.get_logger().info(f'{name}: took the QoS of its publisher')
        camera = self._worker.camera if self._worker is not None else None
        message = report(
            self._health.snapshot(),
            name=status_name(self.get_fully_qualified_name()),
            hardware_id=self.resolve_topic_name('image'),
            header=to_header(self.get_clock().now().nanoseconds, ''),
            state=self._state_machine.current_state[1],
            problems=tuple(self._problems(camera)),
            values=_values(camera, self._inputs),
        )
        self._diagnostics.publish(message)

    def _problems(self, camera: Camera | None) -> Iterator[Problem]:
        """What is wrong besides the errors that were counted."""
        if self._failure:
            yield Problem(ERROR, self._failure)
        if self._inputs is None:
            return
        snapshot = self._health.snapshot()
        silence = snapshot.silence
        topic = self._inputs.topic('image')
        if silence > RECENT and not self._inputs.publishers('image'):
            yield Problem(WARN, f'nobody publishes {topic}')
        elif silence > RECENT:
            yield Problem(
                WARN, f'{topic} has a publisher but no image for {silence:.0f} s: {_HINT}'
            )
        elif not self._inputs.cameras.seen and not self._server.read().fov:
            yield Problem(WARN, f'no CameraInfo on {self._inputs.topic("camera_info")}')
        if self._inputs.depth_missing:
            yield Problem(WARN, f"no depth of the image's time on {self._inputs.topic('depth')}")
        if abs(snapshot.latency_p50) > _STRANGE_LATENCY:
            yield Problem(
                WARN,
                f'results are {snapshot.latency_p50:.0f} s younger than the stamps of their '
                'images: are use_sim_time and the clocks of both machines right?',
            )
        if snapshot.depth is not None and snapshot.depth.state == DepthState.UNANCHORED:
            yield Problem(WARN, _UNANCHORED)
        if camera is not None and not camera.calibrated:
            yield Problem(WARN, _UNCALIBRATED)

    def _stop(self) -> None:
        """End subscriptions, then the worker."""
        if self._inputs is not None:
            self._inputs.destroy()
        if self._worker is not None:
            self._worker.stop()
        self._inputs = self._worker = None

    def _release(self) -> None:
        """Free everything that configure and activate made."""
        self._stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._pipeline = None


def _values(camera: Camera | None, inputs: Inputs | None) -> dict[str, str]:
    values = {'process memory (MB)': f'{_resident_megabytes():.0f}'}
    if torch.cuda.is_initialized():
        values['device memory (MB)'] = f'{torch.cuda.memory_reserved() / 1e6:.0f}'
    if camera is not None:
        values['camera'] = (
            f'{camera.width}x{camera.height}, fx {camera.K[0, 0]:.1f}, {camera.distortion_model}, '
            f'{"calibrated" if camera.calibrated else "not calibrated"}'
        )
    if inputs is not None and inputs.depth_offset is not None:
        values['depth after image (ms)'] = f'{1e3 * inputs.depth_offset:.1f}'
    return values


def _resident_megabytes() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main(args: list[str] | None = None) -> int:
    """Run the node with the real pipeline; returns the exit code."""
    with loading():
        from metrichmsr_ros.perception.pipeline import build_pipeline
        from metrichmsr_ros.visualization import draw_scene

    return run_node(lambda: MetricHmsrNode(build=build_pipeline, draw=draw_scene), args)


if __name__ == '__main__':
    sys.exit(main())
