"""What filtering people over time gives and costs, in the synthetic world.

Each row is one run of the pipeline over the same rendered loop: each frame by itself, filtered,
and filtered with the true depth as a depth sensor's. A delay is by how much the truth must be
shifted to explain the result best: of the pelvis's way, and of the wrists about it. BlazePose
reads single images, so what the first row has of it comes from errors that follow the gait.

Run: python benchmarks/temporal.py [--people 2] [--estimators metrichmr landmark_ik]
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, replace
import itertools

from _report import print_header
import numpy as np
from scipy.interpolate import CubicSpline

from metrichmsr_ros.data.synthetic.loop import Loop
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.models.methods import METHODS
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline
from metrichmsr_ros.sequence_metrics import acceleration_error, jitter, mean_over_frames
from metrichmsr_ros.structures import DepthImage, Scene, TrackState

SETTLED = 20  # frames after the start that do not count
MODES = {
    'each frame': {'temporal_filter': False, 'depth_source': 'ground'},
    'filtered': {'temporal_filter': True, 'depth_source': 'ground'},
    'filtered, depth sensor': {'temporal_filter': True, 'depth_source': 'topic'},
}
DELAYS = np.arange(-0.1, 0.301, 0.005)  # s
WRISTS = [20, 21]
COLUMNS = ('estimator', 'mode', 'jitter', 'accel', 'MPJPE', 'root %', 'height', 'pelvis ms',
           'wrist ms', 'AbsRel')  # fmt: skip
ROW = '| {:<11} | {:<22} | {:>6} | {:>5} | {:>5} | {:>6} | {:>6} | {:>9} | {:>8} | {:>6} |'


@dataclass(frozen=True)
class Run:
    """One person's estimates and truth in the frames that showed him.

    Attributes:
        frames: Numbers of the frames, (T,).
        person: Which person of the loop it is.
        joints: (T, 24, 3), metres.
        heights: (T,), metres.
    """

    frames: np.ndarray
    person: int
    joints: np.ndarray
    heights: np.ndarray


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--people', type=int, default=2)
    parser.add_argument('--estimators', nargs='+', default=list(METHODS), choices=list(METHODS))
    options = parser.parse_args()
    config = WorldConfig(people=options.people)
    world = SyntheticWorld(config)
    loop = world.render()
    print_header(f'time, synthetic camera {config.width}x{config.height} at {config.rate:g} Hz')
    print('\njitter: 10 m/s³ about the pelvis; accel: error, m/s²; height: spread, mm\n')
    print(ROW.format(*COLUMNS))
    print('|' + '|'.join(['---'] * len(COLUMNS)) + '|')
    truth = loop.joints - loop.joints[:, :, :1]
    print(
        ROW.format('truth', '', f'{jitter(truth[:, 0], rate=config.rate).mean():.1f}', *[''] * 7)
    )
    for estimator in options.estimators:
        for mode, settings in MODES.items():
            runs, abs_rel = measure(world, loop, estimator=estimator, **settings)
            # A sensor's depth passes as it is: here, the truth.
            of_depth = '' if settings['depth_source'] == 'topic' else f'{abs_rel:.3f}'
            print(ROW.format(estimator, mode, *figures(runs, loop, config.rate), of_depth))


def measure(world: SyntheticWorld, loop: Loop, **settings: object) -> tuple[list[Run], float]:
    """Run the pipeline; return who was followed, and AbsRel of the depth."""
    config = world.config
    pipeline = build_pipeline(
        PipelineConfig(
            camera_height=config.camera_height,
            camera_tilt=config.camera_tilt,
            id_seed=0,
            **settings,
        )
    )
    seen: dict[str, list[tuple[int, np.ndarray, float]]] = {}
    errors = []
    for k in range(SETTLED + len(loop)):
        true_z = loop.depth_z(k % len(loop))
        depth = DepthImage(true_z, world.camera, measured=True)
        scene = pipeline.process(replace(world.frame(loop, k), depth=depth))
        if k < SETTLED:
            continue
        errors.append(abs_rel(scene, true_z))
        for i, name in enumerate(scene.people.ids):
            if scene.people.states[i] != TrackState.PREDICTED:
                row = (k, scene.people.joints[i], float(scene.people.heights[i]))
                seen.setdefault(name, []).append(row)
    runs = [_run(rows, loop) for rows in seen.values() if len(rows) > SETTLED]
    return runs, float(np.mean(errors))


def abs_rel(scene: Scene, true_z: np.ndarray) -> float:
    """Return the mean relative error of the scene's depth."""
    depth_z = scene.depth.depth_z
    known = np.isfinite(depth_z) & (true_z > 0)
    return float(np.mean(np.abs(depth_z[known] / true_z[known] - 1.0)))


