"""Depth refined in the demonstration's room: level, drawn by another renderer, people tracked.

Monocular priors are its true depth, spoilt as networks err; the floor is that of the true camera.
The table has means over frames and priors. It shows what refiners make of a room whose look they
have not learned.

Run: python benchmarks/depth_room.py [--refiners depth_refiner ...] [--landmark-network full]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping

from _report import print_header
import numpy as np

from metrichmsr_ros.data.depth.corruption import spoil_depth
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.depth_views import network_prior, people_label
from metrichmsr_ros.evaluate_depth import Method, PRIOR, refine, watch
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.models.depth_refiner import DEFAULT_REFINER
from metrichmsr_ros.perception.blazepose.assets import FULL
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_refinement import GlobalAffine
from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.perception.learned_field import LearnedField
from metrichmsr_ros.perception.pipeline import build_pipeline, Pipeline

SETTLED, FRAMES, STEP = 30, 100, 4  # frames until tracks have settled, at the end, between scored
PRIORS = 4  # monocular ones of each frame


def main() -> None:
    """Print a row for each number of people and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--refiners', nargs='+', default=[DEFAULT_REFINER], help='checkpoints')
    parser.add_argument('--landmark-network', default=FULL)
    options = parser.parse_args()
    print_header(f'Depth in the demonstration, landmarks {options.landmark_network}')
    methods: dict[str, Method] = {
        PRIOR: lambda frame, prior, anchors, people: None,
        'global affine': GlobalAffine().estimate,
        **{name: LearnedField.from_pretrained(name).estimate for name in options.refiners},
    }
    # All tiles in each frame: what is found when must not depend on how busy the machine is.
    config = PipelineConfig(
        id_seed=0, landmark_network=options.landmark_network, detector_budget_ms=None
    )
    pipeline = build_pipeline(config)
    print('\n| scenes | prior | method | AbsRel | of prior | δ1 |')
    print('|' + '---|' * 6)
    for people in (1, 2, 3):
        figures = score(SyntheticWorld(WorldConfig(people=people)), pipeline, methods)
        for (kind, name), (abs_rel, delta1) in figures.items():
            share = abs_rel / figures[kind, PRIOR][0]
            cells = people_label(people), kind, name, f'{abs_rel:.3f}', f'{share:.2f}'
            print(f'| {" | ".join(cells)} | {delta1:.3f} |')


def score(
    world: SyntheticWorld, pipeline: Pipeline, methods: Mapping[str, Method]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return mean AbsRel and δ1 by prior and method, over the frames of a loop and the priors."""
    loop, found = world.render(), defaultdict(list)
    floor = GroundPlane(world.config.camera_height, world.config.camera_tilt)
    for k, frame, people, mesh in watch(world, loop, pipeline, FRAMES):
        if k < SETTLED or k % STEP:
            continue
        true_z = loop.depth_z(k % len(loop))
        spoilt = [spoil_depth(true_z, np.random.default_rng((k, draw))) for draw in range(PRIORS)]
        priors = [('monocular', network_prior(depth_z, world.camera)) for depth_z in spoilt]
        for kind, prior in (*priors, ('floor', floor.depth(frame))):
            for name, depth_z in refine(methods, frame, prior, people, mesh).items():
                errors = depth_errors(depth_z, true_z)
                found[kind, name].append((errors.abs_rel, errors.delta1))
    means = {key: np.mean(rows, axis=0) for key, rows in found.items()}
    return {key: (float(abs_rel), float(delta1)) for key, (abs_rel, delta1) in means.items()}


if __name__ == '__main__':
    main()
