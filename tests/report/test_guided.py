"""The picture of what a guide censors, and the landscape's levels."""

from __future__ import annotations

import numpy as np
import pytest
from folders import write_run
from matplotlib.figure import Figure

from sparring.report import page, runs
from sparring.report.guided import area, curves, groups, guided
from sparring.report.landscape import landscape, levels


def found(values, right, shape=(1, 8, 8)):
    n = len(values)
    names = np.array([["cat", "a name that is far too long"]] * 2)
    told = {"values": np.array(values, np.float32), "ce": np.linspace(0, 1, n), "right": np.array(right)}
    told |= {"taught": np.ones(n, bool), "images": np.random.default_rng(0).random((2, 2, *shape)).astype(np.float16)}
    told |= {"taken": told["values"][::-1], "value": np.array([[0.9, 0.8], [0.1, 0.2]]), "share": np.full((2, 2), 0.25)}
    told |= {"rows": np.array(["most censored", "least censored"])}
    return told | {"label": names, "teacher": names, "student": names[:, ::-1]}


def test_groups_are_of_about_one_size_and_keep_equal_values_together():
    values = np.array([0.0] * 30 + list(np.linspace(0.1, 1, 70)))
    rising = groups(values)
    assert sorted(np.concatenate(rising).tolist()) == list(range(100))
    assert {0.0} <= {float(values[rows].min()) for rows in rising}
    assert sum(0.0 in values[rows] for rows in rising) == 1
    assert [len(rows) for rows in groups(np.arange(100.0))] == [10] * 10
    assert [len(rows) for rows in groups(np.ones(7))] == [7]


def test_the_area_is_the_chance_of_the_right_order():
    values, wrong = np.array([0.1, 0.2, 0.2, 0.9]), np.array([False, True, False, True])
    assert area(values, wrong) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert area(values, np.ones(4, bool)) is None


def test_curves_hold_error_rates_and_say_where_nothing_is_selected():
    whole = Figure()
    curves(whole, found(np.linspace(0, 1, 20), [True] * 10 + [False] * 10))
    above = whole.axes[0]
    assert above.lines[0].get_ydata().tolist() == [0] * 5 + [100] * 5
    assert "for the student's errors: of g 1.000, of the share taken 0.000" in above.get_xlabel()
    whole = Figure()
    curves(whole, found([1.0] * 20, [True] * 10 + [False] * 10))
    assert whole.axes[0].get_xlabel() == "g is as good as the same on all 20 images"


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 1, 40)])
def test_a_page_has_a_runs_guide_and_no_damaged_one(tmp_path, shape):
    path = write_run(tmp_path / "a", method="disk")
    (path / "guide.npz").write_bytes(b"PK cut off")
    (path / "landscape.npz").write_bytes(b"PK cut off")
    assert guided(runs(path)[0]) is None
    assert landscape(runs(path)[0]) is None
    text = page(path, tmp_path / "r.html").read_text()
    assert "guide.npz is damaged, or was written by another version, so its picture is missing here: `sparring" in text
    assert f"`sparring show {path} --landscape` draws it again" in text
    (path / "landscape.npz").unlink()
    np.savez(path / "guide.npz", **found(np.linspace(0, 1, 20), [True, False] * 10, shape))
    text = page(path, tmp_path / "r.html").read_text()
    assert "written by another version" not in text
    for words in ("What the guide of disk", "least censored", "g 0.90, −25 %", "is a name that …", "#010203"):
        assert (words in text) == (words != "#010203"), words


def test_levels_rise_and_are_spread_over_the_values():
    cuts = levels(np.concatenate([np.zeros(50), np.geomspace(1, 1000, 50)]))
    assert cuts == sorted(set(cuts))
    assert cuts[0] == 0
    assert cuts[-1] == 1000
    assert levels(np.ones(9)) == [1.0]
    assert levels(np.array([])) == []
