"""DiSK's toys: their minima are the paper's, no run knows of another, the loss is DiSK's, ends are counted rightly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sparring.core import UserError
from sparring.parts.guided import guided_kd, guided_kd_released
from sparring.recipes import disk_toy_line as line
from sparring.recipes import disk_toy_plane as plane
from sparring.recipes import disk_toys
from sparring.recipes.disk_toy_game import METHODS, Reading, Samples, budget, costs, cross_entropy, play
from sparring.recipes.disk_toys import LINE, ON_LINE, PLANE, PUBLISHED, tally, toys

S4 = [[0.315804, 0.405500, 0.278696], [0.326496, 0.254275, 0.419229]]  # the sheet's worked example at T = 4
T4 = [[0.419229, 0.326496, 0.254275], [0.309234, 0.240832, 0.449933]]


def short(told, epochs=3, **more):
    return replace(told, training=replace(told.training, epochs=epochs, **more))


def worked():
    """s (3, 1, 2), t (3, 2), y (2,), g (1, 2)."""
    s, t = (4 * torch.tensor(rows).log().T for rows in (S4, T4))
    return s.unsqueeze(1), t, torch.tensor([0, 2]), torch.tensor([[0.8, 0.1]])


def test_the_minima_have_the_accuracies_of_the_sheet():
    found = {name: line.accuracy(*ends) for name, ends in line.MINIMA.items()}
    assert found == pytest.approx({"A": 66.667, "B": 83.333, "C": 83.333}, abs=0.01)


def test_a_run_belongs_to_the_minimum_that_its_ends_are_near():
    ends = torch.tensor([[2.1, 2.9], [1.5, 7.5], [5.0, 6.5], [3.5, 5.0], [2.0, 3.8], [5.8, 7.0]])
    assert line.nearest(ends) == ["A", "B", "C", "elsewhere", "elsewhere", "elsewhere"]
    assert plane.nearest(torch.tensor([66.0, 76.0, 84.0, 86.0, 99.0])) == ["70", "80", "80", "90", "100"]


def test_ends_are_counted_by_kind():
    assert tally(["B", "A", "B", "elsewhere"], ON_LINE) == [1, 2, 0, 1]
    for rows in PUBLISHED.values():
        assert all(sum(row) == 100 for row in rows.values())


def test_points_are_balanced_and_blue_where_the_teacher_says_so():
    x, y = line.points(0)
    assert y.sum() == 500
    blue = ((x > 2) & (x < 3) | (x > 5) & (x < 7)).squeeze(1)
    assert (blue == y.bool()).all()
    assert x.min() >= 0
    assert x.max() <= line.LENGTH


@pytest.mark.parametrize("kind", ["uniform", "normal", "unit", "halves", "third", "half"])
def test_students_begin_in_order_on_the_line(kind):
    a, b = line.starts(kind, 0, 500).unbind(1)
    assert (a <= b).all()
    assert a.min() >= 0
    assert b.max() <= line.LENGTH
    most = {"unit": 1.0, "third": 3.0, "half": 4.5, "halves": 4.5}.get(kind, 9.0)
    assert 0.9 * most < a.max() <= most or kind in ("normal", "uniform")


def test_the_loss_is_the_parts_on_the_worked_example():
    s, t, y, g = worked()
    told = Reading(alpha=0.0, T=4.0, k=2)
    assert costs("DiSK", s, t, y, g, told)[0].tolist() == pytest.approx([3.486612, 14.210985], abs=1e-4)
    rows = s[:, 0].T, t.T
    assert torch.allclose(
        costs("DiSK", s, t, y, g, told)[0], guided_kd(*rows, T=4, T_s=4, k=2).distance(g[0]), atol=1e-4
    )
    kd = guided_kd(*rows, T=4, T_s=4, k=2).distance(torch.zeros(2))
    assert torch.allclose(costs("KD", s, t, y, None, told)[0], kd, atol=1e-4)
    released = guided_kd_released(*rows, y, T=4, T_s=4, k=1).distance(g[0])
    assert torch.allclose(costs("DiSK", s, t, y, g, replace(told, k=1, release=True))[0], released, atol=1e-4)
    mixed = costs("DiSK", s, t, y, g, replace(told, alpha=0.25))
    assert torch.allclose(mixed, 0.25 * cross_entropy(s, y) + 0.75 * costs("DiSK", s, t, y, g, told))


def test_the_budget_is_the_sheets():
    s, _, y, _ = worked()
    g = torch.tensor([[0.8, 0.1]])
    charged = float((g * cross_entropy(s, y)).mean())
    assert float(budget(s, y, g, Reading(delta=0.0))) == pytest.approx(charged)
    assert float(budget(s, y, g, Reading(delta=charged / 2))) == pytest.approx(charged / 2)
    assert float(budget(s, y, g, Reading(delta=1.1 * charged))) == 0
    wrong = int((s[:, 0].argmax(0) != y).sum())
    assert wrong == 1  # of two
    assert float(budget(s, y, g, Reading(errors=True))) == pytest.approx(2 * charged)


@pytest.mark.parametrize("batch", [None, 250])
def test_a_run_on_the_line_is_the_same_alone(batch):
    told = short(LINE, batch=batch)
    x, y = line.points(0)
    oracle, stream = line.Oracle(told), Samples(x, y, batch, 0)
    begin = line.starts("uniform", 0, 5)
    for name in METHODS:
        students, guides = line.Intervals(begin, told), guides_of(oracle, x, 5)
        alone, guide = line.Intervals(begin[2:3], told), guides_of(oracle, x, 5, only=2)
        play(name, students, guides, oracle, stream, told.training)
        play(name, alone, guide, oracle, stream, told.training)
        assert torch.allclose(students.ends[2], alone.ends[0], atol=1e-4)
        assert (students.ends - begin).abs().max() > 0.01


def guides_of(oracle, x, runs, only=None):
    made = line.Guides(runs, oracle(x[:1])[0].shape[1], 0.0, torch.Generator().manual_seed(3))
    if only is None:
        return made
    one = line.Guides(1, made.weight.shape[1], 0.0, torch.Generator())
    one.load_state_dict({name: value[only : only + 1] for name, value in made.state_dict().items()})
    return one


def test_a_run_in_the_plane_does_not_know_of_the_others():
    x, y = plane.samples(0, "train", 0.05)
    chance = torch.Generator().manual_seed(0)
    students = plane.Networks(4, (2, 2, 3), chance, bias=True)
    loss = costs("CE", students(x[:60]), torch.zeros(3, 60), y[:60], None, Reading()).mean(-1)
    parameters = list(students.parameters())
    for value, gradient in zip(parameters, torch.autograd.grad(loss[1], parameters), strict=True):
        assert value.shape == gradient.shape
        assert gradient[[0, 2, 3]].abs().max() == 0
        assert gradient[1].abs().max() > 0


def test_a_method_is_reproduced_by_its_seed():
    told = short(LINE, 4)
    first, again, other = (line.learn("DiSK", told, seed=seed, runs=6) for seed in (1, 1, 2))
    assert torch.equal(first.path, again.path)
    assert not torch.equal(first.path[0], other.path[0])
    assert first.guide is not None
    assert ((first.guide >= 0) & (first.guide <= 1)).all()


def test_a_warm_start_begins_where_it_is_told():
    ends = torch.tensor([[1.0, 4.0], [2.0, 8.0]])
    learned = line.learn("KD", short(LINE, 1), seed=0, runs=2, begin=ends)
    assert torch.equal(learned.path[0], ends)


def test_a_seed_is_asked_for(tmp_path):
    with pytest.raises(UserError, match="at least one seed"):
        toys(tmp_path, "smoke", seeds=0)


def test_the_smoke_recipe_writes_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_toys, "SCALES", {"smoke": (1, 4, 1)})
    monkeypatch.setattr(disk_toys, "PLANE", short(PLANE, 1, batch=500))
    page = toys(tmp_path, "smoke")
    told = json.loads((tmp_path / "disk-toys.json").read_text())
    for name, ends in (("line", 4), ("plane", 4)):
        for counts in told[name]["counts"].values():
            assert [len(each) for each in counts] == [ends]
            assert sum(counts[0]) == 4
    assert "| DiSK |" in (tmp_path / "report.md").read_text()
    text = page.read_text()
    assert text.count("<svg") == 4
    assert "far too short" in text
