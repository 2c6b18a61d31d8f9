"""BlazePose's networks: where they lie, and the one command that fetches them.

They are files of two packages (Apache-2.0): the detector and the landmark network 'full' of the
PyPI wheel of mediapipe, the landmark network 'heavy' of the npm package of MediaPipe Pose, for no
wheel has it. ``ensure_assets`` downloads what is missing by its name, takes the files out and
keeps them in the user's cache; ``find_assets`` only looks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import hashlib
import logging
from pathlib import Path
import sys
import tempfile

from metrichmsr_ros.cache import cache_dir
from metrichmsr_ros.perception.blazepose.packages import (
    PackageError,
    read_npm_package,
    read_wheel,
)

COMMAND = 'python -m metrichmsr_ros.perception.blazepose.assets'
CACHE = 'blazepose'
FULL, HEAVY = 'full', 'heavy'
LANDMARK_NETWORKS = (FULL, HEAVY)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asset:
    """One file inside a package.

    Attributes:
        member: Its path there; the last part is its name in the cache.
        sha256: Its checksum, hexadecimal.
    """

    member: str
    sha256: str

    @property
    def name(self) -> str:
        """File name."""
        return self.member.rsplit('/', 1)[-1]


@dataclass(frozen=True)
class Package:
    """What holds assets.

    Attributes:
        name: With its version.
        size_mb: Of the download.
        read: Downloads it by name and returns files of it.
        assets: In it.
    """

    name: str
    size_mb: int
    read: Callable[[str, Sequence[str]], list[bytes]]
    assets: tuple[Asset, ...]


DETECTOR = Asset(
    'mediapipe/modules/pose_detection/pose_detection.tflite',
    '9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c',
)
LANDMARKERS = {
    FULL: Asset(
        'mediapipe/modules/pose_landmark/pose_landmark_full.tflite',
        'e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f',
    ),
    HEAVY: Asset(
        'package/pose_landmark_heavy.tflite',
        '59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe',
    ),
}
PACKAGES = (
    Package('mediapipe==0.10.14', 36, read_wheel, (DETECTOR, LANDMARKERS[FULL])),
    Package('@mediapipe/pose@0.5.1675469404', 41, read_npm_package, (LANDMARKERS[HEAVY],)),
)


@dataclass(frozen=True)
class AssetPaths:
    """Checked files on this machine."""

    detector: Path
    landmarker: Path


class AssetError(RuntimeError):
    """A network file is missing, corrupt, or could not be fetched."""


def find_assets(directory: Path | None = None, *, landmark_network: str = FULL) -> AssetPaths:
    """Return the cached files after checking them; never touches the network.

    Args:
        directory: Folder that holds them; the cache by default.
        landmark_network: One of ``LANDMARK_NETWORKS``.

    Raises:
        AssetError: A file is missing or its checksum is wrong; says which and what to run.
        ValueError: There is no such landmark network.
    """
    directory = cache_dir(CACHE) if directory is None else Path(directory)
    found = [_find(directory, asset) for asset in _needed(landmark_network)]
    return AssetPaths(*found)


def best_landmark_network(directory: Path | None = None) -> str:
    """Return the most accurate landmark network that has been fetched, or 'full' if none has."""
    try:
        find_assets(directory, landmark_network=HEAVY)
    except AssetError:
        return FULL
    return HEAVY


def ensure_assets(directory: Path | None = None, *, landmark_network: str = FULL) -> AssetPaths:
    """Return the cached files, fetching first what is missing or corrupt.

    Raises:
        AssetError: A download failed, a package is not what it should be, or the cache cannot be
            written.
        ValueError: There is no such landmark network.
    """
    directory = cache_dir(CACHE) if directory is None else Path(directory)
    for package in PACKAGES:
        wanted = [asset for asset in package.assets if asset in _needed(landmark_network)]
        try:
            for asset in wanted:
                _find(directory, asset)
        except AssetError as error:
            _logger.info('%s', error)
            _fetch(package, wanted, directory)
    return find_assets(directory, landmark_network=landmark_network)


def _needed(landmark_network: str) -> tuple[Asset, Asset]:
    if landmark_network not in LANDMARKERS:
        choices = ', '.join(LANDMARK_NETWORKS)
        raise ValueError(f'landmark network is {landmark_network!r}: it must be one of {choices}')
    return DETECTOR, LANDMARKERS[landmark_network]


def _find(directory: Path, asset: Asset) -> Path:
    path = directory / asset.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(
            f'BlazePose file {path} cannot be read ({error.strerror}); run: {COMMAND}'
        ) from error
    _check(data, asset, f'BlazePose file {path}')
    return path


def _fetch(package: Package, assets: Sequence[Asset], directory: Path) -> None:
    """Take files out of a package, each checked and renamed atomically; all of them or none."""
    _logger.info('fetching %s (%d MB)', package.name, package.size_mb)
    try:
        contents = package.read(package.name, [asset.member for asset in assets])
        for asset, data in zip(assets, contents, strict=True):
            _check(data, asset, f'{asset.member} of {package.name}')
        directory.mkdir(parents=True, exist_ok=True)
        for asset, data in zip(assets, contents, strict=True):
            _write_atomically(directory / asset.name, data)
    except PackageError as error:
        raise AssetError(str(error)) from error
    except OSError as error:
        raise AssetError(f'BlazePose files cannot be stored in {directory}: {error}') from error


def _write_atomically(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
        temporary = Path(partial.name)
        try:
            partial.write(data)
            partial.flush()
            temporary.chmod(0o644)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _check(data: bytes, asset: Asset, what: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != asset.sha256:
        raise AssetError(
            f'{what} is corrupt: sha256 {found[:12]}… must be {asset.sha256[:12]}…; run: {COMMAND}'
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch the networks; the exit status.

    Without 'heavy' everything runs, so where only that cannot be fetched, and nobody asked for it
    by name, that is a warning.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description='Fetch the BlazePose networks.')
    parser.add_argument('network', nargs='?', choices=LANDMARK_NETWORKS, help='default: both')
    wanted = parser.parse_args(argv).network
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    for network in LANDMARK_NETWORKS if wanted is None else (wanted,):
        try:
            paths = ensure_assets(landmark_network=network)
        except AssetError as error:
            if wanted is None and network == HEAVY:
                _logger.warning('%s\nSingle images will be read by %r instead.', error, FULL)
                return 0
            _logger.error('%s', error)
            return 1
        _logger.info('BlazePose network: %s', paths.landmarker)
    return 0


if __name__ == '__main__':
    sys.exit(main())
