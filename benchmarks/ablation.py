"""What the ray map and HumanMoE bring: the same short training of several networks, as tables.

Each row is trained on the same people in the same order and scored on the same held-out people,
once with fields of view of the training and once with narrower and wider ones. A row that was done
with the same settings is not done again, one that was interrupted goes on. docs/ablation.md says
what the rows are and holds the tables.

Run: python benchmarks/ablation.py --steps=500 --seed=0 --batch_size=128

Any key of `metrichmsr train --keys` may be given.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
import hashlib
import json
import logging
from pathlib import Path
import re
import sys
from typing import Any

from _ablation_rows import Row, SHIPPED, TABLES, tables
from _report import provenance
import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.train import train
from metrichmsr_ros.train_config import override, read_settings, TrainConfig
from metrichmsr_ros.train_loop import CHECKPOINT, MODEL
from metrichmsr_ros.train_people import Batches, unseen_poses
from metrichmsr_ros.validation import validate

DEFAULTS = TrainConfig(
    out=Path('runs/ablation'), steps=500, minutes=0.0, validate_every=10**9, validation_people=256
)
DOCUMENT = Path(__file__).parents[1] / 'docs' / 'ablation.md'
NARROW, WIDE = (18.0, 30.0), (125.0, 140.0)  # degrees; training has 35 to 120 unless told
TEST_BATCH = 256
TEST_KEY = (2,)  # no batch of training has it, nor of its validation
# What a row's figures do not depend on.
ASIDE = (
    'out', 'workers', 'threads', 'device', 'checkpoint_minutes', 'log_every', 'validate_every',
    'validation_people', 'resume',
)  # fmt: skip


class Ablation:
    """Trains and scores rows.

    Args:
        config: Schedule, seed and people; its ``out`` gets a folder for each row.
        people: Test people inside the fields of view of the training, and as many outside.

    Raises:
        ValueError: The training has minutes, or motions, or fields of view that the test takes
            as unseen.
    """

    def __init__(self, config: TrainConfig, people: int) -> None:
        if not config.steps:
            raise ValueError('every row has the same schedule: give steps, not minutes')
        if config.data.motions:
            raise ValueError(f'data.motions={config.data.motions}: poses are procedural here')
        low, high = config.data.fov
        if NARROW[1] > low or WIDE[0] < high:
            raise ValueError(
                f'data.fov={low},{high}: unseen are {NARROW} and {WIDE} degrees, so it must be '
                f'within {NARROW[1]} and {WIDE[0]}'
            )
        self.config, self.people = config, people
        self.body = BodyModel.load()
        self._banks: dict[SampleConfig, PoseBank] = {}

    def run(self, row: Row) -> dict[str, Any]:
        """Return a row's figures, from its folder where they are there."""
        settings = self._settings(row)
        described = json.dumps(settings, sort_keys=True, default=str)
        digest = hashlib.sha256(described.encode()).hexdigest()[:10]
        folder = self.config.out / f'{settings["name"]}-{digest}'
        result = folder / 'result.json'
        if result.is_file():
            logging.info('%s: done before', folder)
            return json.loads(result.read_text())
        logging.info('%s', folder)
        self._train(row, folder)
        document = {
            'settings': settings, **provenance(), 'figures': self._score(row, folder),
            'command': ' '.join(['python', *sys.argv]),
        }  # fmt: skip
        result.write_text(json.dumps(document, indent=2, default=str) + '\n')
        return document

    def _settings(self, row: Row) -> dict[str, Any]:
        """Return all that a row's figures depend on; equal for rows that are the same network."""
        run = asdict(replace(self.config, model=row.network(self.config.model)))
        run = {name: value for name, value in run.items() if name not in ASIDE}
        name = row.name
        if row.camera == 'both' and row.network(self.config.model) == self.config.model:
            name = SHIPPED.name
        test = {'people': self.people, 'fov': [NARROW, WIDE], 'key': TEST_KEY}
        return {'name': name, 'camera': row.camera, 'train': run, 'test': test}

    def _train(self, row: Row, folder: Path) -> None:
        run = replace(
            self.config,
            out=folder,
            resume=(folder / CHECKPOINT).is_file(),
            model=row.network(self.config.model),
        )
        torch.manual_seed(run.seed)
        model = MetricHMR(run.model, BodyModel.load())
        train(
            run,
            model=blinded(model) if row.camera == 'rays' else model,
            sample=self._sampler(row, run.data).sample,
            held_out=self._sampler(row, unseen_poses(run.data)).sample,
        )

    def _score(self, row: Row, folder: Path) -> dict[str, dict[str, float]]:
        model = MetricHMR.from_pretrained(folder / MODEL)
        if row.camera == 'rays':
            blinded(model)
        size = min(self.people, TEST_BATCH)
        count = self.people // size
        unseen = unseen_poses(self.config.data)
        figures = {}
        for where, fields_of_view in (('inside', [unseen.fov]), ('outside', [NARROW, WIDE])):
            batches = []
            for fov in fields_of_view:
                sample = self._sampler(row, replace(unseen, fov=fov)).sample
                people = Batches(sample, batch_size=size, key=TEST_KEY)
                batches += [people[i] for i in range(max(count // len(fields_of_view), 1))]
            figures[where] = validate(
                model, batches, heights=self.body.heights, device=torch.device('cpu')
            )
        figures['parameters'] = {'millions': sum(p.numel() for p in model.parameters()) / 1e6}
        return figures

    def _sampler(self, row: Row, data: SampleConfig) -> PeopleSampler:
        poses = replace(SampleConfig(), poses=data.poses, pose_seed=data.pose_seed)
        if poses not in self._banks:
            bank = PoseBank.procedural(data.poses, data.pose_seed, body=self.body)
            self._banks[poses] = bank
        return row.people(data, self.body, self._banks[poses])


def blinded(model: MetricHMR) -> MetricHMR:
    """Let the ray encoder see the same rays for everybody: its tokens then say nothing."""

    def blind(_: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        ray_map, angle = inputs
        return torch.zeros_like(ray_map), torch.ones_like(angle)

    model.ray_encoder.register_forward_pre_hook(blind)
    return model


def fill(text: str, content: str) -> str:
    """Return a document with ``content`` between its marks.

    Raises:
        ValueError: The marks are missing.
    """
    marks = re.search(r'<!-- tables: .*? -->\n(.*?)<!-- /tables -->', text, re.DOTALL)
    if marks is None:
        raise ValueError('the marks <!-- tables: … --> and <!-- /tables --> are missing')
    return text[: marks.start(1)] + content + text[marks.end(1) :]


def main() -> None:
    """Train and score the rows; write their tables after each."""
    known = {row.name: row for rows in TABLES.values() for row in rows}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--rows', nargs='+', default=list(known), choices=known, metavar='ROW',
                        help=f'only these: {", ".join(known)}')  # fmt: skip
    parser.add_argument('--people', type=int, default=4096, help='in each of the two test sets')
    parser.add_argument('--document', type=Path, default=DOCUMENT, help='file with the tables')
    arguments, settings = parser.parse_known_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    ablation = Ablation(override(DEFAULTS, read_settings(settings)), arguments.people)
    results = {}
    for name in arguments.rows:
        results[known[name]] = ablation.run(known[name])
        text = fill(arguments.document.read_text(encoding='utf-8'), tables(results))
        arguments.document.write_text(text, encoding='utf-8')
    print(tables(results))


if __name__ == '__main__':
    main()
