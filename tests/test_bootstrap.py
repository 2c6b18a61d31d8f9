"""Set-up's sentences and stamps; what it builds is what all other tests run in."""

import os
from pathlib import Path
import sys
import types

import pytest

BOOTSTRAP = Path(__file__).resolve().parents[1] / 'scripts' / 'bootstrap'
sys.path.insert(0, str(BOOTSTRAP))

from console import Runner, SetupError  # noqa: E402
from machine import (  # noqa: E402
    check_compiler,
    check_disk,
    find_python,
    Python,
    sourced_ros,
    upstream_packages,
)

PYTHON = Python('/usr/bin/python3', '3.12', Path(__file__), rclpy=False)


def failure(tmp_path: Path, output: str) -> str:
    """The sentence for a command that prints ``output`` and fails."""
    program = f'import sys; print({output!r}); sys.exit(1)'
    with pytest.raises(SetupError) as caught:
        Runner(tmp_path / 'log', python='3.12').run('PyTorch', [sys.executable, '-c', program])
    return str(caught.value)


@pytest.mark.parametrize(
    ('output', 'advice'),
    [
        ('ERROR: [Errno 28] No space left on device', 'free some 10 GB'),
        ('NewConnectionError(...)\nNo matching distribution found for torch', 'check the network'),
        ('ERROR: No matching distribution found for ros-jazzy-rclpy', 'no ros-jazzy-rclpy for'),
        ('ensurepip is not available', 'apt install python3-venv'),
        ('fatal error: Python.h: No such file or directory', 'apt install python3-dev'),
        ('error: the dog ate it.\nmore', 'the dog ate it'),
        ('', 'no output'),
    ],
)
def test_a_failure_is_one_sentence_that_says_what_to_do(tmp_path, output: str, advice: str):
    sentence = failure(tmp_path, output)

    assert advice in sentence
    assert sentence.endswith('.')
    assert '\n' not in sentence


def test_everything_that_was_said_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture):
    log = tmp_path / 'new' / 'log'
    runner = Runner(log, python='3.12')

    runner.run('Greeting', [sys.executable, '-c', 'print("hello"); print("world")'])

    assert log.read_text().splitlines()[1:] == ['hello', 'world']
    assert 'Greeting: done' in capsys.readouterr().out


def test_a_command_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(SetupError, match='nowhere/python'):
        Runner(tmp_path / 'log', python='3.12').run('Step', ['nowhere/python'])


def test_a_missing_interpreter_is_named():
    with pytest.raises(SetupError, match=r'nowhere/python does not run.*PYTHON='):
        find_python('nowhere/python')


def test_an_interpreter_of_another_version_is_refused(tmp_path: Path):
    old = tmp_path / 'python3.9'
    old.write_text(
        '#!/bin/sh\necho \'{"version": [3, 9], "executable": "", "header": "", "rclpy": ""}\'\n'
    )
    old.chmod(0o755)

    with pytest.raises(SetupError, match=r'is Python 3\.9, but Python 3\.10, 3\.11 or 3\.12'):
        find_python(str(old))


def test_no_compiler_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('CC', raising=False)

    with pytest.raises(SetupError, match=r'No working C compiler.*build-essential'):
        check_compiler(PYTHON)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = types.SimpleNamespace(free=2**30)
    monkeypatch.setattr('machine.shutil.disk_usage', lambda _: usage)

    with pytest.raises(SetupError, match=r'Only 1\.0 GB are free'):
        check_disk(tmp_path)


def test_a_sourced_ros_must_suit_the_interpreter():
    sourced = {'ROS_DISTRO': 'jazzy', 'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}

    assert sourced_ros(PYTHON, {}) == ''
    assert sourced_ros(PYTHON, {'AMENT_PREFIX_PATH': '/somewhere'}) == ''
    with pytest.raises(SetupError, match='jazzy is sourced'):
        sourced_ros(PYTHON, sourced)
    with_rclpy = Python('/usr/bin/python3', '3.12', Path(__file__), rclpy=True)
    assert sourced_ros(with_rclpy, sourced) == 'jazzy'


def test_packages_of_all_prefixes_are_upstreams(tmp_path: Path):
    for prefix, name in (('ros', 'tf2_msgs'), ('overlay', 'cv_bridge')):
        manifest = tmp_path / prefix / 'share' / name / 'package.xml'
        manifest.parent.mkdir(parents=True)
        manifest.touch()
    prefixes = os.pathsep.join([str(tmp_path / 'ros'), '', str(tmp_path / 'overlay')])

    assert upstream_packages({'AMENT_PREFIX_PATH': prefixes}) == {'tf2_msgs', 'cv_bridge'}
