"""How far one convention of marking people moves where a checkpoint places all of them.

Photographs differ from the body model in ways that all of a camera's people share: proportions of
a population, and where annotators put hips, knees and faces. Each convention here is one draw of
what tier (a) draws anew for every person, given to a whole set of adults, with twenty-four
conventions in all. A network that reads height out of such differences places everybody too near.

Run: python benchmarks/conventions.py [CHECKPOINT …]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from _report import print_header
import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import PosedPoints
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws, generator_of
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.models.metric_hmr import MetricHMR

POSE_SEED, KEY = 90_001, 4
CONVENTIONS, PEOPLE = 24, 200


class OneConvention(PeopleSampler):
    """Draws people who differ from the body model in the same way."""

    convention = 0

    def _draw_physique(self, draws: Draws, shape: Tensor, height: Tensor) -> PosedPoints:
        same = Draws(1, generator_of(KEY, self.convention))
        return super()._draw_physique(same, shape, height)


def main() -> None:
    """Print one row per checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoints', nargs='*', default=['blazepose'], help='folders or names')
    arguments = parser.parse_args()
    body = BodyModel.load()
    config = replace(SampleConfig(), children=0.0, poses=4000, pose_seed=POSE_SEED)
    bank = PoseBank.procedural(config.poses, config.pose_seed, body=body)
    sampler = OneConvention(config, body=body, bank=bank)
    print_header(f'{CONVENTIONS} conventions of marking people, {PEOPLE} adults of each')
    print()
    print('| checkpoint | mean bias % | rms % | worst % | median error % | MPJPE mm |')
    print('|---|---|---|---|---|---|')
    for checkpoint in arguments.checkpoints:
        network = MetricHMR.from_pretrained(checkpoint, body=body)
        print(f'| {checkpoint} | {" | ".join(row(network, sampler))} |')


@torch.inference_mode()
def row(network: MetricHMR, sampler: OneConvention) -> list[str]:
    """Return a network's figures: each convention's median of the distances, and their spread."""
    biases, errors, bodies = [], [], []
    for sampler.convention in range(CONVENTIONS):
        evidence, target = sampler.sample(PEOPLE, generator_of(KEY))
        people = network(evidence)
        ratio = people.pelvis.norm(dim=-1) / target.pelvis.norm(dim=-1)
        biases.append(100 * (ratio.median() - 1))
        errors.append(100 * (ratio - 1).abs().median())
        about = [side.joints - side.joints[:, :1] for side in (people, target)]
        bodies.append(1000 * (about[0] - about[1]).norm(dim=-1).mean())
    bias = torch.stack(biases)
    worst = bias[bias.abs().argmax()]
    figures = (bias.mean(), bias.square().mean().sqrt(), worst, torch.stack(errors).mean())
    return [f'{value:.1f}' for value in (*figures, torch.stack(bodies).mean())]


if __name__ == '__main__':
    main()
