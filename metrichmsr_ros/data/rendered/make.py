"""Makes folders of rendered people, shard by shard; see ``metrichmsr render``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.rendered.looks import Wardrobe
from metrichmsr_ros.data.rendered.readings import draw_readings, Reader
from metrichmsr_ros.data.rendered.shards import (
    Manifest,
    open_folder,
    Readings,
    shard_path,
    SHARD_SIZE,
    write_shard,
)

_FIRST_POSES = 100  # banks of poses before it are tier (a)'s


def render_people(
    folder: Path,
    *,
    people: int,
    seed: int,
    body: BodyModel,
    reader: Reader,
    config: SampleConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Fill a folder; what it already has stays as it is.

    Args:
        folder: New, or made with the same seed, body, reader and config.
        people: Readings that the folder holds at the end, rounded up to whole shards.
        seed: Decides everything.
        body: Of all people.
        reader: Reads the pictures.
        config: The distribution; its ``pose_seed`` follows ``seed``.
        progress: Called with the number of people so far.

    Raises:
        ValueError: ``people`` is not positive, or the folder was made with something else.
    """
    if people < 1:
        raise ValueError(f'people={people} must be positive')
    # What is rendered is the body itself, and what is read of it shows in the pictures.
    config = replace(config or SampleConfig(), physique=0.0, noise=0.0)
    config = replace(config, pose_seed=_FIRST_POSES + seed)
    open_folder(
        folder, Manifest(seed, body.name, config, reader.landmark_network, reader.mirrored)
    )
    sampler, wardrobe = None, Wardrobe(body, seed)
    for number in range(-(-people // SHARD_SIZE)):
        path = shard_path(folder, number)
        if not path.exists():
            # Prepared late: a folder that is complete costs nothing.
            sampler = sampler or PeopleSampler(config, body=body)
            rows = []
            for row in islice(
                draw_readings((seed, number), sampler=sampler, wardrobe=wardrobe, reader=reader),
                SHARD_SIZE,
            ):
                rows.append(row)
                if progress is not None:
                    progress(number * SHARD_SIZE + len(rows))
            write_shard(path, Readings.stacked(rows))
        if progress is not None:
            progress((number + 1) * SHARD_SIZE)
