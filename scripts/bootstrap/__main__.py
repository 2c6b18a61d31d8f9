"""Set up ``.venv`` for this repository: ``python3 scripts/bootstrap``; needs nothing but Python.

Every step is done once: its inputs are hashed, and it is done again when they, or those of a step
before it, have changed. Where a ROS 2 installation is sourced that one is used, else the wheels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
import fcntl
import hashlib
import inspect
import json
from pathlib import Path
import shutil
import sys

from console import Runner, say, SetupError
from machine import check_compiler, check_disk, find_python, sourced_ros
import steps

STAMPS = steps.VENV / 'setup-stamps.json'

# A step and the files it depends on, in order.
STEPS: tuple[tuple[Callable[[steps.Environment], None], tuple[Path, ...]], ...] = (
    (steps.make_venv, ()),
    (steps.install_torch, ()),
    (steps.install_ros, (steps.ROS_REQUIREMENTS, steps.MEND_WHEELS)),
    (steps.build_messages, (steps.ROOT / 'msg', steps.MESSAGES, steps.UNDERLAY)),
    (steps.install_package, (steps.ROOT / 'setup.py', steps.ROOT / 'package.xml')),
)


def main() -> int:
    """Set up; return the exit status."""
    parser = argparse.ArgumentParser(description='Set up .venv for this repository.')
    parser.add_argument('--python', help='interpreter to use, 3.10 to 3.12')
    arguments = parser.parse_args()
    try:
        with (steps.ROOT / 'Makefile').open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say('Another set-up of this folder is running: waiting for it.')
                fcntl.flock(lock, fcntl.LOCK_EX)
            set_up(arguments.python)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Interrupted; the next run goes on where this one stopped.', file=sys.stderr)
        return 130
    return 0


def set_up(wanted: str | None) -> None:
    """Do the steps that are due.

    Args:
        wanted: The interpreter that the user named.

    Raises:
        SetupError: Something is missing; says what to do.
    """
    python = find_python(wanted)
    ros = sourced_ros(python)
    root = f'{steps.VENV} {python.version} {python.executable} {ros} {steps.TORCH}'
    done = _read_stamps()
    due = [(step, stamp) for step, stamp in _stamps(root) if done.get(step.__name__) != stamp]
    runner = Runner(steps.VENV.with_name('.setup.log'), python=python.version)
    environment = steps.Environment(python, ros, runner)
    if due:
        source = f'ROS 2 {ros}' if ros else 'the ROS 2 Jazzy wheels'
        say(f'Setting up .venv with Python {python.version} and {source}:')
        check_compiler(python)
        if due[0][0] is steps.make_venv:
            if done:
                shutil.rmtree(steps.VENV)
            check_disk(steps.ROOT)
    for step, stamp in due:
        step(environment)
        done = {**_read_stamps(), step.__name__: stamp}
        STAMPS.write_text(json.dumps(done, indent=1))
    steps.fetch_assets(environment)


def _read_stamps() -> dict[str, str]:
    try:
        return json.loads(STAMPS.read_text())
    except (OSError, ValueError):
        return {}


def _stamps(root: str) -> Iterable[tuple[Callable[[steps.Environment], None], str]]:
    """Yield each step with the hash of its code and inputs and of those of the steps before it."""
    digest = hashlib.sha256(root.encode())
    for step, inputs in STEPS:
        digest.update(inspect.getsource(step).encode())
        for path in inputs:
            for file in sorted(path.rglob('*')) if path.is_dir() else [path]:
                if file.is_file() and '__pycache__' not in file.parts:
                    digest.update(str(file.relative_to(steps.ROOT)).encode())
                    digest.update(file.read_bytes())
        yield step, digest.hexdigest()


if __name__ == '__main__':
    sys.exit(main())
