"""What this machine has: a Python that will do, a compiler, disk space, a ROS 2 installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import subprocess

from console import SetupError

PYTHONS = ((3, 10), (3, 11), (3, 12))
ROOM = 5 * 2**30  # bytes that a set-up with the CPU build of torch takes, and some

_PROBE = """
import json, os, sys, sysconfig
try:
    import rclpy
    rclpy = rclpy.__file__
except ImportError:
    rclpy = ''
print(json.dumps({
    'version': sys.version_info[:2],
    'executable': getattr(sys, '_base_executable', sys.executable),
    'header': os.path.join(sysconfig.get_paths()['include'], 'Python.h'),
    'rclpy': rclpy,
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter.

    Attributes:
        executable: Its path, outside any virtual environment.
        version: For instance ``3.11``.
        header: Where its ``Python.h`` should be.
        rclpy: Whether it can import rclpy with the environment as it is.
    """

    executable: str
    version: str
    header: Path
    rclpy: bool


def find_python(wanted: str | None) -> Python:
    """Return ``wanted``, or ``python3`` if it will do, or the newest interpreter that will.

    Raises:
        SetupError: There is none of version 3.10 to 3.12.
    """
    names = [wanted] if wanted else ['python3', 'python3.12', 'python3.11', 'python3.10']
    found = ''
    for name in names:
        probe = _probe(name)
        if probe is None:
            continue
        version = '.'.join(map(str, probe['version']))
        if tuple(probe['version']) in PYTHONS:
            return Python(
                probe['executable'], version, Path(probe['header']), bool(probe['rclpy'])
            )
        found = found or f'{name} is Python {version}'
    raise SetupError(
        f'{found or f"{names[0]} does not run"}, but Python 3.10, 3.11 or 3.12 is needed: install '
        'one and name it, for example "make test PYTHON=python3.11".'
    )


def _probe(name: str) -> dict | None:
    env = {key: value for key, value in os.environ.items() if not key.startswith('_ROS_WHEELS')}
    try:
        result = subprocess.run(
            [name, '-c', _PROBE], env=env, text=True, stdout=subprocess.PIPE, timeout=60,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return json.loads(result.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def sourced_ros(python: Python, environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of the ROS 2 distribution that is sourced, or '' when there is none.

    Raises:
        SetupError: One is sourced that ``python`` cannot use.
    """
    name = environment.get('ROS_DISTRO', '')
    if not name or not environment.get('AMENT_PREFIX_PATH'):
        return ''
    if not python.rclpy:
        raise SetupError(
            f'ROS 2 {name} is sourced, but {python.executable} (Python {python.version}) cannot '
            'import its rclpy: name the Python that this ROS was built for with PYTHON=, or run '
            'make in a shell where ROS is not sourced.'
        )
    return name


def upstream_packages(environment: Mapping[str, str] = os.environ) -> set[str]:
    """Return the names of the ROS packages in the sourced installation and its overlays."""
    prefixes = environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return {
        manifest.parent.name
        for prefix in prefixes
        if prefix
        for manifest in Path(prefix, 'share').glob('*/package.xml')
    }


def check_compiler(python: Python) -> None:
    """Compile nothing much.

    Raises:
        SetupError: There is no working C or C++ compiler, no make, or no Python.h.
    """
    for variable, names, language in (
        ('CC', ('cc', 'gcc', 'clang'), 'c'),
        ('CXX', ('c++', 'g++', 'clang++'), 'c++'),
    ):
        chosen = os.environ.get(variable)
        if not any(_compiles(name, language) for name in ([chosen] if chosen else names)):
            raise SetupError(
                f'No working {language.upper()} compiler'
                f'{f" ({variable}={chosen})" if chosen else ""}: install one, on Debian and '
                'Ubuntu "sudo apt install build-essential", and run make again.'
            )
    if not python.header.is_file():
        raise SetupError(
            f'The headers of Python {python.version} are missing ({python.header}): on Debian and '
            f'Ubuntu "sudo apt install python{python.version}-dev", then run make again.'
        )


def _compiles(name: str, language: str) -> bool:
    if not shutil.which(name):
        return False
    result = subprocess.run(
        [name, '-x', language, '-fsyntax-only', '-'], input='#include <stdint.h>\nint x;\n',
        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return result.returncode == 0


def check_disk(folder: Path) -> None:
    """See whether the environment fits.

    Raises:
        SetupError: There is too little room.
    """
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise SetupError(
            f'Only {free / 2**30:.1f} GB are free under {folder}, and set-up needs '
            f'{ROOM / 2**30:.0f} GB: free some, and run make again.'
        )
