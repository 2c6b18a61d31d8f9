"""How far estimated people bring a spoilt depth prior back to metres, by each method.

Rendered rooms: the pipeline's own people, tracked; priors are true depth spoilt as monocular
networks err. Photographs: the RGB-D images of an index, each by itself; priors are the sensor's
depth times 1.25 or 0.8, smoothly bent. Figures are means over frames on all known pixels.

Run: python benchmarks/depth.py [INDEX.json]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from _report import measure, print_header
import numpy as np

from metrichmsr_ros.data.depth.corruption import PriorErrors, spoil_depth
from metrichmsr_ros.data.index import read_index
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.perception.anchors import surface_anchors
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_baselines import global_affine, median_scale, smooth_affine
from metrichmsr_ros.perception.depth_sources.base import NETWORK_SCALE_SIGMA
from metrichmsr_ros.perception.pipeline import build_pipeline
from metrichmsr_ros.structures import Frame

SETTLED, EVERY = 20, 8  # frames
DRAWS = 10  # priors of each photograph
SCALES = (1.25, 0.8)
BENT = PriorErrors(scale=0, shift=0, flattening=0, blur_px=0, glass=0)
KNOWN = {'metric': True, 'scale_sigma': NETWORK_SCALE_SIGMA}
METHODS = {
    'median scale': lambda anchors, prior: median_scale(anchors),
    'global affine': lambda anchors, prior: global_affine(anchors, **KNOWN),
    'smooth affine': lambda anchors, prior: smooth_affine(anchors, prior.shape, **KNOWN),
}
PRIOR = 'prior'
ROW = '| {:<14} | {:>6} | {:<13} | {:>6} | {:>7} | {:>6} | {:>5} |'


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('index', type=Path, nargs='?', help='images with measured depth')
    options = parser.parse_args()
    print_header('depth brought into the scale of estimated people')
    print()
    print(ROW.format('scenes', 'frames', 'method', 'AbsRel', '/ prior', 'MAE m', 'δ1'))
    print('|' + '|'.join(['---'] * 7) + '|')
    last = None
    for count in (1, 2, 3):
        cases = list(rendered(count))
        report(f'{count} people' if count > 1 else '1 person', cases)
        last = cases[-1]
    if options.index is not None:
        for source, cases in photographs(options.index).items():
            report(source, cases)
    _, prior, mesh = last
    anchors = surface_anchors(prior, mesh)
    print()
    for name, method in METHODS.items():
        times = measure(lambda method=method: method(anchors, prior), repeats=20)
        print(f'{name}: {np.median(times):.1f} ms')


Case = tuple[np.ndarray, np.ndarray, MeshDepth]


def rendered(people: int) -> Iterator[Case]:
    """Yield truth, prior and the estimated people's depth of frames of a rendered room."""
    world = SyntheticWorld(WorldConfig(people=people))
    loop, config = world.render(), world.config
    pipeline = build_pipeline(PipelineConfig(depth_source='none', id_seed=0))
    for k in range(SETTLED + len(loop)):
        frame = Frame(loop.images[k % len(loop)], world.camera, round(k * 1e9 / config.rate))
        scene = pipeline.process(frame, want_mesh=True)
        if k >= SETTLED and k % EVERY == 0:
            true_z = loop.depth_z(k % len(loop))
            yield true_z, spoil_depth(true_z, np.random.default_rng(k)), scene.mesh


def photographs(path: Path) -> dict[str, list[Case]]:
    """Return the same of the images of an index whose depth was measured, by source."""
    pipeline = build_pipeline(PipelineConfig(depth_source='none', detector_budget_ms=None))
    cases = defaultdict(list)
    for image in read_index(path):
        true_z = image.read_depth_z()
        if true_z is None:
            continue
        pipeline.reset()
        frame = Frame(image.read_image(), image.camera, stamp=0)
        mesh = pipeline.process(frame, want_mesh=True).mesh
        for i in range(DRAWS):
            prior = spoil_depth(true_z, np.random.default_rng(i), BENT)
            cases[image.source].append((true_z, SCALES[i % 2] * prior, mesh))
    return cases


def report(name: str, cases: list[Case]) -> None:
    """Print one row per method; a method that says nothing leaves the prior."""
    errors = defaultdict(list)
    for true_z, prior, mesh in cases:
        anchors = surface_anchors(prior, mesh)
        errors[PRIOR].append(depth_errors(prior, true_z))
        for method, fit in METHODS.items():
            field = fit(anchors, prior)
            refined = prior if field is None else field.apply(prior)
            errors[method].append(depth_errors(refined, true_z))
    before = np.mean([error.abs_rel for error in errors[PRIOR]])
    for method, found in errors.items():
        abs_rel = np.mean([error.abs_rel for error in found])
        mae, delta1 = (np.mean([getattr(e, key) for e in found]) for key in ('mae', 'delta1'))
        cells = f'{abs_rel:.3f}', f'{abs_rel / before:.2f}', f'{mae:.2f}', f'{delta1:.2f}'
        print(ROW.format(name, len(found), method, *cells), flush=True)


if __name__ == '__main__':
    main()
