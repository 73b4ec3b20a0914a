"""Gradients side by side: means over seeds, as they are and for the loss, and only what can be compared in one map."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from folders import write_run

from sparring.report import groups, markdown, page, runs
from sparring.report.gradients import FILE, Map, gradients
from sparring.report.heat import blocks, lefts, ticks

LAYERS = (("conv1", "stem", [4, 1, 3, 3]), ("layer1.0", "stage1", [4, 4, 3, 3]), ("fc", "head", [10, 4]))


def wrote(
    root: Path, method: str, seed: int, *, size: float = 1.0, loss: float = 2.0, epoch: int = 2, layers=LAYERS, **more
) -> Path:
    """A run whose layers' gradients are `size` times 0.01, 0.001 and 0.0001."""
    path = write_run(root / f"{method}-{seed}-{epoch}", method=method, seed=seed, **more)
    means = [size * 10.0**-power for power in range(2, 2 + len(layers))]
    rows = [
        {"name": name, "stage": stage, "shape": shape, "mean": mean}
        for (name, stage, shape), mean in zip(layers, means, strict=True)
    ]
    told = {"epoch": epoch, "steps": 10, "loss": loss, "norm": 3.0 * size, "layers": rows}
    told["stages"] = {row["stage"]: row["mean"] for row in rows}
    (path / FILE).write_text(json.dumps(told))
    return path


def maps(root: Path) -> list[Map]:
    (group,) = groups(runs([root]))
    return gradients(group)


def texts(found: Map) -> tuple[list[list[str]], list[list[str]]]:
    return ([[cell.text for cell in row] for row in table.rows] for table in (found.raw, found.scaled))  # type: ignore[return-value]


def test_means_over_seeds_as_they_are_and_for_the_loss(tmp_path):
    for seed in (0, 1):
        wrote(tmp_path, "ce", seed, size=1.0 + seed, loss=2.0)
        wrote(tmp_path, "kd", seed, size=10.0 + 10 * seed, loss=20.0 + 20 * seed, accuracy=0.8)
    (found,) = maps(tmp_path)
    assert found.epoch == 2
    assert found.raw.head == (
        *("method", "stem, 10⁻³", "stage1, 10⁻³", "head, 10⁻³"),
        *("total loss", "norm of the whole gradient"),
    )
    raw, scaled = texts(found)
    assert raw == [
        ["ce", "15 ± 7.1 (2)", "1.5 ± 0.71 (2)", "0.15 ± 0.071 (2)", "2 ± 0 (2)", "4.5 ± 2.1 (2)"],
        ["kd", "150 ± 71 (2)", "15 ± 7.1 (2)", "1.5 ± 0.71 (2)", "30 ± 14 (2)", "45 ± 21 (2)"],
    ]
    assert scaled == [
        ["ce", "7.5 ± 3.5 (2)", "0.75 ± 0.35 (2)", "0.075 ± 0.035 (2)"],
        ["kd", "5 ± 0 (2)", "0.5 ± 0 (2)", "0.05 ± 0 (2)"],  # weighed ten times as much, the very same gradient
    ]
    for word in ("ce (n=2)", "kd (n=2)", "conv1", "layer1.0", "fc", "stem", "stage1", "head", "mean |g| / loss"):
        assert word in found.picture
    assert found.caveats == ()
    used = set(re.findall(r'href="#([^"]+)"', found.picture))
    assert used <= set(re.findall(r' id="([^"]+)"', found.picture))


def test_other_epochs_networks_batches_and_data_have_maps_of_their_own(tmp_path):
    wrote(tmp_path, "ce", 0)
    wrote(tmp_path, "ce", 1, epoch=3)
    wrote(tmp_path, "kd", 0)
    wrote(tmp_path, "simkd", 0, layers=(*LAYERS[:2], ("projector.0", "head", [8, 4, 1, 1])))
    wrote(tmp_path, "da", 0, batch_size=128)
    wrote(tmp_path, "dkd", 0, manifest={"data": {"name": "cifar100", "fingerprint": "beef" * 16}})
    found = [(each.epoch, sorted(row[0].text for row in each.raw.rows)) for each in maps(tmp_path)]
    small = [(2, [f"{name} (batch_size 64)" for name in names]) for names in (["ce", "kd"], ["dkd"], ["simkd"])]
    assert sorted(found) == sorted([*small, (2, ["da (batch_size 128)"]), (3, ["ce (batch_size 64)"])])
    assert found[-1][0] == 3


