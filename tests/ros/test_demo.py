"""The demonstration as a user starts it: three processes, from a photograph to the files."""

import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest

from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.ros import demo
from metrichmsr_ros.ros.demo import jobs, parse

pytestmark = pytest.mark.ros


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / 'photo.png'
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    return path


def run_demo(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'metrichmsr_ros.ros.demo', *arguments]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    environment.pop('DISPLAY', None)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)


@pytest.mark.slow
def test_a_photograph_becomes_video_recording_and_summary(photograph: Path, tmp_path: Path):
    try:
        find_assets()
    except AssetError as error:
        pytest.skip(str(error))
    output = tmp_path / 'output'

    result = run_demo(
        '--source', str(photograph), '--fov', '60', '--duration', '3', '--output', str(output)
    )

    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['messages']['people'] >= 3
    assert summary['messages']['overlay'] >= 3
    assert summary['people']['most_at_once'] == 0  # nobody is in noise
    assert summary['latency_ms']['p50'] > 0
    video = cv2.VideoCapture(str(output / 'overlay.mp4'))
    found, frame = video.read()
    assert found
    assert frame.shape == (120, 3 * 160, 3)
    assert (output / 'scene.rrd').stat().st_size > 1000


def test_a_missing_source_is_one_line_and_starts_nothing():
    result = run_demo('--source', 'nowhere.mp4')
    assert result.returncode == 2
    assert result.stderr.strip().splitlines() == ['demo: nowhere.mp4 does not exist']


@pytest.mark.parametrize(
    'arguments', [('--fov', '400'), ('--duration', '-1'), ('--colour', 'red')]
)
def test_rejects_bad_arguments(arguments: tuple[str, ...]):
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2


def test_the_three_processes_agree_on_the_floor():
    processes = {job.name: job for job in jobs(parse([]))}
    assert set(processes) == {'node', 'monitor', 'camera'}
    node, monitor = processes['node'].parameters, processes['monitor'].parameters
    assert node['depth_source'] == 'ground'
    for name in ('camera_height', 'camera_tilt'):
        assert node[name] == monitor[name]
    assert ('image', 'camera/image_raw') in processes['node'].remappings


def test_field_of_view_is_degrees_for_people_and_radians_for_nodes(photograph: Path):
    processes = {
        job.name: job for job in jobs(parse(['--source', str(photograph), '--fov', '60']))
    }
    assert processes['camera'].parameters['fov'] == pytest.approx(np.pi / 3)
    assert processes['node'].parameters['depth_source'] == 'none'


@pytest.mark.parametrize(('code', 'told'), [(0, 'demo: wrote overlay.mp4 in {}\n'), (1, '')])
def test_tells_of_the_files_of_this_run_and_of_none_that_failed(
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    old = tmp_path / 'scene.rrd'
    old.touch()
    os.utime(old, (1e9, 1e9))

    def run(_: object) -> int:
        (tmp_path / 'overlay.mp4').touch()
        return code

    monkeypatch.setattr(demo, 'run', run)
    monkeypatch.setattr(demo, 'jobs', lambda _: [])
    monkeypatch.setattr(demo.os, 'environ', dict(os.environ))
    assert demo.main(['--output', str(tmp_path)]) == code
    assert capsys.readouterr().out == told.format(tmp_path)
