"""Fit tier (a)'s model of BlazePose's world landmarks on rendered people, for shipping.

    metrichmsr render people --people 8192 --seed 1
    python scripts/fit_world_landmarks.py people

People whom BlazePose lost are left out; everybody counts twice, once mirrored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from metrichmsr_ros.data.people.crops import HIPS
from metrichmsr_ros.data.people.observe import in_front
from metrichmsr_ros.data.people.target import joined, Target
from metrichmsr_ros.data.people.view import rate_view, View
from metrichmsr_ros.data.people.world_landmarks import HEIGHT, WorldLandmarks
from metrichmsr_ros.data.rendered.dataset import mirror_evidence, mirror_target, read_found
from metrichmsr_ros.models.canonical import canonical
from metrichmsr_ros.models.evidence import Evidence


def main() -> None:
    """Fit, write and say how well it fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folders', type=Path, nargs='+', help='of metrichmsr render')
    arguments = parser.parse_args()
    readings = read_found(arguments.folders)
    truth, shift, view, said = pairs(
        joined((readings.evidence, mirror_evidence(readings.evidence))),
        joined((readings.target, mirror_target(readings.target))),
    )
    model = WorldLandmarks.fit(truth, shift, view, said)
    model.save()
    print(f'{len(readings)} people, root mean squares over landmarks, mm in x, y, z:')
    print(f'off by {axes((said - truth).flatten(1))}')
    missed = said.flatten(1) - model.expect(truth, shift)
    print(f'not explained {axes(missed)}')
    outside, hard = model.of_view.tolist()
    print(
        f'log k = {float(model.log_factor):.2f} + {outside:.2f} outside + {hard:.2f} view, '
        f'spread {float(model.log_spread):.2f}'
    )


def pairs(evidence: Evidence, target: Target) -> tuple[Tensor, Tensor, View, Tensor]:
    """Return truth, shift, view and what was said, as ``WorldLandmarks.fit`` takes them."""
    crop = canonical(evidence)
    frame, scale = crop.frame, (HEIGHT / target.height)[:, None, None]
    points = target.landmarks @ frame.axes
    seen = in_front(points)
    depth = seen[..., 2:]
    width = frame.angle[:, None, None] * depth[:, HIPS].mean(1, keepdim=True)
    places = seen[..., :2] / depth / frame.angle[:, None, None]
    truth = points - points[:, HIPS].mean(1, keepdim=True)
    shift, view = width * (crop.plane - places), rate_view(target.landmarks, target.valid2d)
    return scale * truth, scale * shift, view, crop.world


def axes(errors: Tensor) -> str:
    """Return root mean squares along x, y and z."""
    values = 1000 * errors.unflatten(1, (-1, 3)).square().mean((0, 1)).sqrt()
    return ', '.join(f'{value:.0f}' for value in values.tolist())


if __name__ == '__main__':
    main()
