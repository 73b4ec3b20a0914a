"""What training cost, who won, and where runs come from: the tables and figures that stand beside the results."""

from __future__ import annotations

import numpy as np
import pytest
from folders import write_run
from matplotlib.colors import to_rgb

from sparring.report import groups, runs
from sparring.report.contest import contest
from sparring.report.costs import breakdown, costs, machines, tradeoffs
from sparring.report.figures import COLOURS
from sparring.report.labels import in_two
from sparring.report.origins import origins
from sparring.report.overview import headline, overview

# How eyes without red, green or blue cones see linear RGB (Machado et al. 2009, severity 1).
SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]),
)


def told(table):
    return [dict(zip(table.head, (cell.text for cell in row), strict=True)) for row in table.rows]


def one(path):
    return groups(runs(path))[0]


def test_where_the_time_went(tmp_path):
    for seed in (0, 1):
        more = {"steps": 100, "batches": 100, "macs": 1e6, "seconds": 50.0}
        write_run(tmp_path / f"ce{seed}", method="ce", seed=seed, **more)
        more |= {"batches": 400, "seconds": 150.0, "seconds_before": 30.0, "data_share": 0.5}
        write_run(tmp_path / f"da{seed}", method="da", seed=seed, manifest={"device": f"machine {seed}"}, **more)
    group = one(tmp_path)
    ce, da = told(costs(group))
    assert (ce["times its baseline's"], da["times its baseline's"]) == ("", "3 ×")
    assert (ce["training time"], da["training time"]) == ("50 s", "2.5 min")
    assert da["training its earlier self"] == "30 s"
    assert da["batches of its augmentor or guide, %"] == "75"
    assert (ce["time an update"], da["time an update"]) == ("0.5 s", "1.5 s")
    assert ce["multiply-adds of the student's answers"] == "6.4 billion"  # 100 updates of 64 images of a million
    assert machines(group) == ["cpu", "machine 0", "machine 1"]
    bars = breakdown(group)
    assert bars is not None
    assert "3 min</text>" in bars  # 75 s of training, 75 of waiting, 30 of the earlier self
    assert bars.index("of it waiting for data") < bars.index("training its earlier self") < bars.index("aria-label")
    (picture,) = tradeoffs(group)  # the students' arithmetic is the same
    assert "training time, minutes" in picture


def test_arithmetic_is_drawn_where_it_differs(tmp_path):
    for method, steps in (("ce", 100), ("kd", 200)):
        write_run(tmp_path / method, method=method, steps=steps)
    assert len(tradeoffs(one(tmp_path))) == 2


def test_nothing_known_is_nothing_drawn(tmp_path):
    write_run(tmp_path / "kd", seconds=None, images_per_second=None, peak_memory_bytes=None)
    group = one(tmp_path)
    assert costs(group).head == ("method",)
    assert breakdown(group) is None
    assert tradeoffs(group) == []


def test_every_method_against_every_other(tmp_path):
    for number, method in enumerate(("kd", "da", "dkd", "rkd")):
        for seed in (0, 1, 2):
            write_run(
                tmp_path / f"{method}{seed}", method=method, seed=seed, accuracy=0.7 - number / 50 + seed**2 / 1e3
            )
    group = one(tmp_path)
    found = contest(group)
    assert found is not None
    assert found.names == ("kd", "da", "dkd", "rkd")
    assert [duel and duel.text for duel in found.rows[1]] == ["−2.00", None, "+2.00", "+4.00"]
    assert contest(type(group)(group.data, group.student, group.arms[:3])) is None


def test_an_overview_says_whom_it_helped(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / f"ce{seed}", method="ce", seed=seed, accuracy=0.7)
        write_run(tmp_path / f"kd{seed}", seed=seed, accuracy=0.8 + seed / 100)
    assert overview(groups(runs(tmp_path))) is None
    write_run(tmp_path / "other", student="vgg8")
    found = groups(runs(tmp_path))
    table = overview(found)
    assert table is not None
    first, second = told(table)
    assert first["student and data"] == "resnet8x4 on cifar100"
    assert first["difference to baseline, points [95 %]"] == "+11.00 [+8.52, +13.48] (3)"
    assert (first["verdict"], second["verdict"]) == ("helps", "no verdict")
    assert headline(found) == (
        "The best method helps in 1 of 1 comparison. 1 more network has nothing to be set beside."
    )
    assert headline(found[1:]).startswith("No verdict:")


def test_what_all_runs_share_is_said_once(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / f"kd{seed}", seed=seed, manifest={"torch": f"2.{seed}"})
    found = origins(one(tmp_path))
    assert found.common["device"] == "cpu"
    assert {"torch", "directory", "command"}.isdisjoint(found.common)
    assert [row["torch"] for row in told(found.table)] == ["2.0", "2.1"]
    assert told(found.table)[1]["command"] == "sparring train --method kd --seed 1"


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("kd", ("kd", "")),
        ("kd-simkd + perturb=da", ("kd-simkd", "perturb=da")),
        ("resnet20, da (epochs 6)", ("resnet20, da", "(epochs 6)")),
        ("at + eps=1 (role teacher)", ("at", "eps=1 (role teacher)")),
    ],
)
def test_a_label_in_two(label, parts):
    assert in_two(label) == parts


def test_colours_are_told_apart_by_all_eyes():
    rgb = np.array([to_rgb(colour) for colour in COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for sight in SIGHTS:
        seen = oklab(np.clip(linear @ sight.T, 0, 1))
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 99 * np.eye(len(seen))
        assert apart.min() > 10


def oklab(linear):
    """Linear RGB (N, 3) as OKLab times 100 (Ottosson 2020)."""
    cones = np.array([[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.68069955, 0.10739696]])
    cones = np.vstack([cones, [0.08830246, 0.28171884, 0.6299787]])
    lab = np.array([[0.21045426, 0.79361779, -0.00407205], [1.9779985, -2.42859221, 0.45059371]])
    return 100 * np.cbrt(linear @ cones.T) @ np.vstack([lab, [0.02590404, 0.78277177, -0.80867577]]).T
