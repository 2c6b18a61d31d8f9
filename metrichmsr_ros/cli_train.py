"""The commands of ``metrichmsr`` that make training data and train."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

from metrichmsr_ros.perception.blazepose.assets import find_assets, FULL, LANDMARK_NETWORKS
from metrichmsr_ros.start import loading


def add_train(commands: argparse._SubParsersAction) -> None:
    """Add ``metrichmsr train``."""
    train = commands.add_parser(
        'train',
        usage='metrichmsr train [-h] [--keys] [--KEY=VALUE ...]',
        help='train the network on synthetic people or labelled photographs',
        description='Train the network on synthetic people, or on photographs that --labels '
        'names; a GPU is used where there is one. --size=blazepose, base or paper chooses the '
        'network, whose single sizes are keys too.',
        epilog='for instance: metrichmsr train --out=runs/first --minutes=20 --seed=1',
        allow_abbrev=False,
    )
    train.set_defaults(run=_train)
    train.add_argument('--keys', action='store_true', help='list all keys with their values')


def add_train_depth(commands: argparse._SubParsersAction) -> None:
    """Add ``metrichmsr train-depth``."""
    train = commands.add_parser(
        'train-depth',
        usage='metrichmsr train-depth [-h] [--keys] [--KEY=VALUE ...]',
        help='render scenes and train the depth refiner on them',
        description='Render rooms with people who are estimated by the network that ships, and '
        'train the depth refiner on them; a GPU is used for the latter where there is one. '
        '--size=small or large chooses the network, whose single sizes are keys too.',
        epilog='for instance: metrichmsr train-depth --out=runs/depth --minutes=60 --seed=1',
        allow_abbrev=False,
    )
    train.set_defaults(run=_train_depth)
    train.add_argument('--keys', action='store_true', help='list all keys with their values')


def add_render(commands: argparse._SubParsersAction) -> None:
    """Add ``metrichmsr render``."""
    render = commands.add_parser(
        'render',
        help='render people for the real BlazePose to read, for training and scoring',
        description='Fill a folder with rendered people as BlazePose reads them, and their truth. '
        'A folder that is there already is gone on with.',
    )
    render.set_defaults(run=_render)
    render.add_argument('out', type=Path, metavar='OUT', help='folder of shards')
    render.add_argument(
        '--people', required=True, type=int, metavar='N', help='readings in it at the end'
    )
    render.add_argument(
        '--seed', type=int, default=0, help='other seeds have other people in other poses'
    )
    render.add_argument(
        '--landmark-network', choices=LANDMARK_NETWORKS, default=FULL, help='that reads them'
    )
    render.add_argument(
        '--mirrored', action='store_true', help='read them in the mirror too, as infer does'
    )
    render.add_argument(
        '--body-model', type=Path, metavar='PATH', help='SMPL-format file (default: shipped)'
    )


def _train(arguments: argparse.Namespace) -> None:
    with loading():
        from metrichmsr_ros.train_config import configure, read_settings

    config = configure(read_settings(arguments.settings))
    if _listed(arguments, config):
        return
    with loading():
        from metrichmsr_ros.train import run

    run(config)


def _train_depth(arguments: argparse.Namespace) -> None:
    with loading():
        from metrichmsr_ros.models.depth_refiner import REFINER_SIZES
        from metrichmsr_ros.train_config import of_size, read_settings
        from metrichmsr_ros.train_depth import run, TrainDepthConfig

    config = of_size(TrainDepthConfig, REFINER_SIZES, read_settings(arguments.settings))
    if not _listed(arguments, config):
        run(config)


def _listed(arguments: argparse.Namespace, config: Any) -> bool:
    """List the keys of a run where that is asked for, and return whether it is."""
    from metrichmsr_ros.train_config import flat

    if arguments.keys:
        sys.stdout.writelines(f'--{key}={value}\n' for key, value in flat(config).items())
    return bool(arguments.keys)


def _render(arguments: argparse.Namespace) -> None:
    with loading():
        from metrichmsr_ros.body.body_model import BodyModel
        from metrichmsr_ros.data.rendered.make import render_people
        from metrichmsr_ros.data.rendered.readings import Reader
        from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
        from metrichmsr_ros.progress import ProgressBar

    render_people(
        arguments.out,
        people=arguments.people,
        seed=arguments.seed,
        body=BodyModel.load(arguments.body_model),
        reader=Reader(
            BlazePoseLandmarker(find_assets(landmark_network=arguments.landmark_network)),
            arguments.landmark_network,
            arguments.mirrored,
        ),
        progress=ProgressBar(arguments.people, 'people'),
    )
