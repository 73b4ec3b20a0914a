"""What stands in the table of a slot makes something of that slot's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from sparring import methods
from sparring.parts.part import Objective, Part, Perturb, Targets

ENTRIES = [
    pytest.param(getattr(methods, table), name, slot, id=f"{table}-{name}")
    for table, slot in {"PERTURB": Perturb, "TARGETS": Targets, "OBJECTIVE": Objective}.items()
    for name in getattr(methods, table)
]


@pytest.mark.parametrize(("table", "name", "slot"), ENTRIES)
def test_a_factory_says_which_slot_it_fills(table: dict[str, Callable[..., Any]], name: str, slot: type) -> None:
    factory = table[name]
    if isinstance(factory, type):
        assert issubclass(factory, Part)
        assert list(inspect.signature(factory.forward).parameters) == list(inspect.signature(slot.__call__).parameters)
    else:
        assert get_type_hints(factory)["return"] is slot
