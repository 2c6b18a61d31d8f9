"""The rows of the ablation and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.uncalibrated import UncalibratedPeople
from metrichmsr_ros.models.network_config import MetricHMRConfig


@dataclass(frozen=True)
class Row:
    """One network: what knows the camera, and what differs from the network that ships.

    Attributes:
        name: Of its folder.
        title: In the table.
        camera: 'none', 'ray map', 'rays' or 'both'.
        routed_experts: None = as configured.
        patch_share: Share of the blocks that are patch blocks; None = as configured.
    """

    name: str
    title: str
    camera: str = 'both'
    routed_experts: int | None = None
    patch_share: float | None = None

    def network(self, config: MetricHMRConfig) -> MetricHMRConfig:
        """Return the sizes of this row's network."""
        if self.routed_experts is not None:
            config = replace(config, routed_experts=self.routed_experts)
        if self.patch_share is not None:
            blocks = config.patch_blocks + config.global_blocks
            patch = round(self.patch_share * blocks)
            config = replace(config, patch_blocks=patch, global_blocks=blocks - patch)
        return config

    def people(self, data: SampleConfig, body: BodyModel, bank: PoseBank) -> PeopleSampler:
        """Return a sampler of people whose evidence knows as much as this row's may."""
        if self.camera in ('rays', 'both'):
            return PeopleSampler(data, body=body, bank=bank)
        exact = self.camera == 'ray map'
        return UncalibratedPeople(data, body=body, bank=bank, exact_ray_map=exact)


SHIPPED = Row('shipped', 'all of it')
TABLES = {
    'What knows the camera': (
        Row('camera_none', 'nothing: no rays', camera='none'),
        Row('camera_ray_map', 'the ray map', camera='ray map'),
        Row('camera_rays', "the landmarks' rays", camera='rays'),
        replace(SHIPPED, title='both'),
    ),
    'Routed experts': (
        Row('experts_0', '0', routed_experts=0),
        Row('experts_2', '2', routed_experts=2),
        Row('experts_4', '4', routed_experts=4),
        Row('experts_8', '8', routed_experts=8),
    ),
    'Blocks': (
        Row('blocks_patch', 'patch only', patch_share=1.0),
        Row('blocks_global', 'global only', patch_share=0.0),
        Row('blocks_both', 'both', patch_share=0.5),
    ),
}
WHERE = ('inside', 'outside')
FIGURES = {
    'mpjpe': 'MPJPE mm', 'pa_mpjpe': 'PA-MPJPE mm', 'root_percent': 'root % (median)',
    'height_mm': 'height mm',
}  # fmt: skip


def tables(results: Mapping[Row, Mapping[str, Any]]) -> str:
    """Return the tables of the rows that have results, and where they are from, as Markdown."""
    titles = [f'{where}: {name}' for where in WHERE for name in FIGURES.values()]
    parts = []
    for title, rows in TABLES.items():
        lines = [f'| {" | ".join([title, *titles, "parameters"])} |', '|---' * 10 + '|']
        for row in rows:
            if row in results:
                lines.append(f'| {" | ".join(_cells(row.title, results[row]["figures"]))} |')
        parts += ['\n'.join(lines), ''] if len(lines) > 2 else []
    return '\n'.join([*parts, _origin(list(results.values()))]) + '\n'


def _cells(title: str, figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    cells = [title]
    for where in WHERE:
        values = figures[where]
        for name in FIGURES:
            text = f'{values[name]:.3g}'
            median = values.get(f'{name}_median') if name == 'root_percent' else None
            cells.append(text if median is None else f'{text} ({median:.3g})')
    return [*cells, f'{figures["parameters"]["millions"]:.2f} M']


def _origin(results: Sequence[Mapping[str, Any]]) -> str:
    """Return commands, days, machines and commits of the rows, each once."""
    once = {
        name: ', '.join(dict.fromkeys(str(result[name]) for result in results))
        for name in ('machine', 'python', 'commit')
    }
    commands = ', '.join(f'`{text}`' for text in dict.fromkeys(r['command'] for r in results))
    dates = [result['date'] for result in results]
    when = min(dates) if min(dates) == max(dates) else f'{min(dates)} to {max(dates)}'
    return (
        f'{commands}; {when}; {once["machine"]}; Python {once["python"]}; commit {once["commit"]}.'
    )
