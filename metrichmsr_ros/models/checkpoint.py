"""Checkpoints of networks: a folder with a config in JSON and weights in safetensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn, Tensor

from metrichmsr_ros.models.network_config import check_names

CHECKPOINTS = Path(__file__).parent / 'checkpoints'
CONFIG_FILE, WEIGHTS_FILE = 'config.json', 'model.safetensors'


class CheckpointError(ValueError):
    """A checkpoint is missing, unreadable or does not fit."""


def write_checkpoint(
    folder: str | PathLike[str], config: dict[str, Any], network: nn.Module
) -> None:
    """Write config and weights.

    Args:
        folder: Made if it does not exist; files of an older checkpoint are replaced.
        config: What JSON can hold.
        network: Its weights.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + '\n', encoding='utf-8')
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)


def find_checkpoint(path_or_name: str | PathLike[str]) -> Path:
    """Return the folder of a checkpoint, given itself or the name of one that ships.

    Raises:
        CheckpointError: There is none.
    """
    for folder in (Path(path_or_name).expanduser(), CHECKPOINTS / path_or_name):
        if (folder / CONFIG_FILE).is_file():
            return folder
    shipped = sorted(config.parent.name for config in CHECKPOINTS.glob(f'*/{CONFIG_FILE}'))
    raise CheckpointError(
        f'no checkpoint at {str(path_or_name)!r}: it must be a folder with {CONFIG_FILE}, '
        f'or one that ships: {", ".join(shipped) or "none does"}'
    )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the files of ``folder`` into a :class:`CheckpointError`."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise CheckpointError(f'checkpoint {folder}: {error}') from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the config of a checkpoint; to be called within :func:`reading`."""
    return json.loads((folder / CONFIG_FILE).read_text(encoding='utf-8'))


def load_weights(network: nn.Module, folder: Path) -> None:
    """Load the weights of a checkpoint; to be called within :func:`reading`.

    Raises:
        ValueError: They are not those of ``network``, by name and shape.
    """
    weights: dict[str, Tensor] = load_file(folder / WEIGHTS_FILE)
    wanted = network.state_dict()
    check_names(set(weights), set(wanted), 'weights')
    for name, value in wanted.items():
        if weights[name].shape != value.shape:
            shapes = tuple(weights[name].shape), tuple(value.shape)
            raise ValueError(f'{name} is {shapes[0]}: it must be {shapes[1]}')
    network.load_state_dict(weights)
