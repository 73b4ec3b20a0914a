"""HARD's toy (Fig. 2): a perceptron learns cos(x) from two narrow clusters of points, by four kinds of input.

Left to the points themselves it knows nothing about the rest of the line. Mixing them fills the gap between, fixed
noise a little around; a learned Gaussian goes where student and teacher still differ. All seeds learn at once, each in
a channel of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from sparring.core import Batch, Losses, Network, Output, Setting, UserError, term
from sparring.core.seeds import seed_for
from sparring.engine import Compute, Descent, fit
from sparring.files import atomic, write_json, write_text
from sparring.methods import PERTURB
from sparring.parts import schedules
from sparring.parts.bout import Bout
from sparring.parts.teachers import Teacher
from sparring.recipes.rows import Scale
from sparring.report import toy as report
from sparring.report.toy import Learned

CLUSTERS = ((-2.5, -1.5), (1.5, 2.5))  # cos is about -0.4 there: no line between them meets the maximum at 0
POINTS, WIDTH, RANGE, TESTED = 20, 64, 10.0, 100
STEPS, RATE = 10_000, 1e-3
METHODS: dict[str, tuple[str, dict[str, Any]]] = {  # name → (perturb part, its options)
    "KD": ("clean", {}),
    "Mixup": ("mixup", {"alpha": 1.0}),
    "Gaussian noise": ("noise", {"sigma": 1.0}),
    "HARD": (
        "hard",
        {"augmentor": "gaussian", "turns": "joint", "measure": "mse", "lambda_t": 0.0, "lr": RATE, "start": 0.1},
    ),
}


class Cosine(nn.Module):
    """The teacher: what it answers to x (B, S, 1, 1) is cos x, (B, S)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).cos()


class Perceptrons(nn.Module):
    """Students, one for each of S seeds: two hidden ReLU layers of their own between x (B, S, 1, 1) and (B, S)."""

    def __init__(self, seeds: list[int], width: int = WIDTH) -> None:
        super().__init__()
        layers = list(zip(*(perceptron(seed, width) for seed in seeds), strict=True))
        self.weights = nn.ParameterList(torch.stack([one.weight.detach() for one in each]) for each in layers)
        self.biases = nn.ParameterList(torch.stack([one.bias.detach() for one in each]) for each in layers)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1).T.unsqueeze(-1)  # (S, B, 1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias.unsqueeze(1), h, weight.transpose(1, 2))
            h = h if number == 2 else h.relu()
        return h.squeeze(-1).T


