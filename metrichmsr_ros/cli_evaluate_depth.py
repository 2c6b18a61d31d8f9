"""The command ``metrichmsr evaluate … --task depth``."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from metrichmsr_ros.start import loading

if TYPE_CHECKING:
    from metrichmsr_ros.depth_report import DepthReport

RENDERED = 'synthetic'
_FOR_PEOPLE = ('predictions', 'boxes', 'depth_dir', 'smpl')
_FOR_DEPTH = ('refiner', 'frames', 'pictures')


def add_depth_options(evaluate: argparse.ArgumentParser) -> None:
    """Add what ``--task depth`` takes to the parser of ``metrichmsr evaluate``."""
    depth = evaluate.add_argument_group(
        'depth',
        'how far estimated people bring a wrong prior back to metres, by method; on the images '
        f'of an index whose depth was measured, or on rendered rooms (instead of the index: '
        f'{RENDERED})',
    )
    depth.add_argument(
        '--refiner', metavar='FOLDER', help='checkpoint of train-depth (default: shipped)'
    )
    depth.add_argument(
        '--frames',
        type=int,
        metavar='N',
        help=f'{RENDERED}: photographs for each number of people, 0 to 3, and frames of each '
        'video (default: 60)',
    )
    depth.add_argument(
        '--pictures',
        type=Path,
        metavar='DIR',
        help='write image, prior, refined and true depth of each image there',
    )


def refuse_depth_options(arguments: argparse.Namespace) -> None:
    """Raise a ``ValueError`` where another task is given an option of this one."""
    _refuse(arguments, _FOR_DEPTH, 'is for --task depth')


def run_depth(arguments: argparse.Namespace) -> DepthReport:
    """Evaluate what the command asks for, and print the tables."""
    with loading():
        from metrichmsr_ros.depth_pictures import DepthPictures
        from metrichmsr_ros.depth_report import DepthReport
        from metrichmsr_ros.evaluate_depth import depth_methods, REFINER
        from metrichmsr_ros.evaluate_depth_sets import score_index, score_rendered
        from metrichmsr_ros.models.depth_refiner import DEFAULT_REFINER, DepthRefiner
        from metrichmsr_ros.perception.blazepose.assets import best_landmark_network
        from metrichmsr_ros.perception.config import PipelineConfig

    _refuse(arguments, _FOR_PEOPLE, 'is not for --task depth')
    rendered = str(arguments.index) == RENDERED
    if arguments.frames is not None and not rendered:
        raise ValueError(f'--frames is for rendered rooms ({RENDERED}), not for an index')
    refiner = DepthRefiner.from_pretrained(arguments.refiner or DEFAULT_REFINER)
    folder = arguments.pictures
    show = None if folder is None else DepthPictures(folder, refined=REFINER)
    config = PipelineConfig(
        estimator=arguments.method or PipelineConfig.estimator,
        checkpoint=arguments.checkpoint or '',
        body_model=arguments.body_model,
        landmark_network=arguments.landmark_network or best_landmark_network(),
        id_seed=0,
    )
    methods = depth_methods(refiner)
    if rendered:
        frames = 60 if arguments.frames is None else arguments.frames
        rows = score_rendered(methods, config, frames=frames, show=show)
    else:
        rows = score_index(arguments.index, methods, config, show=show)
    report = DepthReport(tuple(rows))
    sys.stdout.write(report.table(images=not rendered) + '\n')
    return report


def _refuse(arguments: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(arguments, name) is not None:
            raise ValueError(f'--{name.replace("_", "-")} {why}')
