"""Estimate against truth on the synthetic camera: python examples/synthetic_errors.py [PEOPLE].

The first run renders the world, which takes about half a minute.
"""

from itertools import islice
import sys

import numpy as np

from metrichmsr_ros import build_pipeline, PipelineConfig
from metrichmsr_ros.data.sources import open_source

FRAMES = 128


def main() -> None:
    """Print how far estimated pelvises are from the true ones."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    source = open_source('synthetic', people=people)
    pipeline = build_pipeline(PipelineConfig(detector_budget_ms=None))
    errors, ids = [], set()
    for frame in islice(source, FRAMES):
        found = pipeline.process(frame.as_frame(), want_depth=False).people
        ids.update(found.ids)
        for pelvis, seen in zip(frame.truth.pelvis, frame.truth.scores, strict=True):
            if seen > 0.5:
                gaps = np.linalg.norm(found.pelvis - pelvis, axis=-1)
                errors.append(gaps.min(initial=np.inf) / np.linalg.norm(pelvis))
    missed = np.mean(np.array(errors) > 0.2)
    print(f'pelvis error: median {100 * np.median(errors):.1f} % of the distance')
    print(f'missed: {100 * missed:.1f} %   ids used: {len(ids)} for {people} people')


if __name__ == '__main__':
    main()
