"""Every perturbation × targets × objective that the package offers keeps the contract, or is refused when built."""

from __future__ import annotations

import pytest
from compositions import EVERY, PAGE, made, page, refused

from sparring.testing import check_method, tiny_batches

WHY = {names: refused(*names) for names in EVERY}
REASONS = ("needs a target", "inner features of a teacher", "censors", "mixed", "mixes")


@pytest.mark.parametrize("names", [names for names in EVERY if WHY[names] is None], ids="-".join)
def test_what_is_built_keeps_the_contract(names: tuple[str, str, str]) -> None:
    check_method(made(*names), tiny_batches(2))


def test_what_is_refused_is_told_why() -> None:
    unexplained = {names: why for names, why in WHY.items() if why and not any(reason in why for reason in REASONS)}
    assert not unexplained


def test_the_docs_show_the_same() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/methods/compositions.py`"
