"""Random numbers of one generator, on its device: the shapes of the samplers' arguments."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def generator_of(*key: int) -> torch.Generator:
    """Return a generator of its own for each key of whole numbers, on the CPU.

    Torch's keeps 32 bits of its seed: sums of large numbers would be the same ones.
    """
    seed = np.random.SeedSequence(key).generate_state(1)[0]
    return torch.Generator().manual_seed(int(seed))


class Draws:
    """Draws float32 tensors of ``n`` samples."""

    def __init__(self, n: int, generator: torch.Generator) -> None:
        self.n = n
        self.generator = generator
        self.device = generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly within low..high, (n, *shape)."""
        drawn = torch.rand(self.n, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly on a logarithmic scale."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        """Unit normal."""
        return torch.randn(self.n, *shape, generator=self.generator, device=self.device)

    def heavy(self, *shape: int) -> Tensor:
        """Heavy-tailed: a unit normal whose spread is log-normal (like Student's t of 4)."""
        spread = torch.randn(self.n, *shape, generator=self.generator, device=self.device)
        return self.normal(*shape) * (0.55 * spread).exp()

    def chance(self, share: float, *shape: int) -> Tensor:
        """True for that share, bool."""
        return self.uniform(0.0, 1.0, *shape) < share

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers low..high - 1, int64."""
        size = (self.n, *shape)
        return torch.randint(low, high, size, generator=self.generator, device=self.device)

    def directions(self) -> Tensor:
        """Unit vectors, (n, 3)."""
        return torch.nn.functional.normalize(self.normal(3), dim=-1)

    def device_tensor(self, values: list[float]) -> Tensor:
        """Return constants on the generator's device."""
        return torch.tensor(values, device=self.device)
