"""Faults of whole processes: killed, restarted, interrupted, started with nonsense."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from metrichmsr_msgs.msg import PersonArray
import pytest
import rclpy
from rclpy.node import Node

from metrichmsr_ros.ros.run import run_node

pytestmark = pytest.mark.ros

HERE = Path(__file__).parent
NODE = [str(HERE / 'fakes.py')]
CAMERA = [str(HERE / 'processes.py'), 'camera']
LISTENER = [str(HERE / 'processes.py'), 'listener']
STOCK = {'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'}


def spawn(arguments: list[str], *more: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in STOCK}
    environment['PYTHONPATH'] = str(HERE.parents[1])
    return subprocess.Popen(
        [sys.executable, *arguments, *more], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.terminate()  # killed, it would leave its shared memory behind
    for process in started:
        process.communicate(timeout=20)


@pytest.fixture
def probe() -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node('probe')
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def spin_until(node: Node, condition: Callable[[], object], timeout: float = 30.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f'waited {timeout} s in vain'
        rclpy.spin_once(node, timeout_sec=0.05)


def test_any_process_may_be_killed_and_restarted(
    probe: Node, processes: list[subprocess.Popen[str]]
) -> None:
    people: list[PersonArray] = []
    reports: list[DiagnosticArray] = []
    probe.create_subscription(PersonArray, '/metrichmsr/people', people.append, 1)
    probe.create_subscription(DiagnosticArray, '/diagnostics', reports.append, 1)
    node, camera = spawn(NODE), spawn(CAMERA)
    processes += [node, camera]
    spin_until(probe, lambda: people)

    camera.kill()
    camera.wait()
    # DDS forgets a killed publisher after its lease; until then it seems to be there, and mute.
    mute = ('no image for', 'nobody publishes')
    spin_until(
        probe, lambda: any(text in r.status[0].message for r in reports[-1:] for text in mute)
    )
    people.clear()
    processes.append(spawn(CAMERA))
    spin_until(probe, lambda: people)

    node.kill()
    node.wait()
    people.clear()
    processes.append(spawn(NODE))
    spin_until(probe, lambda: people)
    assert [person.id for person in people[-1].people] == ['abcde']


def test_a_stock_process_reads_and_calls_services(processes: list[subprocess.Popen[str]]) -> None:
    processes += [spawn(NODE), spawn(CAMERA), spawn(LISTENER)]
    out, err = processes[-1].communicate(timeout=110)
    assert processes[-1].returncode == 0, err
    lines = out.splitlines()
    assert lines[0] in ('state active', 'state unconfigured')  # it may have been quick
    assert lines.count('people 1') == 5


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly_when_interrupted(
    probe: Node, processes: list[subprocess.Popen[str]], number: signal.Signals
) -> None:
    people: list[PersonArray] = []
    probe.create_subscription(PersonArray, '/metrichmsr/people', people.append, 1)
    processes += [spawn(NODE), spawn(CAMERA)]
    spin_until(probe, lambda: people)  # busy when the signal comes
    processes[0].send_signal(number)
    _, err = processes[0].communicate(timeout=10)
    assert processes[0].returncode == 0, err
    assert 'Traceback' not in err
    assert 'ERROR' not in err


def test_a_corrupt_parameter_file_ends_the_process_with_one_line(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    path = tmp_path / 'bad.yaml'
    path.write_text('/**:\n  ros__parameters:\n    fov: [1, {')
    processes.append(spawn(NODE, '--ros-args', '--params-file', str(path)))
    out, err = processes[0].communicate(timeout=30)
    assert processes[0].returncode == 2
    assert out == ''
    assert err.count('\n') == 1
    assert err.startswith("error: Couldn't parse params file")
    assert str(path) in err


@pytest.mark.parametrize(
    ('argument', 'text'),
    [
        ('fov:=wide', "Trying to set parameter 'fov' to 'wide' of type 'STRING'"),
        ('fov:=1', "expecting type 'DOUBLE'"),
        ('fov:=60.0', 'fov out of range Min: 0.0, Max: 3.0, value: 60.0'),
        ('max_people:=0', 'max_people out of range'),
        (
            'depth_source:=stereo',
            "depth_source is 'stereo': it must be one of none, topic, ground",
        ),
        ('fov', "Couldn't parse parameter override rule"),
    ],
)
def test_bad_start_up_parameters(
    capfd: pytest.CaptureFixture[str], argument: str, text: str
) -> None:
    from fakes import draw, FakePipeline

    from metrichmsr_ros.ros.node import MetricHmsrNode

    code = run_node(
        lambda: MetricHmsrNode(build=FakePipeline, draw=draw),
        ['test', '--ros-args', '-p', argument],
    )
    err = capfd.readouterr().err
    assert code == 2
    assert text in err
    assert err.count('\n') == 1
    assert not rclpy.ok()
