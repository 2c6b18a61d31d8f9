"""BlazePose's world landmarks of a person: a linear model of them, fitted on rendered people.

    w = x + share · (A x - x + c + k L n) + B s

x are the true landmarks about the mid-hip of the person scaled to 1.65 m, s their errors in the
image, n a unit normal, all in the crop's axes. So it is part of the model that BlazePose takes
poses for more ordinary and flatter than they are (A), that all of its landmarks err together (L),
and that what it misplaces in the image it misplaces here too (B). The factor k of a person is
log-normal and grows with how hard the view is.
Letters: B people, L = 33 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.data.people.crops import HIPS
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.view import View
from metrichmsr_ros.structures import NUM_LANDMARKS

HEIGHT = 1.65  # metres to which people are scaled: BlazePose shows an adult whatever the person
_FILE = Path(__file__).with_suffix('.npz')
# Metres; what is farther off in the image is another person's, or nowhere.
_MAX_SHIFT = 0.25
_RIDGE = 1e-4  # m²; the truth's spread is a thousand times that
_FLOOR = 1e-8  # m²: the hips lie about their middle, which leaves some errors no room
_ROUNDS = 5
_LEAST = 0.3  # of the median k: nobody counts for more than that


@dataclass(frozen=True)
class WorldLandmarks:
    """The model; float32 tensors of one device.

    Attributes:
        of_truth: A, (99, 99).
        of_shift: B, (99, 66).
        offset: c, (99,), metres.
        spread: L, (99, 99), metres, lower triangular.
        of_view: What one of ``View.outside`` and of ``View.log_error`` adds to log k, (2,).
        log_factor: Mean of log k where both are 0, ().
        log_spread: Its spread about the mean, ().
    """

    of_truth: Tensor
    of_shift: Tensor
    offset: Tensor
    spread: Tensor
    of_view: Tensor
    log_factor: Tensor
    log_spread: Tensor

    @classmethod
    def load(cls) -> WorldLandmarks:
        """Read the model that ships."""
        with np.load(_FILE) as arrays:
            return cls(**{item.name: torch.from_numpy(arrays[item.name]) for item in fields(cls)})

    def save(self, path: str | PathLike[str] = _FILE) -> None:
        """Write it, by default as the one that ships."""
        np.savez(path, **{name: value.cpu().numpy() for name, value in vars(self).items()})

    def to(self, device: torch.device | str) -> WorldLandmarks:
        """Return it on ``device``."""
        return WorldLandmarks(**{name: value.to(device) for name, value in vars(self).items()})

    @classmethod
    def fit(cls, truth: Tensor, shift: Tensor, view: View, said: Tensor) -> WorldLandmarks:
        """Fit it; a person whom BlazePose got wrong, whose k is above 1, counts less.

        Args:
            truth: Landmarks about the mid-hip at ``HEIGHT``, (B, 33, 3), metres.
            shift: Their errors in the image, at the same scale, (B, 33, 2), metres.
            view: How they are seen.
            said: BlazePose's world landmarks, (B, 33, 3), metres.

        Raises:
            ValueError: There are fewer people than unknowns of a landmark.
        """
        x = _inputs(truth, shift).double()
        x = torch.cat([x, x.new_ones(len(x), 1)], 1)
        if len(x) <= x.shape[1]:
            raise ValueError(f'{len(x)} people, must be more than {x.shape[1]}')
        solution, spread, factor = _robust_fit(x, said.flatten(1).double())
        measures = torch.cat([_measures(view).double(), x[:, -1:]], 1)
        slopes = torch.linalg.lstsq(measures, factor.log()).solution
        truths, shifts, offset = solution.split([3 * NUM_LANDMARKS, 2 * NUM_LANDMARKS, 1])
        return cls(
            of_truth=truths.mT.float().contiguous(),
            of_shift=shifts.mT.float().contiguous(),
            offset=offset[0].float(),
            spread=spread.float(),
            of_view=slopes[:-1, 0].float(),
            log_factor=slopes[-1, 0].float(),
            log_spread=(factor.log() - measures @ slopes).std().float(),
        )

    def expect(self, truth: Tensor, shift: Tensor) -> Tensor:
        """Return the mean of what BlazePose says, (B, 99), metres; arguments as for ``fit``."""
        x, s = _inputs(truth, shift).tensor_split([3 * NUM_LANDMARKS], dim=1)
        return x @ self.of_truth.mT + s @ self.of_shift.mT + self.offset

    def draw(
        self, draws: Draws, truth: Tensor, shift: Tensor, view: View, share: Tensor
    ) -> Tensor:
        """Draw what BlazePose says, (B, 33, 3), metres, about the mid-hip.

        Args:
            draws: Random numbers.
            truth: As for ``fit``.
            shift: As for ``fit``.
            view: As for ``fit``.
            share: Of the errors that do not come from the image's, (B,).
        """
        x, s = _inputs(truth, shift).tensor_split([3 * NUM_LANDMARKS], dim=1)
        log_k = self.log_factor + _measures(view) @ self.of_view + self.log_spread * draws.normal()
        noise = log_k.exp()[:, None] * (draws.normal(3 * NUM_LANDMARKS) @ self.spread.mT)
        error = x @ self.of_truth.mT + self.offset - x + noise
        said = x + share[:, None] * error + s @ self.of_shift.mT
        said = said.unflatten(1, (NUM_LANDMARKS, 3))
        return said - said[:, HIPS].mean(1, keepdim=True)


def _inputs(truth: Tensor, shift: Tensor) -> Tensor:
    return torch.cat([truth.flatten(1), shift.clamp(-_MAX_SHIFT, _MAX_SHIFT).flatten(1)], dim=1)


def _robust_fit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit y = x · solution + factor · spread · n with a factor of each row's own, median 1.

    Args:
        x: (B, inputs).
        y: (B, outputs).

    Returns:
        Solution (inputs, outputs), spread (outputs, outputs) lower triangular, factor (B, 1).
    """
    factor = x.new_ones(len(x), 1)
    ridge = _RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    for _ in range(_ROUNDS):
        weighted = x / factor.clamp(min=1).square()
        solution = torch.linalg.solve(weighted.mT @ x + ridge, weighted.mT @ y)
        missed = y - x @ solution
        own = missed / factor.clamp(min=_LEAST)
        covariance = own.mT @ own / len(own) + _FLOOR * torch.eye(y.shape[1], dtype=x.dtype)
        spread = torch.linalg.cholesky(covariance)
        white = torch.linalg.solve_triangular(spread, missed.mT, upper=False).mT
        factor = white.square().mean(1, keepdim=True).sqrt()
        factor = factor / factor.median()
    return solution, spread, factor


def _measures(view: View) -> Tensor:
    return torch.stack([view.outside, view.log_error], dim=-1)
