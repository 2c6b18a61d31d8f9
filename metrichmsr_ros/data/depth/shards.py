"""Depth scenes on disk: a folder of shards, each of scenes of one size.

Shard k depends on the folder's seed and on k alone, so that a folder can be gone on with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
import hashlib
from itertools import islice
import os
from pathlib import Path
import zipfile

import numpy as np

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.depth.groups import GroupSampler
from metrichmsr_ros.data.depth.scenes import DepthScene, SceneRenderer
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.rendered.looks import Wardrobe
from metrichmsr_ros.models.checkpoint import find_checkpoint, WEIGHTS_FILE
from metrichmsr_ros.models.metric_hmr import MetricHMR

SHARD_SIZE = 64
# Width and height of shards in turn: cameras of 4:3, 16:9 and upright ones.
_SIZES = ((160, 120), (160, 88), (160, 120), (160, 88), (160, 120), (120, 160))
_FIRST_POSES = 1000  # banks of poses before it are of people for the pose network
_CHILDREN = 0.06  # as the pose network that estimates them has seen
_NETWORK = 'blazepose'  # that ships
_HALF = ('depth_z', 'mesh_z', 'rays')


@dataclass(frozen=True)
class DepthScenes:
    """N scenes of one size; fields as in ``DepthScene``, stacked, depths and rays in half."""

    image: np.ndarray
    depth_z: np.ndarray
    seen: np.ndarray
    mesh_z: np.ndarray
    person: np.ndarray
    sigma: np.ndarray
    soles: np.ndarray
    rays: np.ndarray
    down: np.ndarray
    height: np.ndarray

    def __len__(self) -> int:
        return len(self.height)

    def __getitem__(self, index: int) -> DepthScene:
        values = {item.name: getattr(self, item.name)[index] for item in fields(self)}
        for name in _HALF:
            values[name] = values[name].astype(np.float32)
        return DepthScene(**values)

    @classmethod
    def stacked(cls, scenes: list[DepthScene]) -> DepthScenes:
        """Return scenes one after the other."""
        values = {
            item.name: np.stack([getattr(scene, item.name) for scene in scenes])
            for item in fields(cls)
        }
        return cls(**{k: v.astype(np.float16) if k in _HALF else v for k, v in values.items()})

    @classmethod
    def joined(cls, parts: list[DepthScenes]) -> DepthScenes:
        """Return scenes of one size, one part after the other."""
        names = [item.name for item in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def render_scenes(
    folder: Path,
    *,
    scenes: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Fill a folder with scenes of the default body; shards that are there stay.

    Args:
        folder: Of shards.
        scenes: In it at the end, rounded up to whole shards.
        seed: Of all of them.
        progress: Called with the number of scenes so far.

    Raises:
        ValueError: ``scenes`` is not positive, or the folder was made with something else.
    """
    if scenes < 1:
        raise ValueError(f'scenes={scenes} must be positive')
    _claim(folder, seed)
    renderer = None
    for number in range(-(-scenes // SHARD_SIZE)):
        path = folder / f'scenes-{number:05d}.npz'
        if not path.exists():
            renderer = renderer or scene_renderer(seed)
            size = _SIZES[number % len(_SIZES)]
            drawn = islice(renderer.draw((seed, number), size=size), SHARD_SIZE)
            _write(path, DepthScenes.stacked(list(drawn)))
        if progress is not None:
            progress((number + 1) * SHARD_SIZE)


def read_scenes(folder: Path) -> list[DepthScenes]:
    """Read all shards of a folder, those of one size as one.

    Raises:
        ValueError: There are none, or one is broken.
    """
    by_size: dict[tuple[int, ...], list[DepthScenes]] = {}
    for path in sorted(folder.glob('scenes-*.npz')):
        try:
            with np.load(path) as file:
                part = DepthScenes(**{item.name: file[item.name] for item in fields(DepthScenes)})
        except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
            raise ValueError(f'{path} is not a shard of depth scenes: {error}') from error
        by_size.setdefault(part.depth_z.shape[1:], []).append(part)
    if not by_size:
        raise ValueError(f'{folder} has no scenes')
    return [DepthScenes.joined(parts) for parts in by_size.values()]


def scene_renderer(seed: int) -> SceneRenderer:
    """Return a renderer of the default body, its poses and clothes those of a seed."""
    body = BodyModel.load()
    config = SampleConfig(pose_seed=_FIRST_POSES + seed, children=_CHILDREN)
    network = MetricHMR.from_pretrained(_NETWORK, body=body)
    sampler = GroupSampler(config, body=body, network=network)
    return SceneRenderer(sampler, Wardrobe(body, _FIRST_POSES + seed))


def _claim(folder: Path, seed: int) -> None:
    """Write down what a new folder is made with, or check it of an old one.

    Anchors are estimates of the pose network that ships: those of an older one err differently.
    """
    weights = (find_checkpoint(_NETWORK) / WEIGHTS_FILE).read_bytes()
    wanted = f'seed {seed}, pose network {hashlib.sha256(weights).hexdigest()[:12]}'
    path = folder / 'made_with.txt'
    if not path.exists():
        if any(folder.glob('scenes-*.npz')):
            raise ValueError(
                f'{folder} has scenes but no {path.name}: its pose network is unknown'
            )
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{wanted}\n', encoding='utf-8')
    found = path.read_text(encoding='utf-8').strip()
    if found != wanted:
        raise ValueError(f'{folder} was made with {found}, not with {wanted}')


def _write(path: Path, scenes: DepthScenes) -> None:
    part = path.with_suffix(f'.{os.getpid()}.part')
    with part.open('wb') as file:
        np.savez(file, **vars(scenes))
    part.replace(path)
