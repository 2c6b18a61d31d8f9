"""Figures of an evaluation: rows → medians, means and their n, per source and overall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

OVERALL = 'overall'

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Statistic:
    """Median, mean and number of the finite values of one figure."""

    median: float
    mean: float
    n: int


@dataclass(frozen=True)
class SourceReport:
    """The figures of one source, or of all.

    Attributes:
        images: Number of images.
        people: Number of true people.
        matched: Those that a prediction matched; the others are missed.
        false_positives: Predictions that no true person matched.
        figures: Figure name (with its unit) → statistic; only figures that somebody has.
    """

    images: int
    people: int
    matched: int
    false_positives: int
    figures: Mapping[str, Statistic]

    @property
    def missed(self) -> int:
        """True people without a prediction."""
        return self.people - self.matched

    @property
    def recall(self) -> float:
        """Share of the true people that were matched; NaN without people."""
        return self.matched / self.people if self.people else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            'images': self.images,
            'people': self.people,
            'matched': self.matched,
            'missed': self.missed,
            'recall': self.recall,
            'false_positives': self.false_positives,
            'figures': {name: vars(value) for name, value in self.figures.items()},
        }


@dataclass(frozen=True)
class Report:
    """What ``metrichmsr evaluate`` found.

    Attributes:
        method: Name of the estimator.
        body_model: Name of the body of its predictions.
        sources: Source → figures, and ``overall``.
        rows: What the figures are made of: one row per true person, per person and instant seen by
            several views, and per region of a depth image.
    """

    method: str
    body_model: str
    sources: Mapping[str, SourceReport]
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with None for what is not known."""
        return without_nan(
            {
                'schema': 1,
                'method': self.method,
                'body_model': self.body_model,
                'sources': {name: source.as_dict() for name, source in self.sources.items()},
                'rows': self.rows,
            }
        )

    def table(self) -> str:
        """Return the figures as text: one line each, ``median / mean (n)`` per source."""
        columns = list(self.sources)
        lines = [['', *columns]]
        for label in ('images', 'people', 'missed', 'false_positives'):
            lines.append([label, *(str(getattr(self.sources[name], label)) for name in columns)])
        lines.append(['recall', *(_number(self.sources[name].recall) for name in columns)])
        names = dict.fromkeys(name for source in columns for name in self.sources[source].figures)
        for name in names:
            cells = (self.sources[source].figures.get(name) for source in columns)
            lines.append([name, *('-' if cell is None else _cell(cell) for cell in cells)])
        widths = [max(len(line[k]) for line in lines) for k in range(len(columns) + 1)]
        text = '\n'.join(
            '  '.join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in lines
        )
        return f'{self.method} ({self.body_model}); figures: median / mean (n)\n{text}'


def build_report(
    rows: Iterable[Row], *, sources: Sequence[str], method: str, body_model: str
) -> Report:
    """Summarise rows.

    Args:
        rows: Each has ``kind`` (person, false_positive, or another), ``source``, for a person
            ``matched``, and figures: the values that are floats.
        sources: One per image, in any order.
        method: Name of the estimator.
        body_model: Name of its body.

    Returns:
        The report, sources in their order of appearance and ``overall`` last.
    """
    rows = tuple(rows)
    order = list(dict.fromkeys(sources))
    summaries = {
        name: _summarise([row for row in rows if row['source'] == name], sources.count(name))
        for name in order
    }
    summaries[OVERALL] = _summarise(rows, len(sources))
    return Report(method=method, body_model=body_model, sources=summaries, rows=rows)


def _summarise(rows: Sequence[Row], images: int) -> SourceReport:
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and math.isfinite(value):
                values.setdefault(name, []).append(value)
    people = [row for row in rows if row['kind'] == 'person']
    return SourceReport(
        images=images,
        people=len(people),
        matched=sum(row['matched'] for row in people),
        false_positives=sum(row['kind'] == 'false_positive' for row in rows),
        figures={
            name: Statistic(float(np.median(series)), float(np.mean(series)), len(series))
            for name, series in values.items()
        },
    )


def _number(value: float) -> str:
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'


def _cell(value: Statistic) -> str:
    return f'{_number(value.median)} / {_number(value.mean)} ({value.n})'


def without_nan(value: Any) -> Any:
    """Return the same for JSON: None for what is not a finite number."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
