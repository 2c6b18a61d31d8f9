"""Where the weights of a published depth network are, and one line on what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from metrichmsr_ros.models.vitpose_weights import HUB

CONFIG, WEIGHTS = 'config.json', '*.safetensors'


def model_folder(model: str) -> Path:
    """Return the folder of a network's files.

    Args:
        model: A folder with config.json and weights; or ``hub:owner/name``, which is taken from
            the Hugging Face hub's cache on this machine, and fetched only where it is not there.

    Raises:
        ValueError: There is no such model, or it cannot be fetched.
    """
    if model.startswith(HUB):
        return _from_hub(model.removeprefix(HUB))
    folder = Path(model).expanduser()
    if not _is_complete(folder):
        raise ValueError(f'it must be a folder with {CONFIG} and {WEIGHTS}, or {HUB}owner/name')
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    files = ['*.json', WEIGHTS]
    try:
        # A robot without network starts as fast as any, and with what it started with before.
        folder = Path(snapshot_download(name, allow_patterns=files, local_files_only=True))
        if _is_complete(folder):
            return folder
    except OSError:
        pass
    return Path(snapshot_download(name, allow_patterns=files))


def _is_complete(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any(folder.glob(WEIGHTS))


@contextmanager
def explained(model: str, *, needs: str, install: str) -> Iterator[None]:
    """Turn whatever goes wrong while a network is loaded and tried into one line.

    Args:
        model: As the user named it.
        needs: Name of the Python package that runs it.
        install: Command that installs that package.

    Raises:
        ValueError: Something went wrong; says what, and what mends it.
    """
    try:
        yield
    except Exception as error:  # foreign code: it may raise anything
        reason = ' '.join(str(error).split()) or type(error).__name__
        if find_spec(needs) is None:
            raise ValueError(f'{needs} is not installed: {install} ({reason})') from error
        # Some processors of images call torchvision without asking whether it is there.
        if isinstance(error, ImportError | NameError) and find_spec('torchvision') is None:
            reason += '; torchvision is not installed: pip install torchvision'
        raise ValueError(f'depth_model {model!r}: {reason}') from error
