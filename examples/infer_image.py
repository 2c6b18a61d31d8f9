"""Metric people of one photograph: python examples/infer_image.py PHOTO [FOV_DEGREES]."""

import math
import sys

import cv2

from metrichmsr_ros import build_pipeline, Camera, Frame, PipelineConfig
from metrichmsr_ros.visualization import draw_scene


def main() -> None:
    """Print where everybody is and write the overlay beside the photograph."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    path = sys.argv[1]
    bgr = cv2.imread(path)
    if bgr is None:
        sys.exit(f'{path} is not a readable image')
    height, width = bgr.shape[:2]
    if len(sys.argv) > 2:
        camera = Camera.from_fov(width, height, math.radians(float(sys.argv[2])))
    else:
        camera = Camera.uncalibrated(width, height)
    # Without a time budget the detector looks everywhere: right for a single image.
    pipeline = build_pipeline(PipelineConfig(detector_budget_ms=None))
    scene = pipeline.process(Frame(bgr[..., ::-1].copy(), camera, stamp=0), want_mesh=True)
    for person, pelvis in zip(scene.people.ids, scene.people.pelvis, strict=True):
        x, y, z = pelvis
        print(f'{person}: pelvis at x {x:+.2f}  y {y:+.2f}  z {z:.2f} m')
    output = f'{path}.overlay.png'
    cv2.imwrite(output, draw_scene(scene)[..., ::-1])
    print(f'wrote {output}')


if __name__ == '__main__':
    main()
