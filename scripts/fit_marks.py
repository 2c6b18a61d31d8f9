"""Fit where BlazePose marks its points on rendered people, beside those of the body model.

    metrichmsr render people --people 8192 --seed 1 --landmark-network heavy
    python scripts/fit_marks.py people

Prints the offsets of ``data/people/physique.py``: those that, turned with the joint beside each
point, bring the points of the model onto the rays that were read. How far along its ray a point
lies no ray tells; over many poses and views all three axes are seen from the side. People whom
BlazePose lost, points that are hidden or outside the image, and wild errors are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.data.people.physique import kind_of, MODEL_HEIGHT, outwards, turns_beside
from metrichmsr_ros.data.rendered.dataset import read_found
from metrichmsr_ros.data.rendered.shards import Readings

HUBER = 0.015  # metres across the ray; beyond, an error counts by its length and not its square
WILD = 0.15  # metres: another place
ROUNDS = 20


def main() -> None:
    """Print a row for each kind of landmark, millimetres, and beside it those of two halves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folders', type=Path, nargs='+', help='of metrichmsr render')
    arguments = parser.parse_args()
    readings = read_found(arguments.folders)
    print(f'# {len(readings)} people: outwards, up, to the front; the same of every other one')
    halves = [readings[half::2] for half in range(2)]
    every, *others = (offsets(part, BodyModel.load()) for part in (readings, *halves))
    for kind, values in every.items():
        print(f'    {kind!r}: {_row(values)},  # {" ".join(_row(half[kind]) for half in others)}')


def _row(values: Tensor) -> str:
    return str(tuple(round(1000 * value) for value in values.tolist()))


def offsets(readings: Readings, body: BodyModel) -> dict[str, Tensor]:
    """Return where the points of each kind are marked, (3,), metres, left and right alike.

    Args:
        readings: Of people of ``body``, none of them lost.
        body: Theirs.
    """
    turns, across, offset, seen = _sides(readings, body)
    fitted = {}
    for kind in dict.fromkeys(map(kind_of, BLAZEPOSE_NAMES)):
        index = [i for i, name in enumerate(BLAZEPOSE_NAMES) if kind_of(name) == kind]
        chosen = seen[:, index].flatten()
        parts = (side[:, index].flatten(0, 1)[chosen] for side in (turns, across, offset))
        fitted[kind] = fit(*parts)
    return fitted


def fit(turns: Tensor, across: Tensor, offset: Tensor) -> Tensor:
    """Return m, (3,), that minimises Σ huber(|P (T m - d)|).

    Args:
        turns: T, (N, 3, 3).
        across: P, projections onto the planes across the rays, (N, 3, 3).
        offset: d, (N, 3).
    """
    lines, ends = across @ turns, (across @ offset[..., None])[..., 0]
    m = torch.zeros(3, dtype=lines.dtype)
    for _ in range(ROUNDS):
        error = (lines @ m - ends).norm(dim=-1)
        weight = (HUBER / error.clamp(min=HUBER))[:, None, None]
        normal = (weight * (lines.mT @ lines)).sum(0)
        # The nose has no outside: nothing is known of that axis, and it stays 0.
        m = torch.linalg.pinv(normal) @ (weight * (lines.mT @ ends[..., None])).sum(0)[:, 0]
    return m


def _sides(readings: Readings, body: BodyModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return T, P and d of all landmarks of all people, and which are seen, (N, 33)."""
    evidence, target = readings.evidence, readings.target
    sides = torch.ones(len(BLAZEPOSE_NAMES), 3)
    sides[:, 0] = torch.tensor([outwards(name) for name in BLAZEPOSE_NAMES])
    scale = (target.height / MODEL_HEIGHT)[:, None, None, None]
    turns = scale * turns_beside(target.rotations, body) * sides[:, None]
    rays = torch.nn.functional.normalize(evidence.rays, dim=-1)
    across = torch.eye(3) - rays[..., None] * rays[..., None, :]
    offset = evidence.rays * target.landmarks[..., 2:] - target.landmarks
    error = (across @ offset[..., None])[..., 0].norm(dim=-1)
    seen = target.valid2d & ~readings.hidden & (error < WILD) & (evidence.presence > 0)
    return turns.double(), across.double(), offset.double(), seen


if __name__ == '__main__':
    main()
