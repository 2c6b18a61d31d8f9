"""Figures of corrected depth: rows → means over images, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from metrichmsr_ros.evaluate_depth import PRIOR
from metrichmsr_ros.report import Row, Statistic, without_nan

_SEEN, _ABS_REL, _RELATIVE = 'people_seen', 'all_abs_rel', 'all_abs_rel_over_prior'
_DELTA1 = 'all_delta1'
_WHERE_SEEN = '_where_seen'
_OVERALL = {
    'AbsRel': _ABS_REL,
    'of prior': _RELATIVE,
    'MAE m': 'all_mae',
    'RMSE m': 'all_rmse',
    'δ1': _DELTA1,
    'δ2': 'all_delta2',
    'δ3': 'all_delta3',
}
_REGIONS = {
    '0-2 m': '0-2m_abs_rel',
    '2-4 m': '2-4m_abs_rel',
    '4-8 m': '4-8m_abs_rel',
    '8 m +': '8m+_abs_rel',
    'near': 'near_abs_rel',
    'far': 'far_abs_rel',
    'people': 'people_abs_rel',
    'floor': 'floor_abs_rel',
    'seam m': 'seam_m',
}


@dataclass(frozen=True)
class DepthSummary:
    """The figures of one method.

    Attributes:
        scenes: Which images.
        prior: Which priors.
        method: Which method.
        frames: How many images.
        figures: By name, over images; an image's figure is the mean over its priors. The figure
            ``all_abs_rel_over_prior`` is an image's AbsRel over that of its priors,
            ``all_abs_rel_where_seen`` its AbsRel if anybody is seen in it, and
            ``all_delta1_where_seen`` its δ1.
        of_prior: Mean AbsRel over that of the priors, where anybody is seen.
        of_prior_error: One standard error of it, over images.
    """

    scenes: str
    prior: str
    method: str
    frames: int
    figures: dict[str, Statistic]
    of_prior: float
    of_prior_error: float


@dataclass(frozen=True)
class DepthReport:
    """What ``metrichmsr evaluate --task depth`` found.

    Attributes:
        rows: As from ``score_views`` and ``score_video``.
    """

    rows: tuple[Row, ...]

    def summaries(self) -> list[DepthSummary]:
        """Return the figures of each kind of scenes, prior and method, in order of appearance."""
        found = [row for row in self.rows if row['kind'] == 'depth']
        keys = dict.fromkeys((row['scenes'], row['prior'], row['method']) for row in found)
        images = _by_image(found)
        return [
            _summarise(key, [image for own, image in images.items() if own[:3] == key], images)
            for key in keys
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with None for what is not known."""
        summaries = [
            {**vars(summary), 'figures': {k: vars(v) for k, v in summary.figures.items()}}
            for summary in self.summaries()
        ]
        report = {'schema': 1, 'task': 'depth', 'summaries': summaries, 'rows': self.rows}
        return without_nan(report)

    def table(self, *, images: bool = False) -> str:
        """Return the figures as Markdown tables: overall, by region, and of videos.

        Args:
            images: Add one of AbsRel by image.
        """
        summaries = self.summaries()
        tables = [_overall(summaries), _regions(summaries)] if summaries else []
        tables += [self._images()] if images else []
        if any(row['kind'] == 'flicker' for row in self.rows):
            tables.append(self._videos())
        return '\n\n'.join(tables)

    def _images(self) -> str:
        images = _by_image([row for row in self.rows if row['kind'] == 'depth'])
        methods = list(dict.fromkeys(key[2] for key in images))
        lines = [
            [key[3], key[1], f'{figures[_SEEN]:.0f}']
            + [_number(images[key[0], key[1], method, key[3]][_ABS_REL]) for method in methods]
            for key, figures in images.items()
            if key[2] == PRIOR
        ]
        return _markdown('AbsRel by image', ['image', 'prior', 'people seen', *methods], lines)

    def _videos(self) -> str:
        lines = [
            [row['scenes'], str(row['pairs']), row['method'], _number(100 * row['flicker'])]
            for row in self.rows
            if row['kind'] == 'flicker'
        ]
        title = 'Flicker: change of the static room from frame to frame'
        return _markdown(title, ['scenes', 'pairs', 'method', '%'], lines)


_Key = tuple[str, str, str, str]


