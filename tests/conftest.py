"""What holds for every test: a private ROS graph, and which tests run where."""

import importlib.util
import os
import random

import pytest
import torch

HAS_ROS = importlib.util.find_spec('rclpy') is not None
collect_ignore = [] if HAS_ROS else ['ros']

# Before anything starts a context: other graphs on this machine or network stay out.
os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(1, 100))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def pytest_report_header() -> str | None:
    return None if HAS_ROS else 'tests/ros is left out: rclpy cannot be imported'


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker('gpu'):
                item.add_marker(pytest.mark.skip(reason='needs an NVIDIA GPU'))
    # `colcon test` is for the package as ROS sees it; `make test` runs everything.
    if 'COLCON' in os.environ and not config.option.markexpr:
        smoke = [item for item in items if item.get_closest_marker('smoke')]
        config.hook.pytest_deselected(items=[item for item in items if item not in smoke])
        items[:] = smoke