def test_runs_that_differ_in_the_key_alone_are_one_arm(tmp_path):
    wrote(tmp_path, "ce", 0, config={"gradients": 2})
    write_run(tmp_path / "ce-1", method="ce", seed=1)
    (group,) = groups(runs([tmp_path]))
    assert [(arm.label, len(arm.runs)) for arm in group.arms] == [("ce", 2)]
    assert "ce (n=1)" in gradients(group)[0].picture


def test_what_is_not_alike_is_said(tmp_path):
    for seed in (0, 1):
        wrote(tmp_path, "ce", seed)
    wrote(tmp_path, "kd", 0, config={"optim": {"lr": 0.2}})
    (found,) = maps(tmp_path)
    assert found.caveats == (
        "The seeds are not the same: ce (lr 0.05): 0, 1; kd (lr 0.2): 0.",
        "kd (lr 0.2) and ce (lr 0.05) differ in more than the method: optim.lr 0.2 against 0.05.",
    )
    assert all(caveat in page([tmp_path], tmp_path / "report.html").read_text() for caveat in found.caveats)


@pytest.mark.parametrize("loss", [0.0, -1.0])
def test_a_loss_that_is_no_scale_leaves_its_row_empty(loss, tmp_path):
    wrote(tmp_path, "ce", 0)
    wrote(tmp_path, "kd", 0, loss=loss)
    raw, scaled = texts(maps(tmp_path)[0])
    assert raw[1][1] == "10 (1)"
    assert scaled[1] == ["kd", "", "", ""]


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e12])
def test_sizes_that_are_odd_are_drawn(size, tmp_path):
    wrote(tmp_path, "ce", 0, size=size)
    (found,) = maps(tmp_path)
    assert found.picture.startswith("<svg")
    assert found.raw.rows[0][1].text.endswith("(1)")


def test_a_network_of_many_layers_names_its_stages_alone(tmp_path):
    many = tuple((f"layer{n // 30}.{n}.conv", f"stage{n // 30 + 1}", [4, 4]) for n in range(60))
    wrote(tmp_path, "ce", 0, layers=many)
    (found,) = maps(tmp_path)
    assert "60 layers, in the order of a forward pass" in found.picture
    assert "stage2" in found.picture
    assert "layer1.40.conv" not in found.picture


def test_the_page_and_the_markdown_have_it(tmp_path):
    wrote(tmp_path, "ce", 0)
    wrote(tmp_path, "kd", 0, loss=4.0)
    text = page([tmp_path], tmp_path / "report.html").read_text()
    assert text.count("Gradients in epoch 2") == 1
    for words in (
        "Gradients of losses with different weights are not comparable as they are",
        "runs of the same seed saw the same images in the same order",
        "stage1, 10⁻³",
        "norm of the whole gradient",
        "mean |g| / loss",
    ):
        assert words in text
    text = markdown([tmp_path])
    assert "Gradients in epoch 2, mean |∂L/∂W|:\n\n| method | stem, 10⁻³ |" in text
    assert "Divided by each run's mean total loss:\n\n| method | stem, 10⁻³ |" in text
    assert "| kd | 2.5 (1) | 0.25 (1) | 0.025 (1) |" in text


@pytest.mark.parametrize("text", ["{", "[]", '{"epoch": 2}', '{"epoch": 2, "loss": null, "norm": 1, "layers": []}'])
def test_a_damaged_file_is_told_of(text, tmp_path):
    (wrote(tmp_path, "ce", 0) / FILE).write_text(text)
    assert maps(tmp_path) == []
    assert "cannot be read, so its gradients are missing here" in page([tmp_path], tmp_path / "r.html").read_text()


def test_without_any_there_is_nothing(tmp_path):
    write_run(tmp_path / "ce", method="ce")
    assert maps(tmp_path) == []
    assert "Gradients" not in page([tmp_path], tmp_path / "report.html").read_text()


def test_columns_lie_in_blocks():
    columns = [("a", "stem"), ("b", "stage1"), ("c", "stage1"), ("d", "head")]
    assert blocks(columns) == [(0, 1), (1, 3), (3, 4)]
    where = lefts(columns)
    assert where[0] == 0
    assert where[2] - where[1] == 1
    assert where[1] > 1
    assert where[3] > where[2] + 1


@pytest.mark.parametrize(
    ("ends", "expected"), [((0.9, 6), [1, 2, 5]), ((3, 4), [3, 4]), ((1e-4, 1.0), 5), ((3, 3), [3])]
)
def test_ticks_are_round_and_few(ends, expected):
    found = ticks(*ends)
    assert found == pytest.approx(expected) if isinstance(expected, list) else len(found) == expected
