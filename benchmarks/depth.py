"""How far estimated people bring a wrong depth prior back to metres, and what each method costs.

The tables are those of ``metrichmsr evaluate --task depth``, on rendered rooms and on the images
of an index; the times are of one field for one 640x480 prior.

Run: python benchmarks/depth.py [INDEX.json] [--frames N] [--refiner FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from _report import measure, print_header, print_times
import numpy as np

from metrichmsr_ros.depth_report import DepthReport
from metrichmsr_ros.depth_views import DepthView
from metrichmsr_ros.evaluate_depth import depth_methods
from metrichmsr_ros.evaluate_depth_sets import score_index, score_rendered
from metrichmsr_ros.models.depth_refiner import DEFAULT_REFINER, DepthRefiner
from metrichmsr_ros.perception.anchors import people_anchors
from metrichmsr_ros.perception.blazepose.assets import best_landmark_network
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.structures import DepthImage


class _Last:
    """Keeps the last view with people and its prior, to time the methods on."""

    def __init__(self) -> None:
        self.seen: tuple[DepthView, DepthImage] | None = None

    def __call__(
        self, view: DepthView, prior: DepthImage, _refined: Mapping[str, np.ndarray]
    ) -> None:
        if len(view.people):
            self.seen = view, prior


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('index', type=Path, nargs='?', help='images with measured depth')
    parser.add_argument('--frames', type=int, default=60, help='for each number of people')
    parser.add_argument('--refiner', default=DEFAULT_REFINER, help='checkpoint of train-depth')
    parser.add_argument('--landmark-network', default=best_landmark_network())
    options = parser.parse_args()
    network = options.landmark_network
    print_header(f'depth brought into the scale of estimated people, landmark network {network}')
    methods = depth_methods(DepthRefiner.from_pretrained(options.refiner))
    config, last = PipelineConfig(id_seed=0, landmark_network=network), _Last()
    rows = score_rendered(methods, config, frames=options.frames, show=last)
    print('\n' + DepthReport(tuple(rows)).table())
    if options.index is not None:
        rows = score_index(options.index, methods, config)
        print('\n' + DepthReport(tuple(rows)).table(images=True))
    if last.seen is None:
        return
    view, prior = last.seen
    anchors = people_anchors(prior, view.people, view.mesh)
    print(f'\nOne field of {len(anchors)} anchors:')
    for name, method in methods.items():
        print_times(
            name,
            measure(
                lambda method=method: method(view.frame, prior, anchors, view.people), repeats=20
            ),
        )


if __name__ == '__main__':
    main()
