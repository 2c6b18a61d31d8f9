"""How a checkpoint's distances err by how far people are, also beyond what it was trained on.

Adults of tier (a), with BlazePose's errors, in the images of wide and narrow cameras.

Run: python benchmarks/far_people.py [CHECKPOINT ...] [--people 4000]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise

from _report import print_header
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.metric_hmr import MetricHMR

POSE_SEED, KEY = 90_002, 5
EDGES = (0, 3, 6, 9, 13, 16, 20, 30)  # metres
BATCH = 500


def main() -> None:
    """Print one row per checkpoint and range of distances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoints', nargs='*', default=['blazepose'], help='folders or names')
    parser.add_argument('--people', type=int, default=4000)
    arguments = parser.parse_args()
    body = BodyModel.load()
    config = replace(
        SampleConfig(), children=0.0, poses=5000, pose_seed=POSE_SEED, distance=(0.7, 30.0),
        apparent_height=(0.04, 1.7),
    )  # fmt: skip
    sampler = PeopleSampler(config, body=body)
    evidence, target = sampler.sample(arguments.people, generator_of(KEY))
    true = target.pelvis.norm(dim=-1)
    print_header('Distances of adults, log of found over true')
    print('\n| checkpoint | metres | people | mean % | mean absolute % | within 1 sigma |')
    print('|---|---|---|---|---|---|')
    for checkpoint in arguments.checkpoints:
        network = MetricHMR.from_pretrained(checkpoint, body=body)
        error, sigma = distances(network, evidence, true)
        for low, high in pairwise(EDGES):
            some = (true >= low) & (true < high)
            cells = f'{100 * error[some].mean():.1f} | {100 * error[some].abs().mean():.1f}'
            inside = (error[some].abs() < sigma[some]).float().mean()
            head = f'{checkpoint} | {low} to {high} | {int(some.sum())}'
            print(f'| {head} | {cells} | {inside:.2f} |')


@torch.inference_mode()
def distances(
    network: MetricHMR, evidence: Evidence, true: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log of found over true distance, and one sigma of it as the network says."""
    errors, sigmas = [], []
    for start in range(0, len(true), BATCH):
        people = network(evidence[start : start + BATCH])
        distance = people.pelvis.norm(dim=-1)
        errors.append((distance / true[start : start + BATCH]).log())
        sigmas.append(people.pelvis_log_sigma[:, 0].exp() / distance)
    return torch.cat(errors), torch.cat(sigmas)


if __name__ == '__main__':
    main()
