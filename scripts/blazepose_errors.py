"""Measure BlazePose's errors on rendered people, beside those that tier (a) draws.

    metrichmsr render people --people 1500 --seed 9001
    python scripts/blazepose_errors.py people

Figures for ``data/people/noise.py``; ``docs/experiments.md`` has them.
People whom BlazePose lost are left out. Errors in the image are angles over that of the crop's
side; world landmarks are compared after the best similarity over twelve joints of the limbs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.data.rendered.dataset import found
from metrichmsr_ros.data.rendered.shards import read_folder
from metrichmsr_ros.geometry.alignment import similarity_align
from metrichmsr_ros.models.evidence import Evidence

PARTS = {
    'face': range(11), 'shoulder': (11, 12), 'elbow': (13, 14), 'wrist': (15, 16),
    'hand': range(17, 23), 'hip': (23, 24), 'knee': (25, 26), 'ankle': (27, 28),
    'foot': range(29, 33),
}  # fmt: skip
LIMBS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
PEAKS = ((0.8, 1.0), (0.5, 0.8), (0.2, 0.5), (0.0, 0.2))
PAIRS = {
    'hips': (23, 24), 'knees': (25, 26), 'ankles': (27, 28), 'shoulders': (11, 12),
    'elbow and wrist': (13, 15), 'knee and ankle': (25, 27),
}  # fmt: skip
FEW = 8  # values that make no quantile
WILD = 0.15  # crop sides: not an error but another place


@dataclass(frozen=True)
class Errors:
    """Of N people, L = 33 landmarks.

    Attributes:
        shift: In the crop's axes, (N, L, 2), crop sides.
        world: World landmarks minus the truth, (N, L, 3), metres.
        turn: Of the world landmarks, (N,), degrees.
        size: Of the world landmarks over the true, (N,).
        visibility: (N, L).
        presence: (N, L).
        inside: Landmarks inside the image, (N, L) bool.
        hidden: Where that is known, (N, L) bool.
        height: (N,), metres.
    """

    shift: np.ndarray
    world: np.ndarray
    turn: np.ndarray
    size: np.ndarray
    visibility: np.ndarray
    presence: np.ndarray
    inside: np.ndarray
    hidden: np.ndarray | None
    height: np.ndarray


def main() -> None:
    """Print both tiers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='of metrichmsr render')
    parser.add_argument('--sampled', type=int, default=3000, help='people of tier (a)')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    readings = read_folder(arguments.folder)
    kept = readings[found(readings)]
    print(f'# rendered: {len(kept)} people; BlazePose lost {len(readings) - len(kept)} more')
    report(errors(kept.evidence, kept.target, kept.hidden))
    sampler = PeopleSampler(SampleConfig(poses=10_000, pose_seed=2))
    evidence, target = sampler.sample(arguments.sampled, torch.Generator().manual_seed(0))
    print(f'\n# tier (a): {len(target)} people')
    report(errors(evidence, target, None))


def errors(evidence: Evidence, target: Target, hidden: torch.Tensor | None) -> Errors:
    """Compare what BlazePose says with the truth."""
    said = {name: value.double().numpy() for name, value in vars(evidence).items()}
    points = target.landmarks.double().numpy()
    corners = said['crop_rays']
    across = corners[:, 1] - corners[:, 0]
    side = np.linalg.norm(across, axis=-1)[:, None, None]
    x, y = (across[:, :2] / np.linalg.norm(across[:, :2], axis=-1, keepdims=True)).T[..., None]
    offset = (said['rays'] - points / np.maximum(points[..., 2:], 0.2)) / side
    shift = np.stack(
        [x * offset[..., 0] + y * offset[..., 1], x * offset[..., 1] - y * offset[..., 0]], -1
    )
    middle = np.cross([0.0, 0, 1], corners.mean(1))
    sine = np.linalg.norm(middle, axis=-1, keepdims=True)
    angle = np.arctan2(sine, corners.mean(1)[:, 2:])
    straight = Rotation.from_rotvec(middle / np.maximum(sine, 1e-9) * angle).as_matrix()
    truth = (points - points[:, [23, 24]].mean(1, keepdims=True)) @ straight
    aligned = similarity_align(said['world'][:, LIMBS], truth[:, LIMBS])
    return Errors(
        shift=shift,
        world=aligned.apply(said['world']) - truth,
        turn=np.degrees(Rotation.from_matrix(aligned.R).magnitude()),
        size=1 / aligned.scale,
        visibility=said['visibility'],
        presence=said['presence'],
        inside=target.valid2d.numpy(),
        hidden=None if hidden is None else hidden.numpy(),
        height=target.height.double().numpy(),
    )


