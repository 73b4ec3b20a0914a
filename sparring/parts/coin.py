"""Chance that is decided on the host, so that a step can branch on it without asking the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Coin(nn.Module):
    """A coin with a memory: its generator is its own, so that tossing it shifts no other draw, and it is saved.

    Two processes of one run toss alike for a whole batch, as one process with their common batch would.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability of {probability} was given: choose one between 0 and 1")
        self.probability = probability
        self.generator = torch.Generator().manual_seed(torch.initial_seed() % 2**63)

    def toss(self) -> bool:
        """Once for the whole batch: true with the coin's probability."""
        return bool(torch.rand((), generator=self.generator) < self.probability)

    def toss_each(self, count: int) -> Tensor:
        """Once for each of `count` examples: the rows (n,) int64, on the CPU, that came up true."""
        return (torch.rand(count, generator=self.generator) < self.probability).nonzero().squeeze(1)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state)
