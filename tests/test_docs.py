"""What the documentation shows, works as it stands."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sparring.verbs import distill, train

PAGE = (Path(__file__).parent.parent / "docs" / "your-own-method.md").read_text()


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page's files, as it has them."""
    method, climb, turns, hint, contract = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_method.py").write_text(method)
    (tmp_path / "my_climb.py").write_text(climb)
    (tmp_path / "my_turns.py").write_text(turns)
    (tmp_path / "my_hint.py").write_text(hint)
    (tmp_path / "test_mine.py").write_text(contract)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("my_method", "my_climb", "my_turns", "my_hint"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_your_own_method_trains_and_mixes(example: Path) -> None:
    train("mlp-64", "digits", out=example / "teacher", epochs=2)
    options = {"teacher": example / "teacher", "student": "mlp-16", "data": "digits", "epochs": 2}
    file = example / "my_method.py"
    done = distill(**options, method=f"{file}:mine", out=example / "mine", **{"objective.sharpness": 2.0})
    assert done.metrics["test"]["accuracy"] > 0.5
    mixed = distill(**options, method="da", out=example / "mixed", objective=f"{file}:unsure")
    assert mixed.metrics["test"]["accuracy"] > 0.5
    climb = {"perturb.eps": 0.01, "objective.start": 2.0}
    climbed = distill(**options, method=f"{example / 'my_climb.py'}:mine", out=example / "climbed", **climb)
    assert climbed.metrics["test"]["accuracy"] > 0.5
    lines = [json.loads(line) for line in (example / "climbed" / "metrics.jsonl").read_text().splitlines()]
    temperatures = [line["gauges"]["T"] for line in lines if line["kind"] == "train"]
    assert temperatures[-1] > temperatures[0] > 2.0


def test_your_own_loss_on_features_learns_its_adapter(example: Path) -> None:
    train("mlp-64", "digits", out=example / "teacher", epochs=2)
    options = {"teacher": example / "teacher", "student": "mlp-16", "data": "digits", "epochs": 2}
    done = distill(**options, method=f"{example / 'my_hint.py'}:mine", out=example / "hint")
    assert done.metrics["test"]["accuracy"] > 0.5
    lines = [json.loads(line) for line in (example / "hint" / "metrics.jsonl").read_text().splitlines()]
    apart = [line["terms"]["hint"] for line in lines if line["kind"] == "train"]
    assert apart[-1] < 0.5 * apart[0]
    censored = {"method": "disk", "objective.hint": f"{example / 'my_hint.py'}:Direction", "objective.hint.power": 2.0}
    done = distill(**options, out=example / "censored", **censored, **{"objective.guide_lr": 0.001})
    assert done.metrics["changes"]["objective.hint.power"] == 2.0
    assert done.metrics["test"]["accuracy"] > 0.3


def test_your_own_player_takes_its_turns(example: Path) -> None:
    train("mlp-64", "digits", out=example / "teacher", epochs=2)
    options = {"teacher": example / "teacher", "student": "mlp-16", "data": "digits", "epochs": 4}
    done = distill(**options, method=f"{example / 'my_turns.py'}:mine", out=example / "turns")
    assert done.metrics["test"]["accuracy"] > 0.5
    lines = [json.loads(line) for line in (example / "turns" / "metrics.jsonl").read_text().splitlines()]
    assert any("weigher.even" in line["terms"] for line in lines if line["kind"] == "train")


def test_your_own_method_keeps_the_contract(example: Path) -> None:
    runpy.run_path(str(example / "test_mine.py"))["test_mine"]()


def test_your_own_augmentor_learns(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "hard.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "blur.py").write_text(source)
    train("mlp-64", "digits", out=tmp_path / "teacher", epochs=2)
    options = {"teacher": tmp_path / "teacher", "student": "mlp-16", "data": "digits", "epochs": 3}
    phases = {"perturb.begin": "augmentor", "perturb.l_max": 30.0}
    own = {"perturb": "mixes+hard", "perturb.augmentor": f"{tmp_path / 'blur.py'}:Blur", "perturb.start": 0.1}
    done = distill(**options, method="hard-affine", out=tmp_path / "own", **own, **phases)
    assert done.metrics["test"]["accuracy"] > 0.3
    kept = load_file(tmp_path / "own" / "parts.safetensors")
    assert float(kept["perturb.1.final.share"]) != pytest.approx(0.1)
