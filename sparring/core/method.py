"""What the engine trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from sparring.core.batch import Batch
from sparring.core.clock import Clock
from sparring.core.player import Player


@dataclass(frozen=True, slots=True)
class Moment:
    """What just happened in a step: the clock, the batch, and each mover's loss terms, detached."""

    clock: Clock
    batch: Batch
    moved: Mapping[str, Mapping[str, Tensor]]


class Method(nn.Module, ABC):
    """Players, the order in which they move, and what is remembered between steps.

    Everything that must survive a stop (weights, buffers, duals, pools, streaks) is in ``state_dict()``; nothing
    that only answers (a teacher) is.
    """

    @property
    @abstractmethod
    def players(self) -> Mapping[str, Player]:
        """Everyone who owns parameters that move, by name."""

    @abstractmethod
    def turns(self, clock: Clock) -> Sequence[str]:
        """Who moves on the next batch, in order."""

    def after_step(self, moment: Moment) -> None:
        """Gradient-free bookkeeping once everyone has moved (duals, averages, streaks)."""

    def gauges(self) -> Mapping[str, Tensor]:
        """Scalars worth watching beside the loss terms, by name, on the device."""
        return {}

    @property
    def waivers(self) -> frozenset[str]:
        """The rules of the contract (`sparring.testing`) that it breaks on purpose, by name."""
        return frozenset()
