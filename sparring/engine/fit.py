"""The only training loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from sparring.core import Batch, Clock, Method, Moment, Player, UserError
from sparring.core.seeds import seed_for
from sparring.engine.descent import Descent
from sparring.engine.device import Compute

TRAININGS, PATIENCE = 20, 1000  # so many whole trainings, and batches beyond, in a row on which no step is counted


class Stream(Protocol):
    """Endless training batches, from the one of number `start` on; the same for a number however often it is asked."""

    @property
    def steps_per_epoch(self) -> int: ...

    def __call__(self, start: int) -> Iterator[Batch]: ...


class Watcher(Protocol):
    """Someone who looks on after each step, at their own pace; may answer True to end the training there, or raise."""

    def __call__(self, moment: Moment) -> bool | None: ...


def fit(
    method: Method,
    stream: Stream,
    *,
    descents: Mapping[str, Descent],
    total_steps: int,
    compute: Compute,
    seed: int,
    start: int = 0,
    first_batch: int | None = None,
    watchers: Sequence[Watcher] = (),
) -> None:
    """Train `method` from step `start` until `total_steps`, or until a watcher ends it: ask who moves, let them move,
    remember, look on.

    descents: for each of the method's players, how it moves. first_batch: the number of the batch to go on with, where
    not every batch so far was a step. seed: all chance in batch n (dropout, noise) follows from it, from n and from the
    process, so that a run continued anywhere is the uninterrupted one. Nothing here waits for the device.
    """
    step, number, idle = start, start if first_batch is None else first_batch, 0
    batches = stream(number)
    while step < total_steps:
        clock = Clock(step, stream.steps_per_epoch, total_steps, number)
        compute.reseed(seed_for("step", seed, compute.rank, number))
        batch = compute.place(next(batches))
        moved: dict[str, Mapping[str, Tensor]] = {}
        for name in method.turns(clock):
            if name not in method.players:
                raise UserError(
                    f"the turns name {name!r}, and the players are {', '.join(method.players)}: return a tuple of these"
                )
            with on_turn(name, method.players, descents):
                moved[name] = play(method.players[name], batch, descents[name], clock, compute)
        moment = Moment(clock, batch, moved, method.counts(moved))
        with torch.no_grad():
            method.after_step(moment)
        if any([watcher(moment) for watcher in watchers]):  # a list: all look on, whoever ends it
            return
        step, number, idle = step + moment.counted, number + 1, 0 if moment.counted else idle + 1
        if idle > TRAININGS * total_steps + PATIENCE:
            raise UserError(
                f"no step of the training was taken on the last {idle} batches, and this would go on for ever: the "
                "method's turns leave out whom its clock counts (turns that follow the clock go by clock.batch), or "
                "others' turns are far longer than the whole training: shorten them"
            )


@contextmanager
def on_turn(mover: str, players: Mapping[str, Player], descents: Mapping[str, Descent]) -> Iterator[None]:
    """The mover trains; everyone else is in eval mode and without gradients."""
    others: Iterable[str] = [name for name in players if name != mover]
    players[mover].module.train()
    for name in others:
        players[name].module.eval()
        descents[name].freeze()
    try:
        yield
    finally:
        for name in others:
            descents[name].unfreeze()


def play(player: Player, batch: Batch, descent: Descent, clock: Clock, compute: Compute) -> Mapping[str, Tensor]:
    """One move: loss, backward, step. Returns the loss terms, detached."""
    with compute.autocast():
        losses = player.loss(batch)
    descent.descend(losses.total(), clock)
    return losses.values()
