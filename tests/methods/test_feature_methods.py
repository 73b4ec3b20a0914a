"""Methods that look inside: DiSK and the feature methods through the contract, and their losses against the sheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.parts.bout import Bout
from sparring.testing import Case, check_method, tiny_batches, tiny_setting, tiny_tapped

ROWS: Mapping[str, Mapping[str, Any]] = {
    "disk": {"first": 0.34, "inner": 0.5},
    "disk-release": {"first": 0.34, "inner": 0.5, "k": 2},
    "disk-imagenet": {},
    "fitnets": {},
    "attention": {},
    "semckd": {},
    "simkd": {},
    "simkd-disk": {"first": 0.34, "inner": 0.5},
}


def case(row: str, perturb: str = "clean", **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        student, teacher = tiny_tapped(), tiny_tapped(seed=1, widths=(4, 6))
        setting = tiny_setting(teacher, student)
        slots = METHODS[row]
        objective = OBJECTIVE[slots.objective.name](setting, **{**slots.objective.options, **options})
        moved = PERTURB[perturb](setting)
        return Case(Bout(student, perturb=moved, targets=TARGETS["teacher"](setting), objective=objective), teacher)

    return make


@pytest.mark.parametrize("row", ROWS)
def test_the_contract(row: str) -> None:
    check_method(case(row, **ROWS[row]), tiny_batches())


@pytest.mark.parametrize("row", ["disk", "fitnets", "simkd-disk"])
def test_the_contract_where_the_inputs_climb(row: str) -> None:
    check_method(case(row, "da", **ROWS[row]), tiny_batches(4))


@pytest.mark.parametrize("options", [{"guide": "map"}, {"guide": "features"}, {"hint": "fitnets"}, {"hint": "semckd"}])
def test_the_contract_of_disks_options(options: Mapping[str, Any]) -> None:
    check_method(case("disk", **ROWS["disk"], **options), tiny_batches(4))
