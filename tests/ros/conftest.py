"""ROS tests: each process on a random domain of its own, each test with its own context."""

from collections.abc import Iterator
import os
import random

import pytest
import rclpy

os.environ.setdefault('ROS_DOMAIN_ID', str(random.randint(1, 100)))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An initialised rclpy, and a node that looks around ten times a second."""
    from metrichmsr_ros.ros import node

    monkeypatch.setattr(node, '_REPORT_PERIOD', 0.1)
    monkeypatch.setattr(node, 'RECENT', 0.5)
    rclpy.init()
    yield
    rclpy.try_shutdown()
