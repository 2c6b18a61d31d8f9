"""Runs a node as a process: start-up errors in one line, clean ends, exit codes."""

from __future__ import annotations

from collections.abc import Callable
import signal
import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import LoggingSeverity, set_logger_level
from rclpy.node import Node

from metrichmsr_ros.ros.middleware import use_fastdds_profile

BAD_START = 2
"""Exit code of a process whose arguments or parameters are wrong."""


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Spin a node until it is interrupted.

    Args:
        make_node: Makes the node once the context is up; may raise ``ParameterException`` or
            ``ValueError`` for bad settings.
        args: Command line, with ROS arguments; None = this process's own.

    Returns:
        Exit code: 0 after SIGINT, SIGTERM or shutdown, ``BAD_START`` for a bad parameter,
        parameter file or ROS argument, which are told in one line on stderr.
    """
    use_fastdds_profile()
    node = None
    try:
        # rcl would add a line of its own that says nothing.
        set_logger_level('rcl', LoggingSeverity.FATAL)
        rclpy.init(args=args)
        set_logger_level('rcl', LoggingSeverity.UNSET)
        node = make_node()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (
        ParameterException,
        ValueError,
        RuntimeError,
    ) as error:  # rclpy's own are RuntimeErrors
        sys.stderr.write(f'error: {one_line(error)}\n')
        rclpy.try_shutdown()
        return BAD_START
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal may take the context down between the executor's look at it and its use.
        if rclpy.ok():
            raise
    finally:
        # Ctrl-C in a terminal reaches a process twice under a launcher: once is enough.
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def one_line(error: Exception | str) -> str:
    """Return an error's text without its line breaks, and without rcl's preface."""
    return ' '.join(str(error).split()).removeprefix('failed to initialize rcl: ')
