"""What each size of the network costs, with random weights: one person forward and backward.

Usage: ``python benchmarks/sizes.py [--sizes blazepose base paper] [--threads 1] [--export]``
"""

from __future__ import annotations

import argparse
from dataclasses import fields
import multiprocessing
import resource
import time

from _report import print_header
import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.gather import evidence_of_boxes
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import SIZES
from metrichmsr_ros.structures import Frame


def main() -> None:
    """Measure each size in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sizes', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--export', action='store_true', help='export each size as well')
    options = parser.parse_args()
    print_header(f'sizes, one person, fp32, {options.threads} thread(s), CPU seconds')
    print(
        f'{"size":<10} {"parameters":>11} {"evidence":>9} {"forward":>8} {"backward":>9} '
        f'{"export":>7} {"peak memory":>12}'
    )
    spawned = multiprocessing.get_context('spawn')  # else memory is that of the largest before
    for size in options.sizes:
        process = spawned.Process(target=_measure, args=(size, options.threads, options.export))
        process.start()
        process.join()


def _measure(size: str, threads: int, export: bool) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = MetricHMR(SIZES[size], BodyModel.load())
    frame = Frame(np.zeros((480, 640, 3), np.uint8), Camera.from_fov(640, 480, 1.0), 0)
    boxes = np.array([[250.0, 60, 390, 420]])
    evidence_of_boxes(network.config, frame, boxes)  # the landmark network loads once
    clock = _Clock()
    evidence = evidence_of_boxes(network.config, frame, boxes)
    gathered = clock.lap()
    with torch.inference_mode():
        network(evidence)
        clock.lap()
        network(evidence)
    forward = clock.lap()
    found = network(evidence)
    clock.lap()
    (found.joints.square().sum() + found.shape.square().sum()).backward()
    backward = clock.lap()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    exported = _export(network, evidence, clock) if export else float('nan')
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    print(
        f'{size:<10} {count:>9.1f} M {gathered:>7.3f} s {forward:>6.3f} s {backward:>7.3f} s '
        f'{exported:>5.0f} s {memory:>8.1f} GiB',
        flush=True,
    )


def _export(network: MetricHMR, evidence: object, clock: _Clock) -> float:
    """Export for any number of people; return the seconds it took."""
    network.zero_grad(set_to_none=True)
    clock.lap()
    people = torch.export.Dim('people', min=1, max=64)
    two = type(evidence)(
        **{f.name: getattr(evidence, f.name).repeat(2, *[1] * (getattr(evidence, f.name).ndim - 1))
           for f in fields(evidence)}
    )  # fmt: skip
    shapes = ([{0: people} for _ in fields(evidence)],)
    torch.export.export(network.eval(), (two,), dynamic_shapes=shapes)
    return clock.lap()


class _Clock:
    """CPU seconds since the last lap: others on the machine do not count."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def lap(self) -> float:
        now = time.process_time()
        seconds, self._last = now - self._last, now
        return seconds


if __name__ == '__main__':
    main()
