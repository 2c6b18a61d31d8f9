"""Milliseconds of each stage of the frame pipeline on this machine, in the synthetic world.

Usage: ``python benchmarks/pipeline.py [--people 1] [--threads 1] [--frames 100]``
"""

from __future__ import annotations

import argparse
import time

from _report import print_header, print_times
import numpy as np

from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline, Pipeline
from metrichmsr_ros.structures import Frame
from metrichmsr_ros.visualization import color_depth, draw_scene

WARM_UP = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1, help='threads of one network call')
    parser.add_argument('--frames', type=int, default=100)
    options = parser.parse_args()

    config = WorldConfig(people=options.people, rate=5.0)
    world = SyntheticWorld(config)
    loop = world.render()
    pipeline = build_pipeline(
        PipelineConfig(
            depth_source='ground',
            camera_height=config.camera_height,
            camera_tilt=config.camera_tilt,
            threads=options.threads,
        )
    )
    times: dict[str, list[float]] = {}
    for k in range(WARM_UP + options.frames):
        image = loop.images[k % len(loop)]
        stages = _one_frame(pipeline, Frame(image, world.camera, k * 200_000_000))
        for stage, seconds in stages.items() if k >= WARM_UP else ():
            times.setdefault(stage, []).append(1000 * seconds)

    print_header(
        f'pipeline, {config.width}x{config.height}, {options.people} people, '
        f'{options.threads} thread(s)'
    )
    for stage, milliseconds in times.items():
        print_times(stage, np.array(milliseconds))


def _one_frame(pipeline: Pipeline, frame: Frame) -> dict[str, float]:
    """Process one frame and draw it; seconds per stage."""
    start = time.perf_counter()
    scene = pipeline.process(frame, want_mesh=True)
    done = time.perf_counter()
    draw_scene(scene)
    drawn = time.perf_counter()
    color_depth(scene.depth.depth_z)
    colored = time.perf_counter()
    return {
        **scene.timings,
        'all of these': done - start,
        'overlay (on demand)': drawn - done,
        'depth in colours (on demand)': colored - drawn,
    }


if __name__ == '__main__':
    main()
