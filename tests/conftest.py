"""What holds for every test: a private ROS graph, and which tests run where."""

from collections.abc import Callable
import importlib.util
import os
from pathlib import Path
import random
from types import ModuleType

import pytest
import torch

HAS_ROS = importlib.util.find_spec('rclpy') is not None
collect_ignore = [] if HAS_ROS else ['ros']

# Before anything starts a context: other graphs on this machine or network stay out.
os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(1, 100))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


@pytest.fixture(scope='session')
def load_script() -> Callable[[str], ModuleType]:
    """Return what imports one of the scripts, which are in no package, by its name."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).resolve().parents[1] / 'scripts' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


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
