"""Starts the commands: Ctrl-C while libraries load, which takes seconds, is an end in one line.

The console scripts are here, and ``python -m metrichmsr_ros.start MODULE …`` does the same for any
module with a ``main``. Nothing that takes time is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
import os
import signal
import sys
from typing import NoReturn

EXIT_INTERRUPTED = 130


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once while the block imports what it needs.

    An exception would not do: inside the import of a compiled library it becomes an ImportError.
    """
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start(module: str) -> int:
    """Import a module and run its ``main`` with this process's arguments; return the exit code."""
    with loading():
        main = import_module(module).main
    try:
        return main()
    except KeyboardInterrupt:
        return _tell()


def metrichmsr() -> int:
    """Run the command ``metrichmsr``."""
    return start('metrichmsr_ros.cli')


def metrichmsr_node() -> int:
    """Run the perception node."""
    return start('metrichmsr_ros.ros.node')


def camera_node() -> int:
    """Run the node that plays a source as a camera."""
    return start('metrichmsr_ros.ros.camera')


def monitor() -> int:
    """Run the node that measures and draws what the others publish."""
    return start('metrichmsr_ros.ros.monitor')


def _leave(*_: object) -> NoReturn:
    os._exit(_tell())


def _tell() -> int:
    sys.stderr.write('interrupted\n')
    sys.stderr.flush()
    return EXIT_INTERRUPTED


if __name__ == '__main__':
    del sys.argv[0]
    sys.exit(start(sys.argv[0]))
