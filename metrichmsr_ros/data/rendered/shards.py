"""Readings on disk: a folder of shards that can be made in any order, again, and further.

Shard k of a folder depends on the folder's seed and on k alone. ``rendered.json`` keeps what the
folder was made with; a folder is added to only with the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
import json
import os
from pathlib import Path
from typing import Any
import zipfile

import numpy as np
import torch

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.target import joined, Target
from metrichmsr_ros.data.rendered.readings import Reading
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.perception.blazepose.assets import FULL

SHARD_SIZE = 256
_FORMAT = 1
_MANIFEST = 'rendered.json'
_OLD = {'landmark_network': FULL, 'mirrored': False}  # what older folders do not say


@dataclass(frozen=True)
class Manifest:
    """What a folder is made with.

    Attributes:
        seed: Of all its people.
        body_model: Name of their body.
        config: The distribution that they are drawn from.
        landmark_network: The BlazePose network that read them.
        mirrored: Whether in the mirror as well.
    """

    seed: int
    body_model: str
    config: SampleConfig
    landmark_network: str = FULL
    mirrored: bool = False


@dataclass(frozen=True)
class Readings:
    """N readings.

    Attributes:
        evidence: What BlazePose said.
        target: The truth.
        hidden: As ``Reading.hidden``, (N, 33) bool.
        error: As ``Reading.error``, (N,) float32.
    """

    evidence: Evidence
    target: Target
    hidden: torch.Tensor
    error: torch.Tensor

    def __len__(self) -> int:
        return len(self.error)

    def __getitem__(self, index: slice | torch.Tensor) -> Readings:
        return Readings(
            self.evidence[index], self.target[index], self.hidden[index], self.error[index]
        )

    @classmethod
    def stacked(cls, rows: list[Reading]) -> Readings:
        """Return readings one after the other."""
        return cls.joined(
            [
                cls(
                    row.evidence, row.target, torch.from_numpy(row.hidden)[None],
                    torch.tensor([row.error], dtype=torch.float32),
                )
                for row in rows
            ]
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: list[Readings]) -> Readings:
        """Return readings one part after the other."""
        return cls(
            evidence=joined([part.evidence for part in parts]),
            target=joined([part.target for part in parts]),
            hidden=torch.cat([part.hidden for part in parts]),
            error=torch.cat([part.error for part in parts]),
        )


def open_folder(folder: Path, manifest: Manifest) -> None:
    """Make a folder for shards, or check that an old one was made with the same.

    Raises:
        ValueError: It was made with something else, or holds other things.
    """
    path = folder / _MANIFEST
    wanted = _as_json(manifest)
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f'{folder} is not empty and has no {_MANIFEST}')
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, (json.dumps(wanted, indent=1) + '\n').encode())
        return
    found = {**_OLD, **_read_json(path)}
    different = [key for key in wanted if found.get(key) != wanted[key]]
    if different:
        raise ValueError(
            f'{folder} was made with another {different[0]}: {found.get(different[0])}, '
            f'not {wanted[different[0]]}'
        )


def shard_path(folder: Path, number: int) -> Path:
    """Return the file of a shard."""
    return folder / f'shard-{number:05d}.npz'


def write_shard(path: Path, readings: Readings) -> None:
    """Write readings; the file is there whole or not at all."""
    arrays: dict[str, Any] = {'hidden': readings.hidden.numpy(), 'error': readings.error.numpy()}
    for name in ('evidence', 'target'):
        side = getattr(readings, name)
        arrays |= {f'{name}.{key}': value.numpy() for key, value in vars(side).items()}
    part = path.with_suffix(f'.{os.getpid()}.part')
    with part.open('wb') as file:
        np.savez(file, **arrays)
    part.replace(path)


def read_shard(path: Path) -> Readings:
    """Read a shard.

    Raises:
        ValueError: It is broken or not a shard.
        OSError: It cannot be read.
    """
    try:
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        evidence, target = (
            {item.name: arrays[f'{name}.{item.name}'] for item in fields(kind)}
            for name, kind in (('evidence', Evidence), ('target', Target))
        )
        readings = Readings(
            Evidence(**evidence), Target(**target), arrays['hidden'], arrays['error']
        )
    except (zipfile.BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is not a shard of rendered people: {error}') from error
    if not len(readings) or {len(value) for value in arrays.values()} != {len(readings)}:
        raise ValueError(f'{path} is not a shard of rendered people: its arrays differ in length')
    return readings


def read_folder(folder: Path) -> Readings:
    """Read all shards of a folder.

    Raises:
        ValueError: It is not such a folder, has no shards, or a shard is broken.
        OSError: It cannot be read.
    """
    if not (folder / _MANIFEST).is_file():
        raise ValueError(f'{folder} has no {_MANIFEST}: not a folder of rendered people')
    found = _read_json(folder / _MANIFEST)
    if found.get('format') != _FORMAT:
        raise ValueError(f'{folder} has format {found.get("format")}, must be {_FORMAT}')
    parts = [read_shard(path) for path in sorted(folder.glob('shard-*.npz'))]
    if not parts:
        raise ValueError(f'{folder} has no shards')
    return Readings.joined(parts)


def _as_json(manifest: Manifest) -> dict[str, Any]:
    values = {'format': _FORMAT, **asdict(manifest)}
    values['config'].pop('noise')  # BlazePose is real here
    return json.loads(json.dumps(values))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(f'.{os.getpid()}.part')
    part.write_bytes(content)
    part.replace(path)