def _by_image(rows: Iterable[Row]) -> dict[_Key, dict[str, float]]:
    """Return scenes, prior, method, image → figures, means over the draws of the prior."""
    draws: dict[_Key, list[Row]] = {}
    for row in rows:
        key = row['scenes'], row['prior'], row['method'], row['name']
        draws.setdefault(key, []).append(row)
    return {
        key: {
            name: _mean([row[name] for row in own])
            for name, value in own[0].items()
            if isinstance(value, float)
        }
        for key, own in draws.items()
    }


def _summarise(
    key: tuple[str, str, str],
    found: Sequence[dict[str, float]],
    images: dict[_Key, dict[str, float]],
) -> DepthSummary:
    priors = [image for own, image in images.items() if own[:3] == (*key[:2], PRIOR)]
    figures = {name: [image[name] for image in found] for name in found[0]}
    figures[_RELATIVE] = [
        after[_ABS_REL] / before[_ABS_REL] for after, before in zip(found, priors, strict=True)
    ]
    for name in (_ABS_REL, _DELTA1):
        figures[name + _WHERE_SEEN] = [
            image.get(name, math.nan) if image[_SEEN] > 0 else math.nan for image in found
        ]
    seen = [
        (after[_ABS_REL], before[_ABS_REL])
        for after, before in zip(found, priors, strict=True)
        if after[_SEEN] > 0
    ]
    of_prior, of_prior_error = _ratio(seen)
    return DepthSummary(
        *key,
        frames=len(found),
        figures={name: _statistic(values) for name, values in figures.items()},
        of_prior=of_prior,
        of_prior_error=of_prior_error,
    )


def _ratio(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the ratio of two means and one standard error of it (the delta method)."""
    finite = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2)
    if len(finite) < 2:
        return math.nan, math.nan
    after, before = finite.T
    ratio = after.mean() / before.mean()
    spread = (after - ratio * before).std(ddof=1)
    return float(ratio), float(spread / math.sqrt(len(finite)) / before.mean())


def _overall(summaries: Sequence[DepthSummary]) -> str:
    """Of prior: of the means of all images; a mean of quotients would be about the easiest."""
    priors = {(one.scenes, one.prior): one for one in summaries if one.method == PRIOR}
    names = ['scenes', 'prior', 'images', 'seen', 'method', 'corrected', *_OVERALL]
    names += ['median AbsRel', 'of prior', 'where seen', 'of prior', '±', 'δ1']
    lines = []
    for summary in summaries:
        figures, before = summary.figures, priors[summary.scenes, summary.prior].figures
        head = [summary.scenes, summary.prior, str(summary.frames), f'{figures[_SEEN].mean:.1f}']
        cells = {name: figures[key].mean for name, key in _OVERALL.items()}
        cells['of prior'] = figures[_ABS_REL].mean / before[_ABS_REL].mean
        medians = [figures[_ABS_REL].median, figures[_RELATIVE].median]
        abs_rel, delta1 = (figures[name + _WHERE_SEEN].mean for name in (_ABS_REL, _DELTA1))
        seen = [abs_rel, summary.of_prior, summary.of_prior_error, delta1]
        numbers = [figures['corrected'].mean, *cells.values(), *medians, *seen]
        lines.append([*head, summary.method, *map(_number, numbers)])
    title = (
        'Everywhere: people seen in each image, share of priors that were corrected, means over '
        'images, medians, and means over images in which anybody is seen, with one standard error'
    )
    return _markdown(title, names, lines)


def _regions(summaries: Sequence[DepthSummary]) -> str:
    lines = []
    for summary in summaries:
        found = [summary.figures.get(name) for name in _REGIONS.values()]
        cells = ['-' if one is None else _number(one.mean) for one in found]
        lines.append([summary.scenes, summary.prior, summary.method, *cells])
    title = (
        'AbsRel by true depth, within 1 m of people and beyond, on people and floor; '
        'from soles to the floor beside them'
    )
    return _markdown(title, ['scenes', 'prior', 'method', *_REGIONS], lines)


def _markdown(title: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
    rows = [names, ['-' * width for width in widths], *lines]
    text = ('| ' + ' | '.join(map(str.ljust, row, widths)) + ' |' for row in rows)
    return '\n'.join([title, '', *text])


def _statistic(values: Sequence[float]) -> Statistic:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Statistic(math.nan, math.nan, 0)
    return Statistic(float(np.median(finite)), float(np.mean(finite)), len(finite))


def _mean(values: Sequence[float]) -> float:
    return _statistic(values).mean


def _number(value: float) -> str:
    return f'{value:.3f}' if math.isfinite(value) else '-'
