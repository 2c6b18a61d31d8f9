"""What a floor under a camera of known height and tilt says of people who walk on it.

Two people walk in the demonstration's room, adults or children, at 5 images a second. Each world
is followed without the floor, with it, and with a camera that is mounted otherwise than is said.

Run: python benchmarks/on_floor.py [--worlds 2] [--landmark-network full]
"""

from __future__ import annotations

import argparse
from collections import defaultdict

from _matching import match_people
from _report import print_header
import numpy as np

from metrichmsr_ros.data.synthetic.loop import Loop
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.perception.anchors import distance_sigmas
from metrichmsr_ros.perception.blazepose.assets import FULL
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline, Pipeline
from metrichmsr_ros.structures import People, TrackState

CASTS = {'adults': (), 'children': (1.15, 1.4)}
# What is believed less what is true: of the camera's height (a share), of its tilt (radians).
MOUNTINGS = {
    'no floor': None,
    'as it is': (0.0, 0.0),
    'height + 3 %': (0.03, 0.0),
    'height - 3 %': (-0.03, 0.0),
    'tilt + 0.02': (0.0, 0.02),
    'tilt - 0.02': (0.0, -0.02),
}
EVERY, SETTLED = 4, 10  # frames of the loop; images at the start that do not count
ROW = '| {:>8} | {:>12} | {:>6} | {:>6} | {:>10} | {:>6} | {:>9} | {:>14} |'
COLUMNS = (
    'people', 'mounting', 'seen', 'root %', 'root 95 %', 'bias %', 'height mm', 'within 1 sigma'
)  # fmt: skip


def main() -> None:
    """Print a row for each cast and mounting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--worlds', type=int, default=2)
    parser.add_argument('--landmark-network', default=FULL)
    options = parser.parse_args()
    print_header(f'People on a floor, landmarks {options.landmark_network}')
    print(f'\n{ROW.format(*COLUMNS)}\n|{"---|" * len(COLUMNS)}')
    for cast, heights in CASTS.items():
        worlds = [
            SyntheticWorld(WorldConfig(people=2, seed=seed, heights=heights))
            for seed in range(options.worlds)
        ]
        for mounting, errors in MOUNTINGS.items():
            figures: dict[str, list[float]] = defaultdict(list)
            # All worlds have one camera.
            pipeline = build(worlds[0].config, errors, options.landmark_network)
            for world in worlds:
                follow(world, pipeline, figures)
            print(row(cast, mounting, {k: np.array(v) for k, v in figures.items()}), flush=True)


def build(
    config: WorldConfig, errors: tuple[float, float] | None, landmark_network: str
) -> Pipeline:
    """Return a pipeline that believes what it is told of the camera's mounting."""
    height, tilt = errors or (0.0, 0.0)
    return build_pipeline(
        PipelineConfig(
            id_seed=0,
            landmark_network=landmark_network,
            detector_budget_ms=None,
            people_on_floor=errors is not None,
            camera_height=config.camera_height * (1 + height),
            camera_tilt=config.camera_tilt + tilt,
        )
    )


def follow(world: SyntheticWorld, pipeline: Pipeline, figures: dict[str, list[float]]) -> None:
    """Show one loop of a world to a pipeline; add to the figures of the people it measures."""
    loop = world.render()
    pipeline.reset()
    for number, k in enumerate(range(0, SETTLED * EVERY + len(loop), EVERY)):
        people = pipeline.process(world.frame(loop, k), want_depth=False).people
        if number >= SETTLED:
            seen = [state != TrackState.PREDICTED for state in people.states]
            _compare(people.select(seen), loop, k % len(loop), world, figures)


def _compare(
    people: People, loop: Loop, t: int, world: SyntheticWorld, figures: dict[str, list[float]]
) -> None:
    true = loop.joints[t].astype(np.float64)
    sigmas = distance_sigmas(people)
    for i, person in match_people(people, true, world.camera):
        away = np.linalg.norm(true[person, 0])
        ratio = np.linalg.norm(people.pelvis[i]) / away
        figures['root'].append(np.linalg.norm(people.pelvis[i] - true[person, 0]) / away)
        figures['bias'].append(ratio - 1)
        figures['height'].append(abs(people.heights[i] - loop.heights[person]))
        figures['within'].append(abs(1 - 1 / ratio) < sigmas[i])


def row(cast: str, mounting: str, figures: dict[str, np.ndarray]) -> str:
    """Return a row of the table."""
    root = 100 * figures['root']
    return ROW.format(
        cast, mounting, len(root), f'{root.mean():.1f}', f'{np.percentile(root, 95):.1f}',
        f'{100 * figures["bias"].mean():+.1f}', f'{1000 * figures["height"].mean():.0f}',
        f'{figures["within"].mean():.2f}',
    )  # fmt: skip


if __name__ == '__main__':
    main()
