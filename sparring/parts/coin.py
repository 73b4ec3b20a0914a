"""Chance that is decided on the host, so that a step can branch on it without asking the device."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Coin(nn.Module):
    """A coin with a memory: its generator is its own, so that tossing it shifts no other draw, and it is saved.

    Two processes of one run toss alike, as one process with their common batch would.
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
        """Once for each of this process's `count` examples: the rows (n,) int64, on the CPU, that came up true."""
        world, rank = processes()
        tosses = torch.rand(count * world, generator=self.generator)[rank * count : (rank + 1) * count]
        return (tosses < self.probability).nonzero().squeeze(1)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state)


def processes() -> tuple[int, int]:
    """(how many processes train together, which of them this is); (1, 0) outside torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size(), dist.get_rank()
    return 1, 0
