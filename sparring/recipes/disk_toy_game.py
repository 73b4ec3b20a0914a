"""The game of DiSK's toys: many initialisations of one small student learn at once, each with a guide of its own.

Logits carry the runs as their first dimension, (R, B, K), and a loss is the sum over runs of each run's own, so that no
run's gradient knows of another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD

from sparring.core import Batch, Clock, Losses, Method, Moment, Player, term
from sparring.core.seeds import seed_for
from sparring.engine import Compute, Descent, fit
from sparring.engine.fit import Watcher
from sparring.parts import schedules
from sparring.parts.guided import guided_kd, wave

Name = Literal["CE", "KD", "DiSK"]
METHODS: tuple[Name, ...] = ("CE", "KD", "DiSK")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the three methods train, in the paper's letters where it has them.

    rate, momentum, decay, cosine: of SGD; epochs, batch (None: all images at once): of the student. alpha: of CE
    against
    KD or L_dist; T: both temperatures; k: guarded classes; delta: the budget; lambda_min, lambda_max, period (epochs):
    of λ. inner: gradient steps of a turn. guide_rate, guide_decay, bias: of the guide's SGD and its last bias.
    """

    epochs: int = 200
    batch: int | None = None
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 0.01
    cosine: bool = False
    alpha: float = 0.1
    T: float = 1.0
    k: int = 2
    delta: float = 0.0
    lambda_min: float = 0.1
    lambda_max: float = 50.0
    period: int = 50
    inner: int = 3
    guide_rate: float = 0.1
    guide_decay: float = 0.01
    bias: float = 0.0


class Teacher(Protocol):
    """Whoever knows the truth: what it sees in x (B, D), (B, F), and what it answers, (B, K)."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]: ...


class Game(Method):
    """R students and their guides: CE alone, KD, or DiSK in turns of `inner` steps, the guide first."""

    def __init__(
        self, name: Name, student: nn.Module, guide: nn.Module, teacher: Teacher, reading: Reading, per_epoch: int
    ) -> None:
        super().__init__()
        self.name: Name = name
        self.student, self.guide, self.teacher, self.reading = student, guide, teacher, reading
        self.per_epoch, self.lam = per_epoch, reading.lambda_min
        self._players = {"student": Player(student, self.learn)}
        if name == "DiSK":
            self._players["guide"] = Player(guide, self.advise)

    @property
    def players(self) -> Mapping[str, Player]:
        return self._players

    def turns(self, clock: Clock) -> Sequence[str]:
        """Guide and student for `inner` steps each, again and again; without a guide the student always."""
        guides = self.name == "DiSK" and clock.batch // self.reading.inner % 2 == 0
        return ("guide",) if guides else ("student",)

    def counts(self, moved: Collection[str]) -> bool:
        return "student" in moved

    def after_step(self, moment: Moment) -> None:
        """λ by the epoch that the student is in."""
        epoch = moment.step // self.per_epoch
        self.lam = wave(self.reading.lambda_min, self.reading.lambda_max, epoch, self.reading.period)

    def learn(self, batch: Batch) -> Losses:
        """α CE + (1 − α) KD or L_dist of every student, its guide silent; CE alone is α = 1."""
        with torch.no_grad():
            features, t = self.teacher(batch.x)
            g = self.guide(features, t) if self.name == "DiSK" else None
        s = self.student(batch.x)
        return term("student", rows(self.name, s, t, batch.y, g, self.reading).mean(-1).sum())

    def advise(self, batch: Batch) -> Losses:
        """(1 − α) L_dist + λ L_budget of every guide, its student silent."""
        with torch.no_grad():
            features, t = self.teacher(batch.x)
            s = self.student(batch.x)
        g, told = self.guide(features, t), self.reading
        dist = guided_kd(s, t.expand_as(s), g, T=told.T, T_s=told.T, k=told.k).mean(-1)
        loss = (1 - told.alpha) * dist + self.lam * budget(s, batch.y, g, told.delta)
        return term("guide", loss.sum())


def rows(name: Name, s: Tensor, t: Tensor, y: Tensor, g: Tensor | None, told: Reading) -> Tensor:
    """What each sample costs each student, (R, B): s (R, B, K), t (B, K), y (B,), g (R, B) or None where all is 0."""
    ce = cross_entropy(s, y)
    if name == "CE":
        return ce
    g = torch.zeros_like(ce) if g is None else g
    return told.alpha * ce + (1 - told.alpha) * guided_kd(s, t.expand_as(s), g, T=told.T, T_s=told.T, k=told.k)


def cross_entropy(s: Tensor, y: Tensor) -> Tensor:
    """−ln s_y of each sample, (…, B): s (…, B, K), y (B,)."""
    return -torch.log_softmax(s, -1).gather(-1, y.expand(s.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def budget(s: Tensor, y: Tensor, g: Tensor, delta: float) -> Tensor:
    """[mean_i g_i CE_i − δ]₊ of each run, (…): s (…, B, K), y (B,), g (…, B)."""
    return torch.relu((g * cross_entropy(s, y)).mean(-1) - delta)


@dataclass(frozen=True, slots=True)
class Samples:
    """A stream of the samples x (N, D), y (N,): all of them, or batches in an order drawn for each epoch."""

    x: Tensor
    y: Tensor
    batch: int | None
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return 1 if self.batch is None else max(1, len(self.x) // self.batch)

    def __call__(self, start: int) -> Iterator[Batch]:
        every, number = torch.arange(len(self.x)), start
        order = every
        while True:
            epoch, at = divmod(number, self.steps_per_epoch)
            if self.batch is not None:
                if at == 0 or number == start:
                    chance = torch.Generator().manual_seed(seed_for("toy", "order", self.seed, epoch))
                    order = torch.randperm(len(self.x), generator=chance)
                rows = order[at * self.batch : (at + 1) * self.batch]
                yield Batch(self.x[rows], self.y[rows], rows)
            else:
                yield Batch(self.x, self.y, every)
            number += 1


def play(
    name: Name,
    student: nn.Module,
    guide: nn.Module,
    teacher: Teacher,
    stream: Samples,
    reading: Reading,
    watchers: Sequence[Watcher] = (),
) -> None:
    """Train every student by one method, in place; an epoch is `inner` steps where the batch is all samples."""
    per_epoch = reading.inner if reading.batch is None else stream.steps_per_epoch
    game = Game(name, student, guide, teacher, reading, per_epoch)
    schedule = schedules.cosine if reading.cosine else schedules.constant
    makes = {
        "student": partial(SGD, lr=reading.rate, momentum=reading.momentum, weight_decay=reading.decay),
        "guide": partial(SGD, lr=reading.guide_rate, momentum=reading.momentum, weight_decay=reading.guide_decay),
    }
    moves = {mover: Descent(game.players[mover].module, makes[mover], schedule=schedule) for mover in game.players}
    total, compute = reading.epochs * per_epoch, Compute(torch.device("cpu"))
    fit(game, stream, descents=moves, total_steps=total, compute=compute, seed=stream.seed, watchers=watchers)
