"""Finding and reading runs, and sorting them."""

from __future__ import annotations

import json

import pytest
from folders import write_run

from sparring.core import UserError
from sparring.recipes.config import Config
from sparring.report import groups, runs
from sparring.report.groups import ASIDE, TOLD
from sparring.report.ledger import history, loss_terms
from sparring.report.verdict import TRAINING


def test_finds_runs_at_any_depth_once(tmp_path):
    a = write_run(tmp_path / "out/kd/seed-0")
    write_run(tmp_path / "out/ce/seed-0", method="ce")
    write_run(tmp_path / "out/.trash/seed-0")
    (a / "checkpoints").mkdir()
    found = runs([tmp_path, a])
    assert [(run.method, run.seed, run.finished) for run in found] == [("ce", 0, True), ("kd", 0, True)]
    assert runs(str(a)) == runs([a])
    assert found[1].number("test", "nll") == 1.2
    assert found[1].number("test", "missing", "deep") is None
    assert found[1].fingerprint == "f00d" * 16


def test_unfinished_runs_are_listed_with_the_reason(tmp_path):
    write_run(tmp_path / "a", finished=False)
    (write_run(tmp_path / "b") / "result.json").write_text('{"method": "kd", "stu')
    (write_run(tmp_path / "c") / "result.json").write_text('{"method": "kd", "student": "s", "data": "d"}')
    write_run(tmp_path / "d", test={"nll": 1.0})
    found = runs(tmp_path)
    assert [run.problem for run in found] == [
        "not finished",
        "result.json cannot be read: it is damaged",
        "result.json cannot be read: its seed is missing",
        "result.json says no test accuracy",
    ]
    assert found[0].method == "kd"
    assert groups(found) == []


def test_what_is_not_a_run_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, words in (("none", "does not exist"), ("file", "is a file"), ("empty", "No run was found in")):
        with pytest.raises(UserError, match=words):
            runs([tmp_path / name])


def test_only_result_json_is_enough(tmp_path):
    path = write_run(tmp_path / "a", logged=False)
    (path / "config.yaml").unlink()
    (path / "manifest.json").unlink()
    (run,) = runs(path)
    assert run.finished
    assert history(run) == []
    assert loss_terms(run) == {}
    assert run.fingerprint is None


def test_log_of_a_killed_and_resumed_run(tmp_path):
    path = write_run(tmp_path / "a", logged=False)
    lines = [{"kind": "epoch", "epoch": e, "validation": {"accuracy": a}} for e, a in ((1, 0.1), (2, 0.2), (2, 0.3))]
    steps = [{"kind": "train", "epoch": 1, "step": s, "terms": {"ce": v}} for s, v in ((1, 4.0), (2, 2.0))]
    (path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines + steps)) + '\n{"kind": "epo')
    (run,) = runs(path)
    assert [(line["epoch"], line["validation"]["accuracy"]) for line in history(run)] == [(1, 0.1), (2, 0.3)]
    assert loss_terms(run) == {"ce": [(1.0, 3.0)]}


def test_loss_terms_are_means_over_the_steps_of_their_epoch(tmp_path):
    (run,) = runs(write_run(tmp_path / "a", epochs=2))
    assert loss_terms(run) == {"ce": [(1.0, 2.0), (2.0, 1.0)], "kd": [(1.0, 6.0), (2.0, 3.0)]}


def test_students_and_data_sets_are_kept_apart(tmp_path):
    write_run(tmp_path / "a", method="ce")
    write_run(tmp_path / "b", method="kd")
    write_run(tmp_path / "c", method="kd", student="vgg8")
    write_run(tmp_path / "d", method="kd", data="flowers")
    found = groups(runs(tmp_path))
    assert [(g.data, g.student, len(g.arms)) for g in found] == [
        ("cifar100", "resnet8x4", 2),
        ("cifar100", "vgg8", 1),
        ("flowers", "resnet8x4", 1),
    ]


def test_an_arm_is_what_differs_by_more_than_the_seed(tmp_path):
    for seed in (0, 1):
        for heat in (2, 4):
            told = {"config": {"objective.T": heat, "threads": seed + 1}, "teacher": f"runs/teacher/seed-{seed}"}
            write_run(tmp_path / f"t{heat}/seed-{seed}", seed=seed, accuracy=0.7 + heat / 100, **told)
        write_run(tmp_path / f"ce/seed-{seed}", method="ce", seed=seed, accuracy=0.9)
    (group,) = groups(runs(tmp_path))
    assert [arm.label for arm in group.arms] == ["ce", "kd + objective.T=4", "kd + objective.T=2"]
    assert [[run.seed for run in arm.runs] for arm in group.arms] == [[0, 1]] * 3


def test_a_mixed_method_is_called_by_what_it_is(tmp_path):
    write_run(tmp_path / "row", method="kd-simkd")
    write_run(tmp_path / "mix", method="kd-simkd", changes={"perturb": "da", "perturb.p": 0.5})
    write_run(tmp_path / "hot", method="kd-simkd", changes={"objective.t2": False}, accuracy=0.1)
    write_run(tmp_path / "alone", method="ce", changes={})
    write_run(tmp_path / "smooth", method="ce", changes={"objective.smoothing": 0.1}, accuracy=0.6)
    write_run(tmp_path / "small", method="at", changes={"perturb.size": 0.75 / 7}, accuracy=0.7)
    (group,) = groups(runs(tmp_path))
    assert [arm.label for arm in group.baselines] == ["ce"]
    assert sorted(arm.label for arm in group.contenders) == [
        "at + perturb.size=0.1071",
        "ce + objective.smoothing=0.1",
        "kd-simkd",
        "kd-simkd + objective.t2=false",
        "kd-simkd + perturb=da, perturb.p=0.5",
    ]


def test_the_later_run_of_a_seed_counts(tmp_path):
    write_run(tmp_path / "b", accuracy=0.1, manifest={"started": "2026-01-01"})
    write_run(tmp_path / "a", accuracy=0.2, manifest={"started": "2026-01-02"})
    ((arm,),) = (group.arms for group in groups(runs(tmp_path)))
    assert arm.values("test", "accuracy") == [0.2]
    assert [run.path.name for run in arm.superseded] == ["b"]


def test_the_report_speaks_of_the_configurations_own_keys():
    assert set(Config.model_fields) >= ASIDE | TOLD | TRAINING
