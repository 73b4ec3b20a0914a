"""What the learning rate is multiplied by, as a function of the clock alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sparring.core import Clock

Schedule = Callable[[Clock], float]


def constant(clock: Clock) -> float:
    """The learning rate as given, throughout."""
    return 1.0


def steps(milestones: Sequence[float], decay: float) -> Schedule:
    """× `decay` at each milestone, given as a part of the training: (0.625, 0.75, 0.875) of 240 epochs is 150/180/210,
    so that the first lowered epoch is the 151st."""

    def schedule(clock: Clock) -> float:
        return decay ** sum(clock.step >= round(milestone * clock.total_steps) for milestone in milestones)

    return schedule


def cosine(clock: Clock) -> float:
    """Half a cosine from 1 to 0 over the whole training."""
    return 0.5 * (1 + math.cos(math.pi * clock.progress))


def exponential(decay: float) -> Schedule:
    """One factor less in every epoch, so that the last is at `decay` of the first: γ = decay^(1 / (epochs − 1))."""

    def schedule(clock: Clock) -> float:
        return decay ** (clock.epoch / max(1.0, clock.epochs - 1))

    return schedule


def warmed(schedule: Schedule, epochs: float) -> Schedule:
    """`schedule`, times a line from 0 to 1 over the first `epochs`."""

    def warming(clock: Clock) -> float:
        line = (clock.step + 1) / max(1.0, epochs * clock.steps_per_epoch)
        return schedule(clock) * min(1.0, line)

    return warming
