"""The chance in a corruption: each image's own, which follows from its row and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from sparring.core.seeds import seed_for


@dataclass(frozen=True, slots=True)
class Chance:
    """What a batch of B images draws, row by row: the same for an image whatever batch, student or device it meets.

    generators: one an image, on the CPU, whose numbers are the same everywhere; device: where the draws are wanted.
    """

    generators: tuple[Generator, ...]
    device: torch.device

    @classmethod
    def of(cls, rows: Tensor, name: str, severity: int, device: torch.device) -> Chance:
        """The chance of the images at `rows` (B,) for one corruption at one severity."""
        seeds = (seed_for("corruption", name, severity, row) for row in rows.tolist())
        return cls(tuple(Generator().manual_seed(seed) for seed in seeds), device)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(B, *shape) float32, even in [low, high)."""
        return low + (high - low) * self._each(lambda generator, _: torch.rand(shape, generator=generator))

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) float32, of mean 0 and standard deviation 1."""
        return self._each(lambda generator, _: torch.randn(shape, generator=generator))

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """(B, *shape) int64, even in low … high - 1."""
        return self._each(lambda generator, _: torch.randint(low, high, shape, generator=generator))

    def signs(self, *shape: int) -> Tensor:
        """(B, *shape) float32, each -1 or 1."""
        return self.whole(0, 2, *shape) * 2.0 - 1

    def poisson(self, rates: Tensor) -> Tensor:
        """Counts of the shape of `rates` (B, …)."""
        given = rates.cpu()
        return self._each(lambda generator, at: torch.poisson(given[at], generator=generator))

    def _each(self, draw: Callable[[Generator, int], Tensor]) -> Tensor:
        return torch.stack([draw(generator, at) for at, generator in enumerate(self.generators)]).to(self.device)
