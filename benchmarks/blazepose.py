"""Milliseconds of each step of BlazePose on this machine, on an image of noise.

Usage: ``python benchmarks/blazepose.py [--threads 1] [--repeats 100]``
"""

from __future__ import annotations

import argparse

from _report import measure, print_header, print_times
import cv2
import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.blazepose.assets import find_assets, LANDMARK_NETWORKS
from metrichmsr_ros.perception.blazepose.crops import crop
from metrichmsr_ros.perception.blazepose.detector import BlazePoseDetector
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.tiles import all_tiles
from metrichmsr_ros.runtime.litert import LiteRtNetwork
from metrichmsr_ros.structures import Frame


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=1, help='threads of one network call')
    parser.add_argument('--repeats', type=int, default=100)
    options = parser.parse_args()
    threads, repeats = options.threads, options.repeats

    found = {name: find_assets(landmark_network=name) for name in LANDMARK_NETWORKS}
    paths = found['full']
    width, height = 640, 480
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(image, Camera.uncalibrated(width, height), 0)
    roi = np.array([[320, 240, 400, 0.3]])

    print_header(f'BlazePose, {width}x{height}, {threads} thread(s)')
    files = {f'landmarks, {name}': paths.landmarker for name, paths in found.items()}
    for name, path in {'detector': paths.detector, **files}.items():
        network = LiteRtNetwork(path, num_threads=threads)
        tensor = np.zeros(network.input_shape, np.float32)
        print_times(
            f'{name}: network alone', measure(lambda n=network, t=tensor: n(t), repeats=repeats)
        )

    single = BlazePoseDetector(paths, budget_ms=1e-3, num_threads=threads)
    print_times('detector: one tile', measure(lambda: single.detect(frame), repeats=repeats))
    sweep = BlazePoseDetector(paths, budget_ms=None, num_threads=threads)
    print_times(
        f'detector: all {len(all_tiles(width, height))} tiles',
        measure(lambda: sweep.detect(frame), repeats=max(repeats // 10, 3)),
    )
    print_times(
        'landmarks: crop',
        measure(lambda: crop(image, roi[0], 256, border=cv2.BORDER_REPLICATE), repeats=repeats),
    )
    for name, paths in found.items():
        landmarker = BlazePoseLandmarker(paths, num_threads=threads)
        print_times(
            f'landmarks, {name}: one person',
            measure(lambda reader=landmarker: reader.read(image, roi), repeats=repeats),
        )


if __name__ == '__main__':
    main()
