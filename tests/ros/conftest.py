"""ROS tests, each with a context of its own, on the domain that ``tests/conftest.py`` draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import rclpy

if TYPE_CHECKING:  # it imports the node, and with it torch
    from graph import Graph


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An initialised rclpy, and a node that looks around ten times a second."""
    from metrichmsr_ros.ros import node

    monkeypatch.setattr(node, '_REPORT_PERIOD', 0.1)
    monkeypatch.setattr(node, 'RECENT', 0.5)
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def graph(context: None) -> Iterator[Graph]:
    """The node with a fake pipeline, active, and a probe that listens to its people."""
    from graph import running

    with running() as graph:
        graph.listen_to_people()
        graph.start()
        yield graph
