"""Methods on the tiny networks, and the worked examples (FIX-A): two rows of three classes, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sparring import nets
from sparring.core import Network
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.parts.bout import Bout
from sparring.testing import Case, tiny_setting, tiny_tapped

SHORT = {"first": 0.34, "inner": 0.5}


def case(row: str, perturb: str = "clean", **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        student, teacher = tiny_tapped(), tiny_tapped(seed=1, widths=(4, 6))
        setting = tiny_setting(teacher, student)
        slots = METHODS[row]
        objective = OBJECTIVE[slots.objective.name](setting, **{**slots.objective.options, **options})
        moved = PERTURB[perturb](setting)
        return Case(Bout(student, perturb=moved, targets=TARGETS["teacher"](setting), objective=objective), teacher)

    return make


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


S, T = rows([1, 2, 0.5], [0, -1, 1]), rows([2, 1, 0], [0.5, -0.5, 2])


Y, G = torch.tensor([0, 2]), torch.tensor([0.8, 0.1], dtype=torch.float64)


def near(value: Tensor, *wanted: float) -> None:
    torch.testing.assert_close(value, torch.tensor(wanted, dtype=value.dtype).view(value.shape), atol=1e-6, rtol=0)


def net(name: str, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nets.build(name, classes=5, shape=(3, 8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)
