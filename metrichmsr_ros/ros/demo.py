"""The demonstration: camera, perception node and monitor as three processes over DDS.

``python -m metrichmsr_ros.ros.demo --source synthetic --duration 20``; this is what ``make demo``
runs. The three meet only on topics, as on a robot.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from metrichmsr_ros.data.sources import SourceError
from metrichmsr_ros.ros.middleware import BusyError, own_graph, share_path, use_fastdds_profile
from metrichmsr_ros.ros.presets import parameter_arguments, preset_of_source

STOP_WITHIN = 30.0  # seconds for a process to end after SIGINT; the monitor finishes its files
DRAIN = 2.0  # seconds for the results of the last image
CAMERA_SUBSCRIBERS = 2  # the node and the monitor: nobody misses the first image


@dataclass(frozen=True)
class Job:
    """One process: what it is called, which module it runs, its parameters and remappings."""

    name: str
    module: str
    parameters: dict[str, Any]
    remappings: tuple[tuple[str, str], ...] = ()

    def command(self) -> list[str]:
        """Return the command line."""
        words = [sys.executable, '-m', 'metrichmsr_ros.start', self.module, '--ros-args']
        words += parameter_arguments(self.parameters)
        for old, new in self.remappings:
            words += ['-r', f'{old}:={new}']
        return words


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.splitlines()[0])
    parser.add_argument(
        '--source',
        default='synthetic',
        help='synthetic, a video, a photograph, a folder of photographs, /dev/video0, or a bag',
    )
    parser.add_argument(
        '--duration', type=float, default=0.0, help='seconds after the first result; 0 = Ctrl-C'
    )
    parser.add_argument(
        '--fov', type=float, default=0.0, help='horizontal field of view, DEGREES, if unknown'
    )
    parser.add_argument('--camera-info', default='', help='camera_calibration YAML')
    parser.add_argument('--estimator', default='', help='metrichmr or landmark_ik')
    parser.add_argument('--checkpoint', default='', help='folder of weights for metrichmr')
    parser.add_argument('--landmark-network', default='', help='of BlazePose: full or heavy')
    parser.add_argument('--people', type=int, default=0, help='of the synthetic world, 1 to 3')
    parser.add_argument('--topics', default='', help='of the node, with commas; empty = all')
    parser.add_argument('--depth-refiner', default='', help='folder of weights, or affine')
    parser.add_argument('--output', default='demo_output', help='folder for video and summary')
    parser.add_argument('--rerun-rate', type=float, default=2.0, help='records/s; 0 = no file')
    values = parser.parse_args(argv)
    if values.duration < 0:
        parser.error(f'--duration is {values.duration}: it must be 0 or more seconds')
    if not 0 <= values.fov < 180:
        parser.error(f'--fov is {values.fov}: it must be within 0 to 180 degrees')
    return values


def jobs(values: argparse.Namespace) -> list[Job]:
    """Return the three processes for these values.

    Raises:
        SourceError: The source is missing or cannot be read.
    """
    intrinsics = {'fov': math.radians(values.fov), 'camera_info': values.camera_info}
    preset = preset_of_source(values.source, share_path('config/cameras'), **intrinsics)
    camera = {
        'source': values.source,
        'people': values.people,
        'wait_for': CAMERA_SUBSCRIBERS,
        **intrinsics,
    }
    perception = dict(preset.parameters)
    for name in ('estimator', 'checkpoint', 'landmark_network', 'depth_refiner'):
        if getattr(values, name):
            perception[name] = getattr(values, name)
    monitor = {
        'output': values.output,
        'duration': values.duration,
        'topics': values.topics,
        'rerun_rate': values.rerun_rate,
    }
    for name in ('camera_height', 'camera_tilt'):
        if name in preset.parameters:
            monitor[name] = preset.parameters[name]
    return [
        Job('node', 'metrichmsr_ros.ros.node', perception, tuple(preset.remappings)),
        Job('monitor', 'metrichmsr_ros.ros.monitor', monitor),
        Job('camera', 'metrichmsr_ros.ros.camera', camera),
    ]


def run(processes: Sequence[Job]) -> int:
    """Run the processes until the monitor or the camera ends; return the exit code."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for job in processes:
            running[job.name] = subprocess.Popen(job.command())
        return _watch(running)
    except KeyboardInterrupt:
        return _stop(running)
    finally:
        _stop(running)


def _watch(running: dict[str, subprocess.Popen[bytes]]) -> int:
    while True:
        time.sleep(0.2)
        if running['monitor'].poll() is not None:
            return running['monitor'].returncode
        if running['node'].poll() is not None:
            sys.stderr.write(f'demo: the node ended with {running["node"].returncode}\n')
            return 1
        code = running['camera'].poll()
        if code is not None:
            time.sleep(DRAIN)
            return _stop(running) or code


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> int:
    """End the monitor, then the others; return the monitor's exit code."""
    for name in ('monitor', 'camera', 'node'):
        process = running.get(name)
        if process is None or process.poll() is not None:
            continue
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f'demo: the {name} did not end within {STOP_WITHIN:g} s: killed\n')
            process.kill()
            process.wait()
    return running['monitor'].returncode if 'monitor' in running else 1


def _tell_domain(domain: str) -> None:
    if domain != (os.environ.get('ROS_DOMAIN_ID') or '0'):
        told = f'demo: another demo is running, so this one has ROS_DOMAIN_ID={domain}'
        sys.stdout.write(told + '\n')
        sys.stdout.flush()


def _files(folder: Path) -> dict[str, int]:
    """Return by name when each file of a folder was changed; nothing where there is no folder."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.stat().st_mtime_ns for path in files}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    values = parse(argv)
    before = _files(Path(values.output))
    try:
        processes = jobs(values)
        with own_graph() as variables:
            _tell_domain(variables['ROS_DOMAIN_ID'])
            os.environ.update(variables)
            use_fastdds_profile()
            os.environ.setdefault('PYTHONUNBUFFERED', '1')
            code = run(processes)
    except (SourceError, BusyError) as error:
        sys.stderr.write(f'demo: {error}\n')
        return 2
    if code == 0:
        after = _files(Path(values.output)).items()
        names = ', '.join(name for name, changed in after if before.get(name) != changed)
        sys.stdout.write(f'demo: wrote {names} in {values.output}\n')
    return code


if __name__ == '__main__':
    sys.exit(main())
