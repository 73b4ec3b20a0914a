"""When it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment in training: all that a schedule may depend on.

    step counts, from 0, the steps that the method calls steps of its training (see `Method.counts`); an epoch is
    `steps_per_epoch` of them; training ends at `total_steps`. batch counts all batches, also those on which others
    moved than the one who is trained.
    """

    step: int
    steps_per_epoch: int
    total_steps: int
    batch: int = 0

    @property
    def epoch(self) -> int:
        """The number, from 0, of the epoch that `step` lies in."""
        return self.step // self.steps_per_epoch

    @property
    def epochs(self) -> float:
        """How many epochs the whole training lasts."""
        return self.total_steps / self.steps_per_epoch

    @property
    def progress(self) -> float:
        """The part of training that is over, in [0, 1]."""
        return self.step / max(self.total_steps, 1)