def perceptron(seed: int, width: int) -> list[nn.Linear]:
    """The three layers of one student as torch initialises them, from its own seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("toy", "student", seed))
        return [nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, 1)]


def points(seeds: list[int]) -> Tensor:
    """The training inputs: for each seed 20 points in each cluster, (40, S, 1, 1)."""
    columns = []
    for seed in seeds:
        chance = torch.Generator().manual_seed(seed_for("toy", "points", seed))
        drawn = [low + (high - low) * torch.rand(POINTS, generator=chance) for low, high in CLUSTERS]
        columns.append(torch.cat(drawn))
    return torch.stack(columns, 1)[:, :, None, None]


def tested(seeds: list[int]) -> Tensor:
    """The test inputs: for each seed 100 points uniform in [-10, 10], (100, S, 1, 1)."""
    columns = []
    for seed in seeds:
        chance = torch.Generator().manual_seed(seed_for("toy", "test", seed))
        columns.append(RANGE * (2 * torch.rand(TESTED, generator=chance) - 1))
    return torch.stack(columns, 1)[:, :, None, None]


@dataclass(frozen=True, slots=True)
class Whole:
    """A stream that gives all training points, every time."""

    x: Tensor

    @property
    def steps_per_epoch(self) -> int:
        return 1

    def __call__(self, start: int) -> Iterator[Batch]:
        rows = torch.arange(len(self.x))
        while True:
            yield Batch(self.x, torch.zeros(len(self.x), dtype=torch.long), rows)


def learn(method: str, *, seeds: list[int], steps: int, options: Mapping[str, Any] | None = None) -> Learned:
    """Train one student a seed by one of `METHODS`, all at once; none of them meets another.

    options: changes of the perturbation's own. Raises UserError for an unknown method.
    """
    if method not in METHODS:
        raise UserError(f"the toy has no method {method!r}: these are {', '.join(METHODS)}")
    name, own = METHODS[method]
    teacher = Network(Cosine())
    setting = Setting(1, (len(seeds), 1, 1), (0.0,), (1.0,), teacher)
    seen: list[Tensor] = []

    def squared_error(output: Output, target: Output | None, batch: Batch) -> Losses:
        assert target is not None
        seen.append(batch.x.detach().flatten())
        return term("mse", F.mse_loss(output.logits, target.logits))

    torch.manual_seed(seed_for("toy", "parts"))
    part = PERTURB[name](setting, **{**own, **(options or {})})
    bout = Bout(Network(Perceptrons(seeds)), perturb=part, targets=Teacher(teacher), objective=squared_error)
    moves = {
        player: Descent(mover.module, mover.optimizer or partial(Adam, lr=RATE), schedule=schedules.constant)
        for player, mover in bout.players.items()
    }
    compute = Compute(torch.device("cpu"))
    fit(bout, Whole(points(seeds)), descents=moves, total_steps=steps, compute=compute, seed=seeds[0])
    x, line = tested(seeds), torch.linspace(-RANGE, RANGE, 401)
    with torch.no_grad():
        mse = (bout.student(x).logits - x.flatten(1).cos()).square().mean(0)
        curve = bout.student(line.view(-1, 1, 1, 1).expand(-1, len(seeds), 1, 1)).logits.T
    shown = torch.cat(seen[:: max(1, steps // 200)])
    arrays = [value.numpy() for value in (mse, line, curve, shown, points(seeds).flatten())]
    return Learned(*arrays)


def toy(out: Path, scale: Scale, seeds: int | None = None) -> Path:
    """Fill the folder `out` with Fig. 2: an array file a method, toy.json, report.html and report.md; returns the page.

    Methods whose file is there are read, not trained again. scale: "smoke" is 200 steps and three seeds, else ten
    seeds of 10,000 steps (about two minutes on a core).
    """
    steps, count = (200, 3) if scale == "smoke" else (STEPS, 10)
    numbers = list(range(seeds or count))
    protocol = (
        f"Teacher cos(x); students 1-{WIDTH}-{WIDTH}-1, {steps} steps of Adam at {RATE:g} on all {2 * POINTS} points "
        f"(two clusters, {CLUSTERS}); {len(numbers)} seeds, each with points and weights of its own; test MSE on "
        f"{TESTED} points uniform in [-{RANGE:g}, {RANGE:g}]. HARD moves with the student on every step, lambda_t = 0."
    )
    out.mkdir(parents=True, exist_ok=True)
    found = {name: remembered(name, out, seeds=numbers, steps=steps) for name in METHODS}
    errors = {name: each.mse.tolist() for name, each in found.items()}
    write_json(out / "toy.json", {"protocol": protocol, "mse": errors})
    write_text(out / "report.md", report.markdown(found, protocol, whole=steps == STEPS))
    return report.page(found, protocol, out / "report.html", whole=steps == STEPS)


def remembered(method: str, out: Path, *, seeds: list[int], steps: int) -> Learned:
    """What came of a method: read where this very training was done before, else trained and written."""
    path = out / f"{method.lower().replace(' ', '-')}-{len(seeds)}x{steps}.npz"
    if path.exists():
        with np.load(path) as arrays:
            return Learned(**arrays)
    learned = learn(method, seeds=seeds, steps=steps)
    with atomic(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **{field.name: getattr(learned, field.name) for field in fields(learned)})
    return learned
