"""Every perturbation × targets × objective that the package offers keeps the contract, or is refused when built."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch

from sparring.errors import UserError
from sparring.methods import OBJECTIVE, PERTURB, TARGETS, TEACHERLESS
from sparring.parts.bout import Bout
from sparring.testing import Case, check_method, tiny_batches, tiny_setting, tiny_tapped

OPTIONS = {"hard": {"turns": "joint"}, "disk": {"first": 0.5, "inner": 0.5}}  # so that all have a turn in four steps
EVERY = list(product(PERTURB, TARGETS, OBJECTIVE))


def made(perturb: str, targets: str, objective: str) -> Callable[[], Case]:
    def make() -> Case:
        student = tiny_tapped()
        teacher = None if targets in TEACHERLESS else tiny_tapped(seed=1, widths=(4, 6))
        setting = tiny_setting(teacher, student)
        slots = {"perturb": PERTURB[perturb], "targets": TARGETS[targets], "objective": OBJECTIVE[objective]}
        names = {"perturb": perturb, "targets": targets, "objective": objective}
        parts = {slot: factory(setting, **OPTIONS.get(names[slot], {})) for slot, factory in slots.items()}
        return Case(Bout(student, **parts), teacher)

    return make


def refused(make: Callable[[], Case]) -> str | None:
    """Why a composition is refused, or None."""
    try:
        torch.manual_seed(0)
        make()
    except (UserError, ValueError) as error:
        return str(error)
    return None


WHY = {names: refused(made(*names)) for names in EVERY}


@pytest.mark.parametrize("names", [n for n in EVERY if WHY[n] is None], ids="-".join)
def test_what_is_built_keeps_the_contract(names: tuple[str, str, str]) -> None:
    check_method(made(*names), tiny_batches(2))


def test_what_is_refused_is_told_why() -> None:
    told = {names: why for names, why in WHY.items() if why is not None}
    reasons = ("needs a target", "inner features of a teacher", "censors a teacher", "mixed", "mixes")
    unexplained = {names: why for names, why in told.items() if not any(reason in why for reason in reasons)}
    assert not unexplained
