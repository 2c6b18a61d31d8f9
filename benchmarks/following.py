"""People who walk past each other, followed: who is missed, mixed up, or not there.

Each world is another cast on other ways in the demonstration's room, seen by one loop of its
camera. People are matched to true ones by the boxes of their joints. A switch: the id of a true
person is not that of the last frame in which he was matched.

Run: python benchmarks/following.py [--worlds 6] [--people 2 3] [--landmark-network full]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from _matching import match_people
from _report import print_header
import numpy as np

from metrichmsr_ros.data.synthetic.loop import Loop
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.blazepose.assets import FULL
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline, Pipeline
from metrichmsr_ros.structures import People

SETTLED = 20  # frames at the start that do not count
LEAST_VISIBLE = 0.15  # share of a true person's pixels; who shows less need not be found
ROW = '| {:>6} | {:>5} | {:>6} | {:>8} | {:>8} | {:>7} | {:>6} | {:>10} |'
COLUMNS = 'people', 'world', 'frames', 'missed %', 'extra %', 'switches', 'root %', 'root 95 %'


@dataclass
class Score:
    """What happened to the true people of one world, or of several.

    Attributes:
        frames: Of all true people together.
        missed: Of these, how often one was visible and not there.
        extra: People who were not there.
        switches: Of ids.
        errors: Of the pelvises, over their distances.
    """

    frames: int = 0
    missed: int = 0
    extra: int = 0
    switches: int = 0
    errors: list[float] = field(default_factory=list)

    def __add__(self, other: Score) -> Score:
        return Score(*(mine + theirs for mine, theirs in zip(
            vars(self).values(), vars(other).values(), strict=True)))  # fmt: skip

    def row(self, people: int, world: object) -> str:
        """Return a row of the table."""
        return ROW.format(
            people, world, self.frames, f'{100 * self.missed / self.frames:.1f}',
            f'{100 * self.extra / self.frames:.1f}', self.switches,
            f'{100 * np.mean(self.errors):.2f}', f'{100 * np.percentile(self.errors, 95):.1f}',
        )  # fmt: skip


def main() -> None:
    """Print a row for each world, and one for all worlds with as many people."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--worlds', type=int, default=6)
    parser.add_argument('--people', type=int, nargs='+', default=[2, 3])
    parser.add_argument('--landmark-network', default=FULL)
    options = parser.parse_args()
    # All tiles in each frame: what is found when must not depend on how busy the machine is.
    pipeline = build_pipeline(
        PipelineConfig(
            id_seed=0, landmark_network=options.landmark_network, detector_budget_ms=None
        )
    )
    print_header(f'People followed, landmarks {options.landmark_network}')
    print(f'\n{ROW.format(*COLUMNS)}\n|{"---|" * len(COLUMNS)}')
    for people in options.people:
        total = Score()
        for seed in range(options.worlds):
            world = SyntheticWorld(WorldConfig(people=people, seed=seed))
            score = follow(world, pipeline)
            print(score.row(people, seed), flush=True)
            total += score
        print(total.row(people, 'all'), flush=True)


def follow(world: SyntheticWorld, pipeline: Pipeline) -> Score:
    """Show one loop of a world to a pipeline and score whom it follows."""
    loop, score, last = world.render(), Score(), {}
    pipeline.reset()
    for k in range(SETTLED + len(loop)):
        people = pipeline.process(world.frame(loop, k), want_depth=False).people
        if k >= SETTLED:
            _compare(score, people, loop, k % len(loop), world.camera, last)
    return score


def _compare(
    score: Score, people: People, loop: Loop, t: int, camera: Camera, last: dict[int, str]
) -> None:
    true = loop.joints[t].astype(np.float64)
    pairs = match_people(people, true, camera)
    found = {true_index: index for index, true_index in pairs}
    score.frames += len(true)
    score.extra += len(people) - len(pairs)
    for person, joints in enumerate(true):
        if person not in found:
            score.missed += bool(loop.visible[t, person] > LEAST_VISIBLE)
            continue
        index = found[person]
        away = np.linalg.norm(people.pelvis[index] - joints[0])
        score.errors.append(float(away / np.linalg.norm(joints[0])))
        score.switches += last.get(person, people.ids[index]) != people.ids[index]
        last[person] = people.ids[index]


if __name__ == '__main__':
    main()
