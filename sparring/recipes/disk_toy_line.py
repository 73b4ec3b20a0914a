"""DiSK's first toy (A.1): a student that knows one interval, a teacher that knows both, points on [0, 9].

h(x; a, b) = σ(k(x − a)) − σ(k(x − b)); blue lies on [2, 3] and [5, 7], red elsewhere. The student can be right about
the first interval (A), about both and wrong about the gap (B), or about the second (C).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.core import Moment
from sparring.core.seeds import seed_for
from sparring.recipes.disk_toy_game import Name, Reading, Samples, play, steps_per_epoch

LENGTH, EDGES = 9.0, (2.0, 3.0, 5.0, 7.0)
MINIMA = {"A": (2.0, 3.0), "B": (2.0, 7.0), "C": (5.0, 7.0)}
NEAR = 0.75  # a run belongs to a minimum where neither end is further away than that
Answer = Literal["linear", "log"]
Start = Literal["uniform", "normal", "unit", "halves", "third", "half"]
Sees = Literal["edges", "intervals", "line"]
SHARE: dict[Start, float] = {"unit": 1 / LENGTH, "third": 1 / 3, "half": 1 / 2}  # of the line


@dataclass(frozen=True, slots=True)
class Line:
    """A reading of the first toy.

    steep: k of the student, and of the teacher (None: as the student). answer: how blue's logit exceeds red's, by
    scale · (2h − 1) ("linear"; scale 1 is to take the two probabilities for logits), or by ln h − ln(1 − h), neither
    probability below `least` ("log"). start: where the students begin (`starts`); guide: what it looks at; kept: put
    (a, b) back on the line and in order after a step.
    """

    steep: float = 2.0
    teacher: float | None = None
    answer: Answer = "linear"
    scale: float = 10.0
    least: float = 1e-4
    start: Start = "uniform"
    guide: Sees = "edges"
    kept: bool = True
    training: Reading = field(default_factory=Reading)


def interval(x: Tensor, a: Tensor | float, b: Tensor | float, steep: float) -> Tensor:
    """h(x; a, b): 1 between a and b, 0 elsewhere."""
    return torch.sigmoid(steep * (x - a)) - torch.sigmoid(steep * (x - b))


def logits(h: Tensor, told: Line) -> Tensor:
    """Red's and blue's logits (2, …) from the probability h (…) of blue."""
    if told.answer == "linear":
        return told.scale / 2 * torch.stack([1 - 2 * h, 2 * h - 1])
    return torch.stack([1 - h, h]).clamp(min=told.least).log()


class Intervals(nn.Module):
    """R students, (a, b) each: x (B, 1) → logits (2, R, B)."""

    def __init__(self, ends: Tensor, told: Line) -> None:
        super().__init__()
        self.ends, self.told = nn.Parameter(ends.clone()), told

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.ends.unsqueeze(-1).unbind(1)
        return logits(interval(x.squeeze(-1), a, b, self.told.steep), self.told)

    @torch.no_grad()
    def keep(self) -> None:
        """Put every (a, b) back on the line and in order, where SGD has stepped over."""
        self.ends.clamp_(0, LENGTH)
        self.ends[:, 1] = torch.maximum(self.ends[:, 1], self.ends[:, 0] + 0.01)


class Oracle:
    """The teacher: its answers (2, B), and what it sees, (B, F): its four edges or its two intervals, in [−1, 1]."""

    def __init__(self, told: Line) -> None:
        self.told, self.steep = told, told.steep if told.teacher is None else told.teacher

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        sees = {
            "edges": lambda: torch.sigmoid(self.steep * (x - torch.tensor(EDGES))),
            "intervals": lambda: interval(x, torch.tensor(EDGES[::2]), torch.tensor(EDGES[1::2]), self.steep),
            "line": lambda: x / LENGTH,
        }[self.told.guide]()
        first, second = (interval(x.squeeze(-1), EDGES[at], EDGES[at + 1], self.steep) for at in (0, 2))
        return 2 * sees - 1, logits((first + second).clamp(0, 1), self.told)


class Guides(nn.Module):
    """R guides of the student's kind of capacity: linear in what the teacher sees, then a sigmoid, (R, B)."""

    def __init__(self, runs: int, width: int, bias: float, chance: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(runs, width, generator=chance) - 1) / width**0.5)
        self.bias = nn.Parameter(torch.full((runs, 1), bias))

    def forward(self, features: Tensor, answers: Tensor) -> Tensor:
        return torch.sigmoid(self.weight @ features.T + self.bias)


