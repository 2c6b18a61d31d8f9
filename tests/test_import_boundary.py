import os
from pathlib import Path
import pkgutil
import re
import subprocess
import sys

import pytest

import metrichmsr_ros

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).resolve().parents[1]
# What only an extra, a script or another way to run brings.
OPTIONAL = ['anny', 'huggingface_hub', 'mapanything', 'PIL', 'rerun', 'smplx', 'transformers']
PROGRAM = """
import importlib, sys
banned, modules = [part.split(',') for part in sys.argv[1:]]
for name in banned:
    sys.modules[name] = None
for name in modules:
    importlib.import_module(name)
"""


def banned_names() -> list[str]:
    """The names that ruff bans, so that both rules are one."""
    text = (ROOT / 'pyproject.toml').read_text()
    table = text.split('[tool.ruff.lint.flake8-tidy-imports.banned-api]')[1].split('\n[')[0]
    return re.findall(r'^"([a-z0-9_]+)"', table, re.MULTILINE)


def core_modules() -> list[str]:
    walk = pkgutil.walk_packages(metrichmsr_ros.__path__, 'metrichmsr_ros.')
    names = [module.name for module in walk]
    return [name for name in names if not name.startswith('metrichmsr_ros.ros')]


def import_without(banned: list[str], modules: list[str]) -> subprocess.CompletedProcess:
    command = [sys.executable, '-c', PROGRAM, ','.join(banned), ','.join(modules)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)


def test_core_imports_without_ros_and_without_extras():
    modules = core_modules()
    assert {'metrichmsr_ros.structures', 'metrichmsr_ros.geometry.camera'} <= set(modules)

    result = import_without([*banned_names(), *OPTIONAL], modules)

    assert result.returncode == 0, result.stderr


def test_the_ban_is_felt_where_ros_is_imported():
    assert {'rclpy', 'sensor_msgs', 'launch'} <= set(banned_names())

    result = import_without(banned_names(), ['metrichmsr_ros.ros.node'])

    assert result.returncode != 0
    assert 'ModuleNotFoundError' in result.stderr