def report(found_errors: Errors) -> None:
    """Print everything."""
    e = found_errors
    error = np.linalg.norm(e.shift, axis=-1)
    seen = e.inside if e.hidden is None else e.inside & ~e.hidden
    print('part | seen: error 50, 90 %, peak 10, 50, 90 % | hidden: share, the same (where known)')
    print('     | outside: error 50, 90 %, peak 50, 90 %, presence 10, 50 %')
    for part, index in PARTS.items():
        inside = seen[:, index]
        cells = [
            quantiles(error[:, index][inside], 0.5, 0.9),
            quantiles(e.visibility[:, index][inside], 0.1, 0.5, 0.9),
        ]
        if e.hidden is not None:
            behind = e.inside[:, index] & e.hidden[:, index]
            cells.append(f'{behind.sum() / max(e.inside[:, index].sum(), 1):.2f} of them')
            cells.append(quantiles(error[:, index][behind], 0.5, 0.9))
            cells.append(quantiles(e.visibility[:, index][behind], 0.1, 0.5, 0.9))
        outside = ~e.inside[:, index]
        cells.append(quantiles(error[:, index][outside], 0.5, 0.9))
        cells.append(quantiles(e.visibility[:, index][outside], 0.5, 0.9))
        cells.append(quantiles(e.presence[:, index][outside], 0.1, 0.5))
        print(f'{part:9s} | {" | ".join(cells)}')
    print('error in the image by peak:', ', '.join(f'{low}..{high}' for low, high in PEAKS))
    for part, index in PARTS.items():
        cells = []
        for low, high in PEAKS:
            peak = e.visibility[:, index]
            chosen = e.inside[:, index] & (peak > low) & (peak <= high)
            cells.append(quantiles(error[:, index][chosen], 0.5, 0.9))
        print(f'{part:9s} | {" | ".join(cells)}')
    _report_world(e)
    _report_pairs(e, error)


def _report_world(e: Errors) -> None:
    whole = e.inside.sum(-1) >= 28
    mean = 1000 * np.linalg.norm(e.world[:, LIMBS], axis=-1).mean(-1)
    groups = {'wholly in view': whole, 'cut': ~whole, 'under 1.4 m': e.height < 1.4}
    for name, chosen in groups.items():
        adult = e.height[chosen] * e.size[chosen]
        print(
            f'{name} ({chosen.sum()}): world landmarks off by {quantiles(mean[chosen], 0.5, 0.9)} '
            f'mm, turned {quantiles(e.turn[chosen], 0.1, 0.5, 0.9)} degrees, of somebody of '
            f'{np.median(adult):.2f} m (log spread {np.log(adult).std():.2f})'
        )
    print('world landmarks, whole people, mm: median |x| |y| |z|, 90 %')
    for part, index in PARTS.items():
        off = 1000 * np.abs(e.world[whole][:, index]).reshape(-1, 3)
        middle, far = np.quantile(off, [0.5, 0.9], axis=0).round()
        print(f'{part:9s} | {middle} | {far}')


def _report_pairs(e: Errors, error: np.ndarray) -> None:
    print('correlation of both: image x, y; world x, y, z')
    for name, (first, second) in PAIRS.items():
        near = (error[:, first] < WILD) & (error[:, second] < WILD)
        sides = [*np.moveaxis(e.shift[near], -1, 0), *np.moveaxis(e.world[near], -1, 0)]
        cells = [f'{np.corrcoef(side[:, first], side[:, second])[0, 1]:.2f}' for side in sides]
        print(f'{name:16s} | {" ".join(cells)}')


def quantiles(values: np.ndarray, *levels: float) -> str:
    """Return quantiles as text."""
    if len(values) < FEW:
        return '-'
    return ' '.join(f'{value:.3g}' for value in np.quantile(values, levels))


if __name__ == '__main__':
    main()
