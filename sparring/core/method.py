"""What the engine trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from sparring.core.batch import Batch
from sparring.core.clock import Clock
from sparring.core.player import Player


@dataclass(frozen=True, slots=True)
class Moment:
    """What just happened with a batch: the clock, the batch, and each mover's loss terms, detached.

    counted: whether it was a step of the training that the clock counts.
    """

    clock: Clock
    batch: Batch
    moved: Mapping[str, Mapping[str, Tensor]]
    counted: bool = True

    @property
    def step(self) -> int:
        """How many steps of the training are done by now."""
        return self.clock.step + self.counted

    @property
    def ends_epoch(self) -> bool:
        """Whether this was the last step of an epoch."""
        return self.counted and self.step % self.clock.steps_per_epoch == 0


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

    def counts(self, moved: Collection[str]) -> bool:
        """Whether a batch on which these players moved is a step of the training that the clock counts."""
        return True

    def after_step(self, moment: Moment) -> None:
        """Gradient-free bookkeeping once everyone has moved (duals, averages, streaks)."""

    def gauges(self) -> Mapping[str, Tensor]:
        """Scalars worth watching beside the loss terms, by name, on the device."""
        return {}

    @property
    def waivers(self) -> frozenset[str]:
        """The rules of the contract (`sparring.testing`) that it breaks on purpose, by name."""
        return frozenset()