def _run(rows: list[tuple[int, np.ndarray, float]], loop: Loop) -> Run:
    frames = np.array([row[0] for row in rows])
    joints = np.stack([row[1] for row in rows]).astype(np.float64)
    away = np.linalg.norm(joints[:, None, 0] - loop.joints[frames % len(loop), :, 0], axis=-1)
    person = Counter(away.argmin(axis=1).tolist()).most_common(1)[0][0]
    return Run(frames, person, joints, np.array([row[2] for row in rows]))


def figures(runs: list[Run], loop: Loop, rate: float) -> list[str]:
    """Return the columns from jitter to the wrists' delay."""
    jitters, accelerations, mpjpe, root, heights, delays = [], [], [], [], [], []
    for run in runs:
        true = loop.joints[run.frames % len(loop), run.person].astype(np.float64)
        body, true_body = run.joints - run.joints[:, :1], true - true[:, :1]
        for part in _consecutive(run.frames):
            if len(body[part]) > 3:
                jitters.append(jitter(body[part], rate=rate))
                accelerations.append(acceleration_error(body[part], true_body[part], rate=rate))
        mpjpe.append(1000 * np.linalg.norm(body - true_body, axis=-1).mean(axis=1))
        away = np.linalg.norm(run.joints[:, 0] - true[:, 0], axis=-1)
        root.append(100 * away / np.linalg.norm(true[:, 0], axis=-1))
        heights.append(1000 * np.ptp(run.heights))
        whole = loop.joints[:, run.person].astype(np.float64)
        delays.append(
            (
                delay_ms(run.frames, run.joints[:, :1], whole[:, :1], rate),
                delay_ms(run.frames, body[:, WRISTS], (whole - whole[:, :1])[:, WRISTS], rate),
            )
        )
    pelvis, wrists = np.mean(delays, axis=0)
    return [
        f'{mean_over_frames(jitters):.1f}',
        f'{mean_over_frames(accelerations):.1f}',
        f'{mean_over_frames(mpjpe):.1f}',
        f'{mean_over_frames(root):.2f}',
        f'{np.mean(heights):.0f}',
        f'{pelvis:+.0f}',
        f'{wrists:+.0f}',
    ]


def delay_ms(frames: np.ndarray, points: np.ndarray, true: np.ndarray, rate: float) -> float:
    """Return the delay at which shifted truth explains the points best, milliseconds.

    Args:
        frames: Numbers of the frames, (T,).
        points: (T, K, 3), metres; what is constant of their error does not count.
        true: Of a whole loop, (L, K, 3), metres; after the last frame comes the first.
        rate: Frames per second.
    """
    times = np.arange(len(true) + 1) / rate
    way = CubicSpline(times, np.concatenate([true, true[:1]]), bc_type='periodic')
    spread = []
    for delay in DELAYS:
        error = points - way(frames / rate - delay)
        spread.append(((error - error.mean(axis=0)) ** 2).sum())
    return 1000.0 * float(DELAYS[int(np.argmin(spread))])


def _consecutive(frames: np.ndarray) -> list[slice]:
    """Return the slices within which no frame is missing."""
    ends = [0, *(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


if __name__ == '__main__':
    main()
