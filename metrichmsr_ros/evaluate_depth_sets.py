"""What depth is evaluated on: rendered rooms with videos, and the images of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from metrichmsr_ros.data.depth.photographs import PHOTOGRAPH_SEED
from metrichmsr_ros.data.depth.scenes import MAX_PEOPLE
from metrichmsr_ros.data.depth.shards import scene_renderer
from metrichmsr_ros.data.index import read_index
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.depth_views import measured_views, people_label, rendered_views, single_images
from metrichmsr_ros.evaluate_depth import Method, score_video, score_views, Show
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline
from metrichmsr_ros.progress import ProgressBar
from metrichmsr_ros.report import Row

_LONGEST_VIDEO = 100  # frames


def score_index(
    path: Path,
    methods: Mapping[str, Method],
    config: PipelineConfig,
    *,
    show: Show | None = None,
) -> list[Row]:
    """Return rows of the images of an index whose depth was measured, see ``score_views``.

    Args:
        path: The index.
        methods: By name.
        config: Of what sees people.
        show: As of ``score_views``.

    Raises:
        ValueError: The index is broken or none of its images has depth.
    """
    images = read_index(path)
    if all(image.depth_file is None for image in images):
        raise ValueError(f'{path}: no image has measured depth ("depth_z")')
    return score_views(measured_views(images, single_images(config)), methods, show=show)


def score_rendered(
    methods: Mapping[str, Method],
    config: PipelineConfig,
    *,
    frames: int,
    people: Sequence[int] = tuple(range(MAX_PEOPLE + 1)),
    show: Show | None = None,
) -> list[Row]:
    """Return rows of photographs and videos of rendered rooms.

    Args:
        methods: By name.
        config: Of what sees people, and of the pipeline of videos; the body is the one that ships.
        frames: Photographs for each number of people, and frames of each video.
        people: How many there are, in turn.
        show: As of ``score_views``.

    Raises:
        ValueError: ``frames`` is not positive, or the body is another.
    """
    if frames < 1:
        raise ValueError(f'frames={frames} must be positive')
    if config.body_model is not None:
        raise ValueError('the people of rendered rooms have the body that ships: no --body-model')
    renderer, see = scene_renderer(PHOTOGRAPH_SEED), single_images(config)
    rows: list[Row] = []
    for count in people:
        bar = ProgressBar(frames, f'photographs with {people_label(count)}')
        for number, view in enumerate(rendered_views(renderer, see, people=count, frames=frames)):
            rows += score_views([view], methods, show=show)
            bar(number + 1)
    stream = build_pipeline(replace(config, depth_source='none'))
    for count in filter(None, people if frames > 1 else ()):
        world = SyntheticWorld(WorldConfig(people=count))
        rows += score_video(world, stream, methods, frames=min(frames, _LONGEST_VIDEO))
    return rows
