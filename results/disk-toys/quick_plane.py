"""The 2-D toy once more in C, its gradients by hand: many times the package's speed, for the search alone."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from sparring.recipes import disk_toy_plane as plane
from sparring.recipes.disk_toy_game import METHODS, Name
from sparring.recipes.disk_toy_plane import Plane
from sparring.recipes.disk_toys import ON_PLANE, tally

WHOLE = ("method", "epochs", "batch", "inner", "period", "cosine", "k", "normalised", "errors", "guides", "hidden",
         "bias")  # fmt: skip
REAL = ("rate", "momentum", "decay", "alpha", "T", "delta", "lambda_min", "lambda_max", "guide_rate", "guide_decay")
UNITS, WIDE, CLASSES = 4, 20, 3  # quick_plane.c's
PARTS = {"w": (UNITS, WIDE), "gamma": (UNITS,), "beta": (UNITS,), "v": (CLASSES, WIDE), "b": (CLASSES,)}
NET = np.dtype([(name, np.float32, shape) for name, shape in PARTS.items()])
RUNNING = np.dtype([("mean", np.float32, (UNITS,)), ("var", np.float32, (UNITS,))])


class Told(ctypes.Structure):
    """quick_plane.c's."""

    _fields_ = [(name, ctypes.c_int) for name in WHOLE] + [(name, ctypes.c_float) for name in REAL]


@cache
def compiled() -> ctypes.CDLL:
    """quick_plane.c, compiled for this machine."""
    made = Path(tempfile.mkdtemp()) / "quick.so"
    source = Path(__file__).with_suffix(".c")
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(made), "-lmvec", "-lm"], check=True)
    return ctypes.CDLL(str(made))


@cache
def taught(seed: int, std: float, teacher_decay: float, bias: bool) -> plane.Taught:
    """The package's teacher, at the package's rate and batches of 100 whatever the student's."""
    kept = Path(tempfile.gettempdir()) / f"teacher-{seed}-{std:.3f}-{teacher_decay}-{bias}.pt"
    if kept.exists():
        return plane.Taught(torch.load(kept, weights_only=False))
    made = plane.teach(Plane(std=std, teacher_decay=teacher_decay, bias=bias), seed)
    torch.save(made.network, kept)
    return made


def floats(value: torch.Tensor) -> np.ndarray:
    """For C."""
    return np.ascontiguousarray(value.numpy(), np.float32)


def whole(value: torch.Tensor) -> np.ndarray:
    """Labels for C."""
    return value.numpy().astype(np.int32)


def at(value: np.ndarray | int) -> ctypes.c_void_p | int:
    """As C takes it."""
    return value if isinstance(value, int) else value.ctypes.data_as(ctypes.c_void_p)


def nets(runs: int, fan: int, units: int, outs: int, chance: np.random.Generator) -> np.ndarray:
    """As plane.Networks begins."""
    made = np.zeros(runs, NET)
    first, last = (2 * chance.random((runs, WIDE, WIDE)) - 1 for _ in range(2))
    made["w"][:, :units, :fan] = first[:, :units, :fan] / fan**0.5
    made["gamma"][:, :units] = 1
    before = units or fan
    made["v"][:, :outs, :before] = last[:, :outs, :before] / before**0.5
    return made


def ends(
    told: Plane, seed: int, runs: int, points: int, methods: Sequence[Name] = METHODS, order: int = 0
) -> dict[str, tuple[list[float], list[float]]]:
    """Every run's accuracy at the end, and the best after any epoch, by method; batches keep their share of samples.

    order: of the batches; samples and starts hang on the seed alone.
    """
    x, y = plane.samples(seed, "train", told.std, points)
    test, truth = plane.samples(seed, "test", told.std, 300)
    features, t = taught(seed, told.std, told.teacher_decay, told.bias)(x)
    seen = floats(torch.cat([features, t.T], 1))
    logits, found, begin = floats(t.T), {}, None
    of = told.training
    for name in methods:
        chance = np.random.default_rng(seed)
        students = nets(runs, 2, told.hidden, CLASSES, chance)
        averages = np.zeros(runs, RUNNING)
        averages["var"] = 1
        if begin is not None and of.warm:
            students, averages = (each.copy() for each in begin)
        guides = nets(runs, seen.shape[1], told.guide, 1, np.random.default_rng(seed + 1))
        guides["b"][:, 0] = of.bias
        fields = {field: getattr(of, field) for field in (*WHOLE, *REAL) if hasattr(of, field)}
        fields |= {"method": METHODS.index(name), "batch": (of.batch or 0) * points // 1000, "bias": told.bias}
        c = Told(**fields, guides=told.guide, hidden=told.hidden)
        best, end = np.zeros((2, runs), np.float32)
        given = (floats(x), whole(y), seen.shape[1], seen, logits, len(test), floats(test), whole(truth))
        passed = (at(each) for each in (*given, students, averages, guides, best, end))
        compiled().train(ctypes.byref(c), runs, ctypes.c_uint64(seed * 7919 + order + 1), points, *passed)
        begin = (students, averages) if name == "CE" else begin
        found[name] = (end.tolist(), best.tolist())
    return found


def counts(accuracies: Sequence[float]) -> list[int]:
    """How many at each level."""
    return tally(plane.nearest(torch.tensor(accuracies)), ON_PLANE)