def points(seed: int, count: int = 1000) -> tuple[Tensor, Tensor]:
    """Samples x (N, 1) and y (N,), half of them blue (1), uniform over their class's part of the line."""
    chance = torch.Generator().manual_seed(seed_for("disk", "points", seed))
    blue, red = 3 * torch.rand(count // 2, generator=chance), 6 * torch.rand(count - count // 2, generator=chance)
    blue = torch.where(blue < 1, blue + 2, blue + 4)
    red = torch.where(red < 2, red, torch.where(red < 4, red + 1, red + 3))
    order = torch.randperm(count, generator=chance)
    labels = torch.cat([torch.ones(len(blue)), torch.zeros(len(red))]).long()
    return torch.cat([blue, red])[order].unsqueeze(1), labels[order]


def starts(kind: Start, seed: int, runs: int) -> Tensor:
    """Where the students begin, (R, 2).

    Sorted pairs, "uniform" on the line or "normal" about its middle; an end in either half ("halves"); or a uniform in
    the line's first "half", "third" or "unit" and b uniform to the right of it.
    """
    chance = torch.Generator().manual_seed(seed_for("disk", "starts", seed))
    if kind == "normal":
        return (LENGTH / 2 + 2 * torch.randn(runs, 2, generator=chance)).clamp(0, LENGTH).sort(1).values
    drawn = torch.rand(runs, 2, generator=chance)
    if kind == "uniform":
        return LENGTH * drawn.sort(1).values
    if kind == "halves":
        return LENGTH / 2 * (drawn + torch.tensor([0.0, 1.0]))
    a = SHARE[kind] * LENGTH * drawn[:, 0]
    return torch.stack([a, a + (LENGTH - a) * drawn[:, 1]], 1)


def nearest(ends: Tensor) -> list[str]:
    """The minimum that each (a, b) of (R, 2) has come to, or "elsewhere"."""
    distance = (ends.unsqueeze(1) - torch.tensor(list(MINIMA.values()))).abs().amax(-1)
    least, at = distance.min(1)
    names = list(MINIMA)
    return [names[int(i)] if near <= NEAR else "elsewhere" for near, i in zip(least, at, strict=True)]


def accuracy(a: float, b: float) -> float:
    """How often an infinitely steep student (a, b) is right, in %, over balanced classes."""
    x = torch.linspace(0, LENGTH, 90_001, dtype=torch.float64)[:-1] + 5e-5
    blue = ((x > 2) & (x < 3)) | ((x > 5) & (x < 7))
    said = (x > a) & (x < b)
    return 50 * float(said[blue].double().mean() + (~said[~blue]).double().mean())


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of one method: where each run was, (steps, R, 2), the last as it ended; g (times, R, 181) over the
    line, where it has a guide."""

    path: Tensor
    guide: Tensor | None


def learn(
    name: Name, told: Line, *, seed: int, runs: int = 100, seen: int = 60, begin: Tensor | None = None
) -> Learned:
    """Train `runs` students by one method on the seed's points, from the seed's starts or from `begin` (R, 2)."""
    x, y = points(seed)
    oracle = Oracle(told)
    student = Intervals(starts(told.start, seed, runs) if begin is None else begin, told)
    chance = torch.Generator().manual_seed(seed_for("disk", "guide", seed))
    guide = Guides(runs, oracle(x[:1])[0].shape[1], told.training.bias, chance)
    stream = Samples(x, y, told.training.batch, seed)
    line = torch.linspace(0, LENGTH, 181).unsqueeze(1)
    path, censored = [student.ends.detach().clone()], []
    every = max(1, told.training.epochs * steps_per_epoch(stream, told.training) // seen)

    def watch(moment: Moment) -> None:
        if told.kept:
            student.keep()
        if moment.counted and moment.step % every == 0:
            path.append(student.ends.detach().clone())
            if name == "DiSK":
                with torch.no_grad():
                    censored.append(guide(*oracle(line)))

    play(name, student, guide, oracle, stream, told.training, [watch])
    path.append(student.ends.detach().clone())
    return Learned(torch.stack(path), torch.stack(censored) if censored else None)
