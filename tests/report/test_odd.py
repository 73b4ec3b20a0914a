"""A file that holds something odd costs the report that alone, and a sentence says which file, what of it, and why."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from folders import write_disagreement, write_run

from sparring.cli import report
from sparring.report import groups, left_out, markdown, page, runs
from sparring.report.attacked import attacked, said_once
from sparring.report.figures import validation_curves
from sparring.report.ledger import kept
from sparring.report.phases import timeline

BALL = {"norm": "linf", "eps": 8 / 255, "part": "test", "images": 1000, "clean": 0.8, "accuracy": 0.4}
AFTER = {"apgd-ce": 0.5, "apgd-t": 0.4}
CHECKS = [{"name": "noise", "passed": True, "says": "fine"}]
LAYERS = [{"name": "conv", "stage": "stem", "shape": [4, 1], "mean": 0.1}]
FILES = {
    "autoattack.json": {"rand-k": {**BALL, "version": "rand", "after": AFTER, "finished": True, "remarks": ["odd"]}},
    "attacks.json": {"pgd-k": {**BALL, "attack": "pgd", "weights": "w", "data": "d", "steps": 3}},
    "robust.json": {"k": {"accuracy": {"pgd-20": 0.5}, "checks": CHECKS}},
    "gradients.json": {"epoch": 1, "loss": 2.0, "norm": 1.0, "layers": LAYERS, "stages": {"stem": 0.1}},
    "corruptions.json": {
        "benchmark": "MNIST-C",
        "source": "made here",
        "part": "test",
        "images": 10,
        "clean": 0.9,
        "accuracy": {"shear": {"1": 0.5}},
        "skipped": {"fog": "needs a library"},
    },
    "imagenet.json": {"a": {"accuracy": 0.1}, "c": {"mce": 0.9}},
    "bias.json": {"bias": 2.0, "accuracy": 0.5, "accuracy/biased": 0.6},
}
ODD = [None, "x", ["x"], [1], {}, {"x": {"y": 1}}, -1, 1e300, 10**400, True, float("nan"), "\ud800"]
CLAIM = {"source": "Table I", "published": {"mean": 74.59, "sd": None, "n": 5}, "protocol": "paper"}
TAUGHT = {"name": "big", "test": {"accuracy": 0.8}, "parameters": 10.0}


def whole(root: Path) -> Path:
    """Two runs that the report has something of everything to say of; returns the first."""
    write_run(root / "ce", method="ce")
    more = {"claim": CLAIM, "teacher_facts": TAUGHT, "exits": {"exit1": {"accuracy": 0.5}}, "remarks": ["did nothing"]}
    run = write_run(root / "kd", changes={"perturb.p": 0.5}, images={"test": 10}, start="runs/a", **more)
    for name, told in FILES.items():
        (run / name).write_text(json.dumps(told))
    write_disagreement(run)
    return run


def ways(told, so_far: tuple = ()) -> list[tuple]:
    """Every way that leads to a value in what a file tells."""
    found = [so_far] if so_far else []
    inside = told.items() if isinstance(told, dict) else enumerate(told[:1]) if isinstance(told, list) else ()
    return found + [way for key, value in inside for way in ways(value, (*so_far, key))]


def mutations(told):
    """What a file tells with each of its values in turn dropped, or odd."""
    for number, way in enumerate(ways(told)):
        changed = inner = copy.deepcopy(told)
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = ODD[number % len(ODD)]
        yield changed
        if number % 2 and isinstance(inner, dict):
            del inner[way[-1]]
            yield changed


@pytest.mark.parametrize("name", [*FILES, "result.json", "manifest.json", "config.yaml"])
def test_no_odd_file_stops_the_report(name, tmp_path):
    run = whole(tmp_path)
    for other in FILES.keys() - {name}:
        (run / other).unlink()
    read, write = (yaml.safe_load, yaml.safe_dump) if name.endswith("yaml") else (json.loads, json.dumps)
    for config in tmp_path.glob("*/config.yaml"):  # which are slow to read
        config.unlink()
    if name == "config.yaml":
        (run / name).write_text(write({"method": "kd", "seed": 0, "optim": {"lr": 1}, "perturb": {"hard": {"p": 1}}}))
    for changed in mutations(read((run / name).read_text())):
        (run / name).write_text(write(changed))
        assert "# resnet8x4 on cifar100" in markdown([tmp_path]).encode().decode()


@pytest.mark.parametrize("text", ["null", "[]", "{}", "3", '{"a": null}', '{"a": []}', '{"a": {"b": 1}}'])
def test_whatever_a_file_holds_the_report_is_written_and_it_is_told(text, tmp_path):
    run = whole(tmp_path)
    for name in [*FILES, "manifest.json", "config.yaml", "disagreement.json"]:
        (run / name).write_text(text)
    (run / "metrics.jsonl").write_text(f'{text}\n{{"kind": "train", "epoch": 1, "step": null, "terms": {text}}}')
    told = markdown([tmp_path])
    assert "| kd + perturb.p=0.5 (start runs/a) |" in told
    known = {Path(line.split(" ")[0]).name for line in left_out([tmp_path])}
    assert known >= FILES.keys() - {"imagenet.json"}
    assert all(str(run / name) in told for name in known)


def test_a_file_that_is_too_deep_is_damaged(tmp_path):
    run = whole(tmp_path)
    (run / "robust.json").write_text("[" * 100_000)
    (line,) = left_out([run])
    assert line.startswith(f"{run / 'robust.json'} cannot be read, so what it held is missing here (it is damaged)")


def test_a_page_is_written_of_what_is_left(tmp_path):
    run = whole(tmp_path)
    for name in [*FILES, "manifest.json", "config.yaml", "disagreement.json", "metrics.jsonl"]:
        (run / name).write_text('{"kind": "train", "epoch": {"x": null}, "data": 3, "rows": [1]}')
    text = page([tmp_path], tmp_path / "report.html").read_text()
    assert "Results on the test set" in text
    assert str(run / "robust.json") in text


def test_the_rest_of_a_file_stays_and_what_is_left_out_is_told(tmp_path, capsys):
    run = whole(tmp_path)
    for slow in ("gradients.json", "disagreement.json", "disagreement_examples.npz", "metrics.jsonl"):
        (run / slow).unlink()
    good = FILES["autoattack.json"]["rand-k"]
    bad = {"rand-b": {**good, "clean": "much"}, "rand-c": {key: good[key] for key in good if key != "part"}}
    (run / "autoattack.json").write_text(json.dumps({"rand-k": good, **bad, "rand-d": {**good, "accuracy": 40}}))
    (group,) = groups(runs([tmp_path]))
    assert "AutoAttack rand, ℓ∞ 8/255, 1,000 images" in [found.title for found in attacked(group)]
    assert kept(runs([run])[0], "autoattack.json") == {"rand-k": good}
    line = (
        f"{run / 'autoattack.json'} is read without rand-c (its part is missing), rand-b (its clean should be a number "
        'and is "much"), rand-d (its accuracy should be less than or equal to 1 and is 40); `sparring evaluate` '
        "measures it again."
    )
    assert left_out([tmp_path]) == [line]
    assert line in markdown([tmp_path])
    report(tmp_path)
    assert line in capsys.readouterr().err
    assert line.partition(" (")[0] in (tmp_path / "report.html").read_text()


def test_an_odd_test_for_masked_gradients_is_not_passed_over(tmp_path):
    run = whole(tmp_path)
    checks = [*CHECKS, {"name": "radius", "passed": "no", "says": "masked"}]
    (run / "robust.json").write_text(json.dumps({"k": {"accuracy": {"pgd-20": 0.5}, "checks": checks}}))
    text = markdown([tmp_path])
    assert "speaks of masked gradients" not in text
    assert 'robust.json is read without k (its checks.1.passed should be true or false and is "no")' in text


def test_an_odd_result_is_not_counted_and_the_others_are(tmp_path):
    run = whole(tmp_path)
    told = json.loads((run / "result.json").read_text())
    for changed, words in (
        ({**told, "seed": "0"}, 'cannot be read: its seed should be a whole number and is "0"'),
        (
            {**told, "test": {"accuracy": 70}},
            "test accuracy that can be read: test.accuracy, it should be less than or",
        ),
    ):
        (run / "result.json").write_text(json.dumps(changed))
        text = markdown([tmp_path])
        assert words in text
        assert "reaches 70.00 % test accuracy (n=1)" in text


def test_an_odd_line_of_the_journal_is_left_out_and_told(tmp_path):
    run = whole(tmp_path)
    good = [{"kind": "epoch", "epoch": epoch, "validation": {"accuracy": 0.5}} for epoch in (1, 2)]
    odd = [{"kind": "epoch", "epoch": "3"}, [], {"kind": "train", "epoch": 1, "terms": {"ce": "x"}}, {"kind": "newer"}]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, good + odd)))
    (line,) = left_out([run])
    assert line.startswith(f"{run / 'metrics.jsonl'} is read without line 3 (its epoch should be a number and is")
    assert "line 4 (it should be an object and is a list), line 5.terms.ce (it should be" in line
    (group,) = groups(runs([run]))
    assert validation_curves(group)


def test_a_journal_that_goes_back_is_drawn(tmp_path):
    run = whole(tmp_path)
    line = {"kind": "train", "epoch": 1, "gauges": {"distance": 1.0, "error": 3.0}}
    lines = [line | {"batch": batch, "step": step} for batch, step in ((10, 900), (20, 0), (15, 5))]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert timeline(runs([run])[0])


def test_an_odd_plan_costs_its_row(tmp_path):
    run = whole(tmp_path)
    line = {"name": "kd", "runs": run.name, "claims": {"accuracy": CLAIM}}
    row = {"name": "row", "note": "", "like": True, "metrics": ["accuracy"], "lines": [line]}
    rows = [row, 3, {**row, "against": ["nobody"]}, {**row, "lines": [{**line, "claims": {"accuracy": {}}}]}]
    (tmp_path / "t.recipe.json").write_text(json.dumps({"name": "t", "scale": "cpu", "rows": rows}))
    assert markdown([tmp_path]).count("## t, cpu scale: row") == 1
    (told,) = left_out([tmp_path])
    for words in (
        "row 2 (it should be an object and is 3)",
        "row 3 (it holds its lines against one",
        "row 4 (its lines",
    ):
        assert words in told


def test_remarks_with_signs_of_their_own_are_kept_apart():
    found = [("kd", 0, "a # b 3"), ("kd", 1, "a 5 b 3")]
    assert said_once(found) == ["kd, seed 0: a # b 3", "kd, seed 1: a 5 b 3"]
