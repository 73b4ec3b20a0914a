"""The game of DiSK's toys: many initialisations of one small student learn at once, each with a guide of its own.

Logits carry the classes as their first dimension and the runs as their second, (K, R, B): a softmax over two or three
classes that lie last costs ten times all else. A loss is the sum over runs of each run's own, so that no run's gradient
knows of another.
"""

from __future__ import annotations

import math
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
from sparring.parts.guided import LEAST, wave

Name = Literal["CE", "KD", "DiSK"]
METHODS: tuple[Name, ...] = ("CE", "KD", "DiSK")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the three methods train, in the paper's letters where it has them.

    rate, momentum, decay, cosine: of SGD; epochs, batch (None: all samples at once): of the student. warm: KD's and
    DiSK's students begin where CE's ended, as the paper's on images do. alpha: of CE against KD or L_dist; T: both
    temperatures; k: guarded classes; delta: the budget; lambda_min, lambda_max, period (epochs): of λ. inner: gradient
    steps of a turn. guide_rate, guide_decay, bias: of the guide's SGD and its last bias. From the paper's code:
    release: L_dist as there (the label guarded, unguarded classes left out); normalised: the guide also pays
    (1 − α) mean ln(1 + k g); errors: the budget is divided by the student's errors.
    """

    epochs: int = 200
    batch: int | None = None
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 0.01
    cosine: bool = False
    warm: bool = False
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
    release: bool = False
    normalised: bool = False
    errors: bool = False


Taught = tuple[Tensor, Tensor]


class Teacher(Protocol):
    """Whoever knows the truth: what it sees in x (B, D), (B, F), and what it answers, (K, B)."""

    def __call__(self, x: Tensor) -> Taught: ...


class Game(Method):
    """R students and their guides: CE alone, KD, or DiSK in turns of `inner` steps, the guide first."""

    def __init__(
        self, name: Name, student: nn.Module, guide: nn.Module, taught: Taught, reading: Reading, per_epoch: int
    ) -> None:
        super().__init__()
        self.name: Name = name
        self.student, self.guide, self.taught, self.reading = student, guide, taught, reading
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

    def told(self, batch: Batch) -> Taught:
        """What the teacher sees in the batch, and answers."""
        features, t = self.taught
        return features[batch.index], t[:, batch.index]

    def learn(self, batch: Batch) -> Losses:
        """α CE + (1 − α) KD or L_dist of every student, its guide silent; CE alone is α = 1."""
        features, t = self.told(batch)
        with torch.no_grad():
            g = self.guide(features, t) if self.name == "DiSK" else None
        s = self.student(batch.x)
        return term("student", costs(self.name, s, t, batch.y, g, self.reading).mean(-1).sum())

    def advise(self, batch: Batch) -> Losses:
        """(1 − α) L_dist + λ L_budget of every guide, its student silent."""
        features, t = self.told(batch)
        with torch.no_grad():
            s = self.student(batch.x)
        g, told = self.guide(features, t), self.reading
        each = guided(s, t, batch.y, g, told)
        if told.normalised:
            each = each + torch.log1p(told.k * g)
        return term("guide", ((1 - told.alpha) * each.mean(-1) + self.lam * budget(s, batch.y, g, told)).sum())


def costs(name: Name, s: Tensor, t: Tensor, y: Tensor, g: Tensor | None, told: Reading) -> Tensor:
    """What each sample costs each student, (R, B): s (K, R, B), t (K, B), y (B,), g (R, B) or None where all is 0."""
    ce = cross_entropy(s, y)
    return ce if name == "CE" else told.alpha * ce + (1 - told.alpha) * guided(s, t, y, g, told)


def cross_entropy(s: Tensor, y: Tensor) -> Tensor:
    """−ln s_y of each sample, (R, B): s (K, R, B), y (B,)."""
    return -(torch.log_softmax(s, 0) * ones(y, len(s)).unsqueeze(1)).sum(0)


def ones(y: Tensor, classes: int) -> Tensor:
    """1 at each label, else 0, (K, B): y (B,)."""
    return (y == torch.arange(classes, device=y.device).unsqueeze(1)).float()


def guided(s: Tensor, t: Tensor, y: Tensor, g: Tensor | None, told: Reading) -> Tensor:
    """`parts.guided`'s L_dist, (R, B), and KD's cross-entropy where g is None: s (K, R, B), t (K, B), y (B,), g (R, B).

    The teacher's part is the same for all runs and is computed once.
    """
    inside = torch.zeros_like(t).scatter(0, t.topk(min(told.k, len(t)), dim=0).indices, 1.0)
    if told.release and g is not None:
        inside = torch.maximum(inside, ones(y, len(t)))
        teacher = torch.softmax(torch.where(inside > 0, t / told.T, t.amin(0)), 0) * inside
    else:
        teacher = torch.softmax(t / told.T, 0)
    if g is None:
        answer = torch.log_softmax(s / told.T, 0).clamp(min=math.log(LEAST))
    else:
        answer = (torch.softmax(s / told.T, 0) + inside.unsqueeze(1) * g).clamp(min=LEAST).log()
    return -(told.T**2) * (teacher.unsqueeze(1) * answer).sum(0)


def budget(s: Tensor, y: Tensor, g: Tensor, told: Reading) -> Tensor:
    """[mean_i g_i CE_i − δ]₊ of each run, (R,): s (K, R, B), y (B,), g (R, B); the mean over samples or errors."""
    charged = (g * cross_entropy(s, y)).mean(-1)
    if told.errors:
        charged = charged / (s.argmax(0) != y).float().mean(-1).clamp(min=1 / s.shape[-1])
    return torch.relu(charged - told.delta)


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
    per_epoch = steps_per_epoch(stream, reading)
    with torch.no_grad():
        taught = teacher(stream.x)  # once: it does not change
    game = Game(name, student, guide, taught, reading, per_epoch)
    schedule = schedules.cosine if reading.cosine else schedules.constant
    makes = {
        "student": partial(SGD, lr=reading.rate, momentum=reading.momentum, weight_decay=reading.decay),
        "guide": partial(SGD, lr=reading.guide_rate, momentum=reading.momentum, weight_decay=reading.guide_decay),
    }
    moves = {mover: Descent(game.players[mover].module, makes[mover], schedule=schedule) for mover in game.players}
    total, compute = reading.epochs * per_epoch, Compute(torch.device("cpu"))
    fit(game, stream, descents=moves, total_steps=total, compute=compute, seed=stream.seed, watchers=watchers)


def steps_per_epoch(stream: Samples, reading: Reading) -> int:
    """The student's steps in an epoch: a turn where the batch is all samples."""
    return reading.inner if stream.batch is None else stream.steps_per_epoch
