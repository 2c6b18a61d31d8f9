"""The command ``metrichmsr``: run a method on images with truth, and score it. Needs no ROS."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
import json
import logging
import math
from pathlib import Path
import sys
from typing import Any, NoReturn, TYPE_CHECKING

from metrichmsr_ros.cli_evaluate_depth import add_depth_options, refuse_depth_options, run_depth
from metrichmsr_ros.cli_train import add_render, add_train, add_train_depth
from metrichmsr_ros.perception.blazepose.assets import (
    AssetError,
    best_landmark_network,
    find_assets,
    LANDMARK_NETWORKS,
)
from metrichmsr_ros.start import loading, start

if TYPE_CHECKING:
    from metrichmsr_ros.body.body_model import BodyModel
    from metrichmsr_ros.data.index import IndexImage
    from metrichmsr_ros.data.predictions import Predictions

logger = logging.getLogger(__name__)

EXIT_BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f'{self.prog}: error: {message} (see {self.prog} --help)\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments after the command's name; None = those of the process.

    Returns:
        Exit code: 0, or 2 after one line about bad input on standard error.

    Raises:
        KeyboardInterrupt: See ``metrichmsr_ros/start.py``.
    """
    parser = _parser()
    arguments, settings = parser.parse_known_args(argv)
    if 'keys' in arguments:  # the trainers, whose settings are --key=value
        arguments.settings = settings
    elif settings:
        parser.error(f'unrecognized arguments: {" ".join(settings)}')
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    try:
        arguments.run(arguments)
    except (ValueError, OSError, FloatingPointError, AssetError) as error:
        logger.debug('where it was raised', exc_info=True)
        sys.stderr.write(f'metrichmsr: error: {" ".join(str(error).split())}\n')
        return EXIT_BAD_INPUT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog='metrichmsr', description='Metric people in a metric scene.')
    parser.add_argument('--version', action='version', version=f'metrichmsr {_version()}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    for command in (_add_infer(commands), _add_evaluate(commands)):
        command.add_argument(
            '--boxes', choices=('index',), help="give the method the index's boxes: no detector"
        )
        command.add_argument(
            '--body-model', type=Path, metavar='PATH', help='SMPL-format file (default: shipped)'
        )
        command.add_argument(
            '--checkpoint',
            metavar='FOLDER',
            help='weights for --method metrichmr, of any size (default: those that ship for the '
            'landmark network)',
        )
        command.add_argument(
            '--landmark-network',
            choices=LANDMARK_NETWORKS,
            help='of BlazePose (default: heavy where it has been fetched)',
        )
    add_train(commands)
    add_render(commands)
    add_train_depth(commands)
    return parser


def _add_infer(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    infer = commands.add_parser(
        'infer',
        help='predict the people of every image of an index',
        description='Predict the people of every image of an index; images are independent.',
    )
    infer.set_defaults(run=_infer)
    infer.add_argument('index', type=Path, metavar='INDEX.json', help='images with cameras')
    infer.add_argument('--method', required=True, metavar='NAME', help='metrichmr or landmark_ik')
    infer.add_argument(
        '--json', required=True, type=Path, metavar='OUT.json', help='prediction file to write'
    )
    infer.add_argument(
        '--depth-dir',
        type=Path,
        metavar='DIR',
        help="write depth images there, <stem>.npz: the people's surfaces, NaN elsewhere",
    )
    infer.add_argument(
        '--router-dir',
        type=Path,
        metavar='DIR',
        help='write pictures there, <stem>.png: which experts of HumanMoE each landmark goes to',
    )
    return infer


def _add_evaluate(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    evaluate = commands.add_parser(
        'evaluate',
        help='score predictions against the truth of an index',
        description='Score predictions against the truth of an index: a table per source; or a '
        'method on the videos of a data set: 3dpw:FOLDER, emdb1:FOLDER or emdb2:FOLDER; or depth '
        'that people correct.',
    )
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument(
        'index', type=Path, metavar='INDEX.json', help='images with truth, or a data set'
    )
    evaluate.add_argument(
        '--smpl', type=Path, metavar='DIR', help="SMPL_MALE.pkl and so on: the data set's bodies"
    )
    evaluate.add_argument(
        '--task', choices=('people', 'depth'), default='people', help='what is scored'
    )
    what = evaluate.add_mutually_exclusive_group()
    what.add_argument(
        '--predictions', type=Path, metavar='OUT.json', help='prediction file of infer'
    )
    what.add_argument('--method', metavar='NAME', help='run this method first')
    evaluate.add_argument(
        '--depth-dir', type=Path, metavar='DIR', help='depth images of infer, scored as well'
    )
    evaluate.add_argument(
        '--json', type=Path, metavar='REPORT.json', help='write all figures and rows there'
    )
    add_depth_options(evaluate)
    return evaluate


def _version() -> str:
    try:
        return version('metrichmsr_ros')
    except PackageNotFoundError:
        return '(not installed)'


def _infer(arguments: argparse.Namespace) -> None:
    with loading():
        from metrichmsr_ros.body.body_model import BodyModel
        from metrichmsr_ros.data.index import read_index
        from metrichmsr_ros.data.predictions import write_predictions

    images = read_index(arguments.index)
    body = BodyModel.load(arguments.body_model)
    predictions = _predict(arguments, images, body, router_dir=arguments.router_dir)
    write_predictions(arguments.json, predictions)


def _evaluate(arguments: argparse.Namespace) -> None:
    if arguments.task == 'depth':
        return _write_report(arguments.json, run_depth(arguments).as_dict())
    refuse_depth_options(arguments)
    if arguments.method is None and arguments.predictions is None:
        raise ValueError('one of --predictions and --method is required (see --help)')
    with loading():
        from metrichmsr_ros.body.body_model import BodyModel
        from metrichmsr_ros.data.index import read_index
        from metrichmsr_ros.data.predictions import read_predictions
        from metrichmsr_ros.evaluate import evaluate
        from metrichmsr_ros.evaluate_sequences import DATASETS

    for name in ('boxes', 'checkpoint', 'landmark_network'):
        if getattr(arguments, name) is not None and arguments.method is None:
            option = name.replace('_', '-')
            raise ValueError(f'--{option} is for --method; --predictions have been made already')
    body = BodyModel.load(arguments.body_model)
    if str(arguments.index).startswith(DATASETS):
        return _evaluate_videos(arguments, body)
    images = read_index(arguments.index)
    if arguments.method is None:
        predictions = read_predictions(arguments.predictions, images)
    else:
        predictions = _predict(arguments, images, body)
    report = evaluate(images, predictions, body=body, depth_dir=arguments.depth_dir)
    sys.stdout.write(report.table() + '\n')
    _write_report(arguments.json, report.as_dict())


def _evaluate_videos(arguments: argparse.Namespace, body: BodyModel) -> None:
    with loading():
        from metrichmsr_ros import evaluate_sequences as videos
        from metrichmsr_ros.models.methods import build_method
        from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker

    if arguments.method is None or arguments.smpl is None or arguments.depth_dir is not None:
        raise ValueError('a data set needs --method and --smpl, and has no depth images')
    network = arguments.landmark_network or best_landmark_network()
    figures = videos.evaluate_sequences(
        videos.read_sequences(str(arguments.index)),
        estimator=build_method(
            arguments.method, body, checkpoint=arguments.checkpoint, landmark_network=network
        ),
        landmarker=BlazePoseLandmarker(find_assets(landmark_network=network)),
        bodies=videos.load_bodies(arguments.smpl),
    )
    sys.stdout.writelines(f'{name:<20} {value:.4g}\n' for name, value in figures.items())
    _write_report(arguments.json, {k: v for k, v in figures.items() if math.isfinite(v)})


def _write_report(path: Path | None, report: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def _predict(
    arguments: argparse.Namespace,
    images: Sequence[IndexImage],
    body: BodyModel,
    *,
    router_dir: Path | None = None,
) -> Predictions:
    with loading():
        from metrichmsr_ros.infer import check_images, infer, landmark_finder
        from metrichmsr_ros.models.methods import build_method

    network = arguments.landmark_network or best_landmark_network()
    estimator = build_method(
        arguments.method, body, checkpoint=arguments.checkpoint, landmark_network=network
    )
    check_images(images)
    true_boxes = arguments.boxes == 'index'
    find_landmarks = landmark_finder(true_boxes=true_boxes, landmark_network=network)
    logger.info('landmark network: %s', network)
    return infer(
        images,
        estimator=estimator,
        body=body,
        find_landmarks=find_landmarks,
        true_boxes=true_boxes,
        depth_dir=arguments.depth_dir,
        router_dir=router_dir,
    )


if __name__ == '__main__':
    sys.exit(start('metrichmsr_ros.cli'))
