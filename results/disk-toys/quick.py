"""The 1-D toy once more in C, its gradients by hand: many times the package's speed, for the search alone.

What it found is trained again by the package (search.py) before anything is chosen.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import torch

from sparring.recipes import disk_toy_line as line
from sparring.recipes.disk_toy_game import METHODS, Name
from sparring.recipes.disk_toy_line import Line
from sparring.recipes.disk_toys import ON_LINE

WHOLE = ("runs", "points", "batch", "per", "epochs", "inner", "features", "method", "log", "errors", "normalised", "k",
         "period")  # fmt: skip
REAL = ("steep", "scale", "least", "rate", "momentum", "decay", "alpha", "T", "delta", "low", "high", "guide_rate",
        "guide_decay")  # fmt: skip


class Told(ctypes.Structure):
    """quick.c's."""

    _fields_ = [(name, ctypes.c_int) for name in WHOLE] + [(name, ctypes.c_float) for name in REAL]


@cache
def compiled() -> ctypes.CDLL:
    """quick.c, compiled for this machine."""
    made = Path(tempfile.mkdtemp()) / "quick.so"
    source = Path(__file__).with_suffix(".c")
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(made), "-lmvec", "-lm"], check=True)
    return ctypes.CDLL(str(made))


def floats(value: torch.Tensor) -> np.ndarray:
    """For C."""
    return np.ascontiguousarray(value.detach().numpy(), dtype=np.float32)


class Toy:
    """Samples, teacher and R students of one seed and reading."""

    def __init__(self, told: Line, seed: int, points: int, runs: int = 100) -> None:
        self.told, self.runs, self.seed = told, runs, seed
        x, y = line.points(seed, points)
        features, t = line.Oracle(told)(x)
        top = (t[1] > t[0]).float()
        both = torch.ones_like(top)
        masks = (both, both) if told.training.k > 1 else (top, 1 - top)
        blue = torch.softmax(t / told.training.T, 0)[1]
        self.given = [floats(each) for each in (x.squeeze(1), y.float(), blue, *masks, features.T)]
        self.points, self.features = points, features.shape[1]

    def learn(self, name: Name, begin: np.ndarray | None = None) -> np.ndarray:
        """Where the runs end, (R, 2)."""
        told, reading = self.told, self.told.training
        ends = floats(line.starts(told.start, self.seed, self.runs)) if begin is None else begin.copy()
        first = line.Guides(self.runs, self.features, reading.bias, torch.Generator().manual_seed(self.seed))
        batch = reading.batch or self.points
        per = reading.inner if reading.batch is None else self.points // batch
        moves = reading.epochs * per * 2 + 2 * reading.inner
        chance = np.random.default_rng(self.seed)
        epochs = moves // per + 1 if reading.batch else 0
        rows = [chance.permutation(self.points)[: per * batch] for _ in range(epochs)]
        order = np.concatenate(rows).astype(np.int32) if rows else np.zeros(1, np.int32)
        asked = Told(
            runs=self.runs, points=self.points, batch=batch, per=per, epochs=reading.epochs, inner=reading.inner,
            features=self.features, method=METHODS.index(name), log=told.answer == "log", errors=reading.errors,
            normalised=reading.normalised, k=reading.k, period=reading.period, steep=told.steep, scale=told.scale,
            least=told.least, rate=reading.rate, momentum=reading.momentum, decay=reading.decay, alpha=reading.alpha,
            T=reading.T, delta=reading.delta, low=reading.lambda_min, high=reading.lambda_max,
            guide_rate=reading.guide_rate, guide_decay=reading.guide_decay,
        )  # fmt: skip
        arrays = [*self.given, order, ends, floats(first.weight), floats(first.bias)]
        compiled().train(ctypes.byref(asked), *(each.ctypes.data_as(ctypes.c_void_p) for each in arrays))
        return ends


def counts(ends: np.ndarray) -> list[int]:
    """How many ended in A, B, C and elsewhere."""
    each = Counter(line.nearest(torch.from_numpy(ends)))
    return [each[kind] for kind in ON_LINE]


def three(told: Line, seed: int, points: int, runs: int = 100) -> dict[str, list[int]]:
    """The three methods' counts."""
    toy = Toy(told, seed, points, runs)
    ce = toy.learn("CE")
    begin = ce if told.training.warm else None
    return {"CE": counts(ce)} | {name: counts(toy.learn(name, begin)) for name in METHODS[1:]}
