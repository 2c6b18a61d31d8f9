"""The whole graph live: rate, latency and errors of the demonstration with one to three people.

Camera, node and monitor run as three processes over DDS for each number of people; the figures are
those that the monitor measured as a user of the topics.

With ``--robot`` only what a robot would use is subscribed: people, markers, transforms, rectified
depth; no cloud, no pictures, no recording.

Run: python benchmarks/live.py [--people 1 2 3] [--seconds 20] [--estimator landmark_ik]
     [--landmark-network heavy] [--robot]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
import tempfile

from _report import print_header

ROBOT = 'people,markers,tf,depth/image_rect'
ROW = '| {:>6} | {:>9} | {:>9} | {:>6} | {:>6} | {:>7} | {:>7} | {:>4} | {:>8} | {:>7} |'


def main() -> None:
    """Measure and print one row per number of people."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--people', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--estimator', default='metrichmr')
    parser.add_argument('--landmark-network', default='full')
    parser.add_argument('--robot', action='store_true', help='subscribe to what a robot uses')
    arguments = parser.parse_args()
    topics = ROBOT if arguments.robot else ''
    chosen = {'estimator': arguments.estimator, 'landmark-network': arguments.landmark_network}
    print_header(f'Live graph, {", ".join(chosen.values())}, 640x480, {topics or "everything"}')
    print()
    titles = ('people', 'camera Hz', 'result Hz', 'p50 ms', 'p99 ms', 'pelvis', 'missed', 'ids')
    print(ROW.format(*titles, 'AbsRel', 'prior'))
    print('|' + '|'.join(['---:'] * 10) + '|')
    stages: dict[int, dict[str, float]] = {}
    for people in arguments.people:
        summary = run(people, arguments.seconds, chosen, topics)
        stages[people] = summary['stages_ms']
        print(row(people, summary), flush=True)
    print_stages(stages)


def run(people: int, seconds: float, chosen: dict[str, str], topics: str) -> dict:
    """Run the demonstration and return the monitor's summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'metrichmsr_ros.ros.demo', '--people', str(people)]
        command += ['--duration', str(seconds), '--output', folder]
        command += [word for name, value in chosen.items() for word in (f'--{name}', value)]
        command += ['--topics', topics] + (['--rerun-rate', '0'] if topics else [])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads((Path(folder) / 'summary.json').read_text())


def print_stages(stages: dict[int, dict[str, float]]) -> None:
    """Print the node's time for each stage and its share of a result, medians."""
    print()
    print('| stage |' + ''.join(f' {people} people ms | share |' for people in stages))
    print('|---|' + '---:|---:|' * len(stages))
    for name in dict.fromkeys(name for one in stages.values() for name in one):
        cells = (
            f' {one.get(name, 0.0):.1f} | {one.get(name, 0.0) / sum(one.values()):.0%} |'
            for one in stages.values()
        )
        print(f'| {name} |' + ''.join(cells))


def row(people: int, summary: dict) -> str:
    """Return one line of the table."""
    rates, errors = summary['rates_hz'], summary['people_errors']
    latency, depth = summary['latency_ms'], summary.get('depth_abs_rel')
    ids = [len(seen) for seen in errors['ids_per_true_person'].values()]
    return ROW.format(
        people,
        f'{rates["image"]:.1f}',
        f'{rates["people"]:.1f}',
        f'{latency["p50"]:.0f}',
        f'{latency["p99"]:.0f}',
        f'{errors["pelvis_error_median_percent"]:.1f} %',
        f'{100 * errors["people_missed"] / errors["people_true"]:.1f} %',
        f'{max(ids)}',
        f'{depth["refined"]:.3f}' if depth else '',
        f'{depth["prior"]:.3f}' if depth else '',
    )


if __name__ == '__main__':
    main()
