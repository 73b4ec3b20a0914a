"""Several methods on one pair: equal in all but the method, and told apart by their options."""

from typing import Any

import pytest

from sparring import verbs
from sparring.cli import app
from sparring.errors import UserError
from sparring.launch.outcome import Outcome
from sparring.recipes import config as schema
from sparring.recipes.run import Result

FEW: dict[str, Any] = {"student": "mlp-16", "data": "digits", "epochs": 1, "threads": 1, "device": "cpu", "val": 0.5}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "mlp-32"
    alone = {key: value for key, value in FEW.items() if key not in ("student", "data")}
    verbs.train("mlp-32", "digits", out=out, **(alone | {"epochs": 4}))
    return out


def test_methods_differ_in_nothing_else(teacher, tmp_path):
    ways = ["kd", "da,perturb.p=0.2", "da"]
    found = verbs.compare(ways, teacher, out=tmp_path, seeds=2, **FEW, **{"objective.T": 2})
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"kd", "da", "da-perturb.p-0.2", "ce"}
    configs = {name: schema.read(tmp_path / name / "seed-1" / "config.yaml") for name in ("kd", "da", "ce")}
    assert {config.objective.get("T") for name, config in configs.items() if name != "ce"} == {2}
    assert "T" not in configs["ce"].objective
    assert {(config.epochs, config.seed, config.val) for config in configs.values()} == {(1, 1, 0.5)}
    assert len(found.runs) == 8
    assert found.metrics["method"] == "kd"
    text = found.markdown()
    pairs = [line for line in text.splitlines() if line.startswith("- ") and "2 shared seeds" in line]
    assert len(pairs) == 6  # three methods against the student alone, and each two of them
    with pytest.raises(UserError, match="holds a run already"):
        verbs.compare(ways, teacher, out=tmp_path, seeds=2, **FEW, **{"objective.T": 2})


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (["kd", "kd"], "kd is there twice; options tell two of one method apart, as kd,optim.lr=0.1"),
        (["da"], "a comparison takes two methods or more"),
        (["kd", "dq"], "unknown method 'dq'"),
        (["kd", "da,perturb.q=3"], "unknown key 'perturb.q'. Did you mean 'perturb.p'?"),
        (["kd", "da,p"], "'p' is not understood here"),
        (["da", "kd,"], "'kd,' has nothing on one side of a comma"),
        ("kd", "methods='kd': give methods as a list of two or more, as ['kd', 'da']"),
    ],
)
def test_what_cannot_be_compared_is_told(teacher, tmp_path, methods, told):
    with pytest.raises(UserError) as caught:
        verbs.compare(methods, teacher, out=tmp_path / "runs", baseline=False, **FEW)
    assert told in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_method_beside_the_methods_is_refused(tmp_path):
    with pytest.raises(UserError, match="method='at': give methods as a list"):
        verbs.compare(["kd", "da"], out=tmp_path / "runs", method="at", **FEW)
    for word in ("--method=at", "method=at"):
        with pytest.raises(UserError, match="takes its methods as words, and no --method"):
            app(["compare", "kd", "da", word, "--student", "mlp-16"], exit_on_error=False, result_action="return_value")


def test_the_best_of_those_that_all_attack_is_so_under_attack(tmp_path):
    def run(name, **validation):
        return Result(None, {"validation": validation}, tmp_path / name / "seed-0")  # type: ignore[arg-type]

    at, rslad = run("at", **{"accuracy": 0.9, "pgd-10": 0.1}), run("rslad", **{"accuracy": 0.8, "pgd-10": 0.5})
    for runs, best in (((at, rslad), rslad), ((run("kd", accuracy=0.85), at, rslad), at)):
        assert Outcome(None, {}, runs, tmp_path).best_on_validation() is best  # type: ignore[arg-type]
