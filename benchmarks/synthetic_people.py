"""A checkpoint on synthetic people it was not trained on: tier (a), and a folder of tier (b).

Tier (a) is drawn here, from poses of its own. Tier (b) is a folder of `metrichmsr render` with a
seed of its own: once without and once with the people whom BlazePose reads far from where they are
and still takes for people.

Run: python benchmarks/synthetic_people.py [CHECKPOINT] [--rendered FOLDER] [--people 2048]
     [--noise 1] [--physique 1]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _report import print_header
import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.data.rendered.dataset import found, MIN_SCORE
from metrichmsr_ros.data.rendered.shards import read_folder
from metrichmsr_ros.geometry.alignment import similarity_align
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.metric_hmr import MetricHMR

POSE_SEED, KEY = 90_000, 3  # of tier (a); training has pose seeds 0 and 1, and other keys
ADULT = 1.5  # metres
BATCH = 256
MIN_VISIBILITY = 0.5  # tier (a) keeps no truth about what is hidden
# Hips, knees, ankles, shoulders, elbows, wrists: SMPL joints and BlazePose's landmarks.
LIMBS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)
LIMB_LANDMARKS = (23, 24, 25, 26, 27, 28, 11, 12, 13, 14, 15, 16)
FIGURES = {
    'mpjpe': 'MPJPE mm',
    'limbs': 'visible limbs mm',
    'pa_mpjpe': 'PA-MPJPE mm',
    'root': 'root error %',
    'root_adults': 'adults %',
    'height': 'height mm',
    'height_adults': 'adults mm',
    'sigma': 'within 1 sigma',
}


def main() -> None:
    """Print one row per tier."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', nargs='?', default='blazepose', help='folder or name')
    parser.add_argument('--rendered', type=Path, metavar='FOLDER')
    parser.add_argument('--people', type=int, default=2048, help='of tier (a)')
    parser.add_argument('--noise', type=float, default=1.0, help='factor on errors of tier (a)')
    parser.add_argument('--physique', type=float, default=1.0, help='factor on its odd bones')
    arguments = parser.parse_args()
    body = BodyModel.load()
    model = MetricHMR.from_pretrained(arguments.checkpoint, body=body).eval()
    print_header(f'Synthetic people, means (medians): {arguments.checkpoint}')
    print()
    print(f'| tier | people | {" | ".join(FIGURES.values())} |')
    print('|' + '---|' * (len(FIGURES) + 2))
    config = SampleConfig(
        pose_seed=POSE_SEED, poses=20_000, noise=arguments.noise, physique=arguments.physique
    )
    sampler = PeopleSampler(config, body=body)
    evidence, target = sampler.sample(arguments.people, generator_of(KEY))
    clear = target.valid2d & (evidence.visibility > MIN_VISIBILITY)
    print(row('(a)', score(model, body, evidence, target, clear)))
    if arguments.rendered is not None:
        readings = read_folder(arguments.rendered)
        clean = found(readings)
        taken = readings.evidence.score > MIN_SCORE
        for tier, chosen in (('(b)', clean), ('(b), and the lost', taken)):
            kept = readings[chosen]
            clear = kept.target.valid2d & ~kept.hidden
            print(row(tier, score(model, body, kept.evidence, kept.target, clear)))
        unseen = int((~taken).sum())
        lost = int((taken & ~clean).sum())
        print(f'\nOf {len(readings)} people BlazePose does not see {unseen} and misreads {lost}.')


def row(tier: str, errors: dict[str, np.ndarray]) -> str:
    """Return a row of the table."""
    cells = [tier, str(len(errors['mpjpe']))]
    for name in FIGURES:
        values = errors[name][np.isfinite(errors[name])]
        middle = '' if name == 'sigma' else f' ({np.median(values):.1f})'
        cells.append(f'{values.mean():.2f}{middle}' if len(values) else '-')
    return f'| {" | ".join(cells)} |'


@torch.inference_mode()
def score(
    model: MetricHMR, body: BodyModel, evidence: Evidence, target: Target, clear: torch.Tensor
) -> dict[str, np.ndarray]:
    """Return the figures of each person, NaN where one does not apply.

    Args:
        model: The network.
        body: Its body.
        evidence: N people.
        target: Their truth.
        clear: Landmarks inside the image that nothing hides, (N, 33) bool.
    """
    parts = [
        _score(model, body, evidence[i : i + BATCH], target[i : i + BATCH], clear[i : i + BATCH])
        for i in range(0, len(evidence), BATCH)
    ]
    errors = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    adults = target.height.numpy() > ADULT
    for name in ('root', 'height'):
        errors[f'{name}_adults'] = np.where(adults, errors[name], np.nan)
    return errors


def _score(
    model: MetricHMR, body: BodyModel, evidence: Evidence, target: Target, clear: torch.Tensor
) -> dict[str, np.ndarray]:
    prediction = model(evidence)
    joints, truth = (
        (side.joints - side.joints[:, :1]).double().numpy() for side in (prediction, target)
    )
    error = 1000 * np.linalg.norm(joints - truth, axis=-1)
    aligned = similarity_align(joints, truth).apply(joints)
    visible = clear[:, LIMB_LANDMARKS].numpy()
    count = visible.sum(-1)
    limbs = (error[:, LIMBS] * visible).sum(-1) / np.maximum(count, 1)
    offset = prediction.pelvis - target.pelvis
    inside = prediction.along_axes(offset).abs() < prediction.pelvis_log_sigma.exp()
    return {
        'mpjpe': error.mean(-1),
        'limbs': np.where(count > 0, limbs, np.nan),
        'pa_mpjpe': 1000 * np.linalg.norm(aligned - truth, axis=-1).mean(-1),
        'root': (100 * offset.norm(dim=-1) / target.pelvis.norm(dim=-1)).numpy(),
        'height': (1000 * (body.heights(prediction.shape) - target.height).abs()).numpy(),
        'sigma': inside.float().mean(-1).numpy(),
    }


if __name__ == '__main__':
    main()
