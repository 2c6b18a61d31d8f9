"""Methods on an index of photographs with metric truth: medians per source, as a table.

The photographs are not part of this repository; any index of the schema that `metrichmsr evaluate`
reads will do.

Run: python benchmarks/photographs.py INDEX.json [--methods metrichmr landmark_ik]
     [--landmark-networks heavy full]
"""

from __future__ import annotations

import argparse
from itertools import product
import json
from pathlib import Path
import subprocess
import sys
import tempfile

from _report import print_header

FIGURES = {
    'mpjpe_mm': 'MPJPE mm',
    'pa_mpjpe_mm': 'PA-MPJPE mm',
    'g_mpjpe_mm': 'G-MPJPE mm',
    'root_error_percent': 'root error %',
    'surface_depth_error_m': 'surface depth m',
}


def main() -> None:
    """Print one row per method, source and kind of boxes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('index', type=Path)
    parser.add_argument('--methods', nargs='+', default=['metrichmr', 'landmark_ik'])
    parser.add_argument('--landmark-networks', nargs='+', default=['heavy', 'full'])
    arguments = parser.parse_args()
    print_header('Photographs with metric truth, medians (number of people or images)')
    print()
    titles = ('landmarks', 'method', 'boxes', 'source', 'found', 'false', *FIGURES.values())
    print(f'| {" | ".join(titles)} |')
    print('|' + '---|' * len(titles))
    choices = product(arguments.landmark_networks, arguments.methods, ('true', 'detected'))
    for choice in choices:
        for cells in rows(arguments.index, *choice):
            print(f'| {" | ".join((*choice, *cells))} |')


def rows(index: Path, landmark_network: str, method: str, boxes: str) -> list[list[str]]:
    """Evaluate and return the cells of each source."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / 'report.json'
        command = [sys.executable, '-m', 'metrichmsr_ros.cli', 'evaluate', str(index)]
        command += ['--method', method, '--json', str(report)]
        command += ['--landmark-network', landmark_network]
        command += ['--boxes', 'index'] if boxes == 'true' else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        sources = json.loads(report.read_text())['sources']
    return [
        [
            name,
            f'{source["matched"]} of {source["people"]}',
            str(source['false_positives']),
            *(figure(source['figures'].get(key)) for key in FIGURES),
        ]
        for name, source in sources.items()
        if name != 'overall'
    ]


def figure(value: dict | None) -> str:
    """Return a median with its n."""
    return '' if value is None else f'{value["median"]:.3g} ({value["n"]})'


if __name__ == '__main__':
    main()
