"""What the documentation shows, works as it stands."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from sparring.verbs import distill, train

PAGE = (Path(__file__).parent.parent / "docs" / "your-own-method.md").read_text()


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """my_method.py, as the page has it."""
    method, contract = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_method.py").write_text(method)
    (tmp_path / "test_mine.py").write_text(contract)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    return tmp_path


def test_your_own_method_trains_and_mixes(example: Path) -> None:
    train("mlp-64", "digits", out=example / "teacher", epochs=2)
    options = {"teacher": example / "teacher", "student": "mlp-16", "data": "digits", "epochs": 2}
    file = example / "my_method.py"
    done = distill(**options, method=f"{file}:mine", out=example / "mine", **{"objective.sharpness": 2.0})
    assert done.metrics["test"]["accuracy"] > 0.5
    mixed = distill(**options, method="da", out=example / "mixed", objective=f"{file}:unsure")
    assert mixed.metrics["test"]["accuracy"] > 0.5


def test_your_own_method_keeps_the_contract(example: Path) -> None:
    runpy.run_path(str(example / "test_mine.py"))["test_mine"]()
