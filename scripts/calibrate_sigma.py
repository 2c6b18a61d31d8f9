"""Calibrate the pelvis's standard deviations of a checkpoint on people it was not trained on.

    metrichmsr render people --people 768 --seed 9003 --landmark-network heavy --mirrored
    python scripts/calibrate_sigma.py runs/blazepose/model people

One factor along the ray and one across it, as temperature scaling has one for a classifier (Guo et
al., 2017), so that 68.27 % of the errors are smaller than their sigma. Half of the weight is on
people drawn here as in training, half on the rendered ones whom BlazePose did not lose. The last
stage's biases are moved, and nothing else; the checkpoint is written over.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.sample import Batch, PeopleSampler
from metrichmsr_ros.data.rendered.dataset import read_found
from metrichmsr_ros.losses import ONE_SIGMA_SHARE
from metrichmsr_ros.models.metric_hmr import MetricHMR

POSE_SEED, KEY = 91_000, 4  # training has pose seeds 0 and 1, the benchmark 90,000
CHILDREN = 0.06  # as in training
PEOPLE, BATCH = 4096, 256
AXES = {'along': slice(0, 1), 'across': slice(1, 3)}
ROUNDS = 3  # the network bounds its sigmas smoothly


def main() -> None:
    """Calibrate, write and print the shares before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='folder')
    parser.add_argument('folders', type=Path, nargs='+', help='of metrichmsr render')
    parser.add_argument('--people', type=int, default=PEOPLE, help='drawn here')
    arguments = parser.parse_args()
    body = BodyModel.load()
    network = MetricHMR.from_pretrained(arguments.checkpoint, body=body)
    config = SampleConfig(pose_seed=POSE_SEED, poses=20_000, children=CHILDREN)
    drawn = PeopleSampler(config, body=body).sample(arguments.people, generator_of(KEY))
    found = read_found(arguments.folders)
    sets = [drawn, (found.evidence, found.target)]
    print(f'before: {described(network, sets)}')
    for name, factor in calibrate(network, sets).items():
        print(f'{name}: sigma times {factor:.3f}')
    print(f'after: {described(network, sets)}')
    network.save_pretrained(arguments.checkpoint)


def calibrate(network: MetricHMR, sets: Sequence[Batch]) -> dict[str, float]:
    """Scale the sigmas of a network; return the factor of each of ``AXES``.

    Args:
        network: Changed in place.
        sets: Sets of people, of equal weight whatever their numbers.
    """
    *_, last = network.heads[-1].position.correct
    assert isinstance(last, nn.Linear)
    sigmas = last.bias.detach()[3:6]  # after the change of place, before the confidence
    before = parts = [ratios(network, people) for people in sets]
    for _ in range(ROUNDS):
        for axes in AXES.values():
            sigmas[axes] += _quantile([part[:, axes] for part in parts]).log()
        parts = [ratios(network, people) for people in sets]
    scaled = torch.cat(before) / torch.cat(parts)
    return {name: float(scaled[:, axes].median()) for name, axes in AXES.items()}


@torch.inference_mode()
def ratios(network: MetricHMR, people: Batch) -> Tensor:
    """Return the errors of the pelvis over their sigmas, (N, 3): along the ray, across it."""
    evidence, target = people
    rows = []
    for i in range(0, len(evidence), BATCH):
        said = network(evidence[i : i + BATCH])
        error = said.along_axes(said.pelvis - target.pelvis[i : i + BATCH]).abs()
        rows.append(error / said.pelvis_log_sigma.exp())
    return torch.cat(rows)


def described(network: MetricHMR, sets: Sequence[Batch]) -> str:
    """Return the share of each set's errors that are within one sigma."""
    inside = [(ratios(network, people) < 1).float().mean(0).tolist() for people in sets]
    rows = [' '.join(f'{share:.3f}' for share in shares) for shares in inside]
    return f'within 1 sigma along, right, down: drawn {rows[0]}, rendered {rows[1]}'


def _quantile(parts: Sequence[Tensor]) -> Tensor:
    """Return below what ``ONE_SIGMA_SHARE`` lies, of parts of equal weight."""
    values = torch.cat([part.flatten() for part in parts])
    weights = torch.cat([torch.full((part.numel(),), 1 / part.numel()) for part in parts])
    order = values.argsort()
    share = weights[order].cumsum(0) / len(parts)
    return values[order][torch.searchsorted(share, ONE_SIGMA_SHARE)]


if __name__ == '__main__':
    main()
