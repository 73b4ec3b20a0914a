"""Runs that look alike and are not are never taken for one another's repetition."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from folders import write_run

from sparring.report import markdown, page, runs
from sparring.report.groups import groups
from sparring.report.labels import shortened
from sparring.report.said import NOTHING, sentences
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


def test_a_file_of_ones_own_that_changed_between_seeds_makes_another_arm(tmp_path: Path) -> None:
    for seed, mark in ((0, "aa"), (1, "bb"), (2, "bb")):
        told = {"/my/own.py": mark * 32} | ({"/my/targets.py": "cc" * 32} if seed else {})  # of which seed 0 says none
        write_run(tmp_path / "mine" / str(seed), method="/my/own.py:mine", seed=seed, manifest={"files": told})
        write_run(tmp_path / "kd" / str(seed), seed=seed, accuracy=0.1, manifest={"files": {}})
    assert sorted(told_of(tmp_path)) == [
        ("kd", 3, 0),
        ("own.py:mine (own.py aaaaaaaa)", 1, 0),
        ("own.py:mine (own.py bbbbbbbb)", 2, 0),
    ]


def test_a_student_whose_file_changed_is_not_compared_with_itself(tmp_path: Path) -> None:
    for method, mark in (("ce", "aa"), ("kd", "bb")):
        told = {"files": {"/my/nets.py": mark * 32}}
        write_run(tmp_path / method, method=method, student="/my/nets.py:small", manifest=told)
    assert sorted(label for label, *_ in told_of(tmp_path)) == ["ce (nets.py aaaaaaaa)", "kd (nets.py bbbbbbbb)"]
    assert "nets.py bbbbbbbb against aaaaaaaa" in verdicts(groups(runs(tmp_path))[0])[0].sentence


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


def test_labels_tell_each_key_that_differs_and_no_other(tmp_path):
    for at, (alpha, rate) in enumerate([(0.0123456, 0.0512), (0.02, 0.3), (0.02, 0.0512)]):
        told = {"perturb.alpha": alpha, "perturb.steps": 2, "optim.lr": rate}
        changed = {"perturb.steps": 2} | ({"perturb.alpha": alpha} if at == 0 else {})
        write_run(tmp_path / str(at), method="da", changes=changed, accuracy=0.9 - at / 100, config=told)
    assert [label for label, *_ in told_of(tmp_path)] == [
        "da + perturb.alpha=0.01235 (lr 0.0512)",
        "da + perturb.alpha=0.02 (lr 0.3)",
        "da + perturb.alpha=0.02 (lr 0.0512)",
    ]
    write_run(tmp_path / "kd", config={"optim.lr": 0.1, "optim.momentum": 0.5, "size": 16}, accuracy=0.1)
    assert told_of(tmp_path)[-1][0] == "kd (lr 0.1, momentum 0.5, size 16)"
    assert "da + perturb.alpha=0.01235 (lr 0.0512, momentum 0.9)" in [label for label, *_ in told_of(tmp_path)]


def test_pixels_are_told_as_they_are_written(tmp_path):
    for at, size in enumerate([2 / 255, 0.2, 0.007843]):
        write_run(tmp_path / str(at), method="da", changes={}, accuracy=0.9 - at / 100, config={"perturb.size": size})
    assert [label for label, *_ in told_of(tmp_path)] == [
        f"da + perturb.size={size}" for size in ("2/255", "0.2", "0.007843")
    ]


def test_networks_of_ones_own_go_by_their_files_names(tmp_path):
    write_run(tmp_path / "a", student="/home/a/nets.py:small", config={"teacher": "/home/t.py:big"})
    text = page(tmp_path, tmp_path / "r.html").read_text()
    assert "<h2>nets.py:small on cifar100</h2>" in text
    assert text.count("/home/a/nets.py:small") == 1  # where the numbers come from
    spec = "/a/nets.py:big@/b/big.safetensors"
    assert shortened([spec]) == {spec: "nets.py:big@big.safetensors"}
    write_run(tmp_path / "b", student="/home/b/nets.py:small")
    assert {group.student for group in groups(runs(tmp_path))} == {"a/nets.py:small", "b/nets.py:small"}


def planned_table(folder: Path, scale: str) -> None:
    """A reproduced table of two lines, of one seed each, as `reproduce` leaves it."""
    lines = [{"name": name, "runs": f"row/{name}", "claims": {}} for name in ("ce", "kd-soft")]
    row = {"name": "row", "note": "", "like": False, "metrics": ["accuracy"], "lines": lines}
    write_run(folder / "row/ce/seed-0", method="ce")
    write_run(folder / "row/kd-soft/seed-0", method="kd-adversarial", changes={"objective.kd": 1.0})
    (folder / "t.recipe.json").write_text(json.dumps({"name": "t", "scale": scale, "rows": [row]}))


def test_a_line_of_a_table_is_called_as_the_table_calls_it(tmp_path):
    planned_table(tmp_path, "cpu")
    for place in (tmp_path, tmp_path / "row"):  # wherever the report is asked for
        assert [label for label, *_ in told_of(place)] == ["ce", "kd-soft"]
    assert "kd-adversarial" not in markdown(tmp_path)
    write_run(tmp_path / "other", method="kd-soft", accuracy=0.1)  # which is another thing than the line of that name
    assert [label for label, *_ in told_of(tmp_path)] == ["ce", "kd-adversarial + objective.kd=1.0", "kd-soft"]


def test_a_smoke_test_says_first_that_its_numbers_say_nothing(tmp_path):
    planned_table(tmp_path / "cpu", "cpu")
    planned_table(tmp_path / "smoke", "smoke")
    assert NOTHING not in markdown(tmp_path / "cpu")
    assert markdown(tmp_path / "smoke").startswith(f"**{NOTHING}**")
    text = page(tmp_path / "smoke", tmp_path / "r.html").read_text().partition("<main>")[2]
    assert " ".join(re.sub("<[^>]*>", "", text).split()).startswith(f"smoke test {NOTHING}")
