"""Runs that look alike and are not are never taken for one another's repetition."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import write_run

from sparring.report import page, runs
from sparring.report.groups import groups
from sparring.report.said import sentences
from sparring.report.verdict import every_pair, verdicts


def told_of(path: Path) -> list[tuple[str, int, int]]:
    """Each arm's label, and how many runs it has and how many were superseded."""
    return [(arm.label, len(arm.runs), len(arm.superseded)) for group in groups(runs(path)) for arm in group.arms]


def test_another_start_is_another_arm_and_no_equal_comparison(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"fresh/ce/{seed}", method="ce", seed=seed, accuracy=0.44)
        write_run(tmp_path / f"fresh/kd/{seed}", seed=seed, accuracy=0.42 + 0.01 * seed)
        write_run(tmp_path / f"tip/ce/{seed}", method="ce", seed=seed, accuracy=0.59, start=f"/alone/seed-{seed}")
        write_run(tmp_path / f"tip/kd/{seed}", seed=seed, accuracy=0.6 + 0.01 * seed, start=f"/alone/seed-{seed}")
    labels = [label for label, count, old in told_of(tmp_path) if (count, old) == (2, 0)]
    assert sorted(labels) == ["ce", "ce (start /alone/seed)", "kd", "kd (start /alone/seed)"]
    (group,) = groups(runs(tmp_path))
    assert all(not verdict.unequal for verdict in verdicts(group))  # each against the baseline of its own start
    assert {verdict.against for verdict in verdicts(group)} == {"ce", "ce (start /alone/seed)"}
    crossed = groups(runs([tmp_path / "tip/ce", tmp_path / "fresh/kd"]))[0]
    assert "a start from chance against one from /alone/seed" in verdicts(crossed)[0].sentence


@pytest.mark.parametrize(
    ("what", "label"),
    [
        ({"teacher": {"sha256": "{}" * 32}}, "teacher's weights"),
        ({"start": {"sha256": "{}" * 32}}, "start's weights"),
        ({"data": {"name": "cifar100", "fingerprint": "{}" * 32}}, "data's contents"),
    ],
)
def test_other_weights_and_contents_under_the_same_name(what: dict, label: str, tmp_path: Path) -> None:
    for mark in ("aa", "bb"):
        filled = {key: {k: v.replace("{}", mark) for k, v in told.items()} for key, told in what.items()}
        write_run(tmp_path / mark, seed=0, manifest=filled)
    assert sorted(told_of(tmp_path)) == [(f"kd ({label} {mark * 4})", 1, 0) for mark in ("aa", "bb")]


def test_a_teacher_for_each_seed_is_one_arm(tmp_path: Path) -> None:
    for seed in (0, 1):
        run = write_run(tmp_path / str(seed), seed=seed, manifest={"teacher": {"sha256": f"{seed}" * 64}})
        text = (run / "result.json").read_text().replace('"teacher": "resnet32x4"', f'"teacher": "/t/seed-{seed}"')
        (run / "result.json").write_text(text)
    assert told_of(tmp_path) == [("kd", 2, 0)]


def test_one_teacher_under_two_names_is_one_arm(tmp_path: Path) -> None:
    for seed, name, weights in ((0, "/a/big", "a"), (1, "/a/copy", "a"), (2, "/b/big", "b")):
        run = write_run(tmp_path / str(seed), seed=seed, manifest={"teacher": {"sha256": weights * 64}})
        text = (run / "result.json").read_text().replace('"teacher": "resnet32x4"', f'"teacher": "{name}"')
        (run / "result.json").write_text(text)
    assert sorted(told_of(tmp_path)) == [("kd (teacher /a/big)", 2, 0), ("kd (teacher /b/big)", 1, 0)]


@pytest.mark.parametrize("told", [{"start": "/b/{}"}, {"manifest": {"start": {"sha256": "{}" * 64, "spec": None}}}])
def test_a_start_for_each_seed_is_one_arm(told: dict, tmp_path: Path) -> None:
    for seed in (0, 1):
        filled = {"start": told["start"].format(seed)} if "start" in told else {}
        hashed = {"manifest": {"start": {"sha256": f"{seed}" * 64, "spec": None}}} if "manifest" in told else {}
        write_run(tmp_path / "kd" / str(seed), seed=seed, **filled, **hashed)
    assert told_of(tmp_path) == [("kd", 2, 0)]


def test_what_an_older_version_did_not_write_down_matches_any(tmp_path: Path) -> None:
    write_run(tmp_path / "0", seed=0)
    write_run(tmp_path / "1", seed=1, manifest={"start": {"sha256": "a" * 64, "spec": None}})
    assert told_of(tmp_path) == [("kd", 2, 0)]


def test_a_larger_student_is_not_called_the_same(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        write_run(tmp_path / f"ce/{seed}", method="ce", seed=seed, accuracy=0.4 + 0.01 * seed, parameters=976)
        write_run(tmp_path / f"simkd/{seed}", method="simkd", seed=seed, accuracy=0.6 + 0.02 * seed, parameters=8150)
    text = page(tmp_path, tmp_path / "r.html").read_text()
    assert "than the student on the labels alone, ce (of 976 parameters to its 8.15 thousand)" in text
    assert "the same student" not in text.split("simkd helps")[1][:200]


def test_arms_stand_by_validation_and_by_test_images_where_one_has_no_others(tmp_path):
    def validated(accuracy):
        return {"validation": {"accuracy": accuracy, "nll": 1.0}}

    write_run(tmp_path / "kd", method="kd", accuracy=0.9, **validated(0.5))
    write_run(tmp_path / "da", method="da", accuracy=0.8, **validated(0.6))
    write_run(tmp_path / "ce", method="ce", accuracy=0.5)
    (group,) = groups(runs(tmp_path))
    assert [arm.label for arm in group.arms] == ["ce", "da", "kd"]
    write_run(tmp_path / "dkd", method="dkd", accuracy=0.85, validation=None)
    (group,) = groups(runs(tmp_path))
    assert [arm.label for arm in group.arms] == ["ce", "kd", "dkd", "da"]


def test_finalists_of_a_search_are_told_of_there(tmp_path):
    for place in ("default", "trial-0001"):
        write_run(tmp_path / "finalists" / place / "seed-1", method="da", config={"optim.lr": 0.1 + len(place)})
    (group,) = groups(runs(tmp_path))
    assert group.searched
    assert every_pair(group) == []
    assert sentences(group)[0].startswith("These are the finalists of a search")
    write_run(tmp_path / "other", method="kd")
    (group,) = groups(runs(tmp_path))
    assert not group.searched
