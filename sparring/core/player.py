"""Who moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from sparring.core.batch import Batch
from sparring.core.losses import Losses

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


@dataclass(frozen=True, slots=True)
class Player:
    """An owner of parameters that move: its module, and the loss it descends when it is its turn.

    `optimizer` makes the player's own optimiser from its parameters, and such a player keeps the learning rate it
    was given; without one it descends by the run's optimiser and schedule.
    """

    module: nn.Module
    loss: Callable[[Batch], Losses]
    optimizer: MakeOptimizer | None = None
