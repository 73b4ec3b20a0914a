"""DiSK: its losses against the sheet, its options and turns, and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from examples import SHORT, G, S, T, Y, case, near, net, rows
from torch import Tensor, nn

from sparring.core import Batch, Clock, Moment, Network, Output, UserError
from sparring.engine import fit
from sparring.methods import OBJECTIVE
from sparring.methods.disk import TEMPERATURES, Disk
from sparring.parts.guided import (
    guarded,
    guided_kd,
    guided_kd_released,
    lowest,
    released_delta,
    round_at,
    spent_released,
    temperature_curve,
    wave,
)
from sparring.parts.guides import convolutions, perceptron
from sparring.parts.hint import squares
from sparring.testing import check_method, tiny_batches, tiny_setting, tiny_tapped
from sparring.testing.trial import descents, run


@pytest.mark.parametrize("row", ["disk", "fitnets", "simkd-disk"])
def test_the_contract_where_the_inputs_climb(row: str) -> None:
    check_method(case(row, "da", **({} if row == "fitnets" else SHORT)), tiny_batches(3))


@pytest.mark.parametrize("options", [{"guide": "map"}, {"guide": "features"}, {"hint": "fitnets"}, {"hint": "semckd"}])
def test_the_contract_of_disks_options(options: Mapping[str, Any]) -> None:
    check_method(case("disk", **SHORT, **options), tiny_batches(3))


def test_eq_4_of_disk() -> None:
    found = guided_kd(S, T, T=4.0, T_s=4.0, k=2).distance(G)
    near(found, 3.486612, 14.210985)
    near(found.mean(), 8.848798515)
    near(
        guided_kd(S, T, T=4.0, T_s=4.0, k=2).distance(torch.zeros_like(G)).mean(), 17.358856724
    )  # plain cross-entropy form
    near(guarded(T, 2), 1, 1, 0, 1, 0, 1)


def test_eq_4_as_the_code_has_it() -> None:
    found = guided_kd_released(S, T, Y, T=4.0, T_s=3.5, k=2).distance(G)
    near(found, -1.521486, 8.314736)
    near(found.mean(), 3.396624950)
    near(guided_kd_released(S, T, Y, T=4.0, T_s=3.5, k=1).distance(G).mean(), 2.209231213)


def test_a_large_guide_value_switches_learning_off() -> None:
    s = S.clone().requires_grad_()
    norms = []
    for value in (0.0, 1.0, 100.0):
        loss = guided_kd(s, T, T=4.0, T_s=4.0, k=3).distance(torch.full_like(G, value)).sum()
        (gradient,) = torch.autograd.grad(loss, s)
        norms.append(float(gradient.norm()))
    assert norms[0] > norms[1] > 20 * norms[2]


@pytest.mark.parametrize("released", [False, True])
def test_what_is_left_is_the_pull_on_the_students_ln_s(released: bool) -> None:
    both = guided_kd_released(S, T, Y, T=4.0, T_s=3.5, k=2) if released else guided_kd(S, T, T=4.0, T_s=4.0, k=2)
    logged = both.student.log().requires_grad_()
    pulls = [
        torch.autograd.grad(both._replace(student=logged.exp()).distance(g).sum(), logged)[0].sum(-1)
        for g in (G, torch.zeros_like(G))
    ]
    torch.testing.assert_close(both.left(G), pulls[0] / pulls[1])
    near(both.left(torch.zeros_like(G)), 1, 1)


def test_little_g_hides_what_the_student_gives_less() -> None:
    hard, easy = rows([-9.0, 0, 0]), rows([9.0, 0, 0])
    g = torch.tensor([0.05], dtype=torch.float64)
    left = [float(guided_kd(s, rows([99.0, 0, 0]), T=1.0, T_s=1.0, k=1).left(g)) for s in (hard, easy)]
    assert left[0] < 0.01
    assert left[1] > 0.9


def test_where_no_guide_is_nothing_is_taken() -> None:
    both = guided_kd(rows([-40.0, 0, 0]), rows([5.0, 0, 0]), T=1.0, T_s=1.0, k=1)
    near(both.left(torch.zeros(1, dtype=torch.float64)), 1)


def test_no_logarithm_of_nothing() -> None:
    s = rows([500.0, -500, -500])
    assert guided_kd(s, rows([-500.0, 500, 0]), T=1.0, T_s=1.0, k=1).distance(torch.zeros(1)).isfinite().all()


def test_the_budget_of_paper_and_code() -> None:
    for delta, left in ((0.0, 0.606127812), (0.2, 0.406127812), (0.6, 0.006127812)):
        near(overspent_by(delta=delta), left)
    near(overspent_by(delta=0.6, follow="release"), 0.612255624)
    near(spent_released(S, T, Y, G, 5.0), 1.212255624)
    near(spent_released(T, T, Y, G, 5.0), 0.0)  # no error: nothing is spent, where the code divides by 0
    near(0.9 * torch.log1p(2 * G).mean(), 0.512024851)


def test_lambda_and_delta_over_the_rounds() -> None:
    seen = [wave(0.1, 50, at, 50) for at in (0, 10, 25, 40, 49, 50)]
    assert seen == pytest.approx([0.1, 4.865, 25.05, 45.235, 49.9508, 0.1], abs=1e-3)
    assert [wave(1, 5, at, 50) for at in (10, 25, 49)] == pytest.approx([1.382, 3.0, 4.9961], abs=1e-3)
    seen = [released_delta(at) for at in (0, 10, 19, 20, 40, 100, 199)]
    assert seen == pytest.approx([0.6, 0.5, 0.4012, 0.54, 0.486, 0.3543, 0.399], abs=1e-4)


def test_the_fitted_temperature() -> None:
    grid = TEMPERATURES.double()
    curve = temperature_curve(S, T, 4.0, grid)
    assert float(lowest(grid, curve)) == pytest.approx(4.38, abs=0.005)
    there = temperature_curve(S, T, 4.0, lowest(grid, curve).view(1)) / len(S)
    near(there, 0.013187570)


@pytest.mark.parametrize(
    ("kind", "channels", "width", "count"),
    [("mlp", 128, 256, 31_681), ("mlp", 256, 512, 48_065), ("mlp", 64, 128, 23_489), ("features", 128, 256, 25_281)],
)
def test_the_guides_perceptrons_are_the_papers(kind: str, channels: int, width: int, count: int) -> None:
    head = perceptron(width + (100 if kind == "mlp" else 0), (64, 128))
    assert sum(p.numel() for p in head.parameters()) == count


def test_the_guides_convolutions_are_the_codes() -> None:
    heads = [convolutions(*sizes, 100) for sizes in ((128, 256), (256, 512), (128, 128))]  # B24's counts on these
    assert [sum(p.numel() for p in head.parameters()) for head in heads] == [781_457, 905_617, 735_761]


def test_eq_6_of_disk() -> None:
    f_s, f_t = rows([1, 0, 2], [0.5, 1, 0]), rows([0.5, 0.5, 1], [1, 1, 1])
    near(squares(f_s, f_t) * 3, 1.5, 1.25)
    near(((1 - G) * squares(f_s, f_t) * 3).mean(), 0.7125)
    near(squares(f_s, f_t).mean(), 0.458333333)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"T": 0.0}, "T is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"k": 0}, "k is 0"),
        ({"period": 1}, "period is 1, and so λ would stay at lambda_min"),
        ({"lambda_min": 9.0, "lambda_max": 1.0}, "lambda_min is 9"),
        ({"turns": "joint"}, "no phase to measure the student in"),
        ({"logits": 0.0}, "nothing to learn from"),
        ({"hint": "fitnets", "hint_weight": 0.0}, "hint has no effect with hint_weight=0"),
        ({"logits": -1.0}, "logits is -1: give 0 or more"),
        ({"hint_weight": 2.0}, "hint_weight has no effect with hint=none"),
        ({"worst": 2.0}, "worst has no effect with follow=paper"),
        ({"turns": "joint", "T_s": 1.0, "delta": 0.1, "inner": 1.0}, "inner has no effect with turns=joint"),
    ],
)
def test_impossible_options_of_disk(options: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OBJECTIVE["disk"](tiny_setting(tiny_tapped(), tiny_tapped()), **options)


@pytest.mark.parametrize("hint", ["none", "simkd"])  # the latter's student is dressed in layers that know nothing yet
def test_disk_measures_the_student_as_it_starts_in_the_guides_first_turn(hint: str) -> None:
    made = case("disk", first=1.0, inner=1.0, hint=hint)()
    batches = tiny_batches(4)
    student, teacher, objective = tiny_tapped(), made.teacher, made.method.objective
    with torch.no_grad():
        answers = [(student.eval()(b.x).logits, teacher(b.x).logits, b.y) for b in batches]
    s, t, y = (torch.cat(parts) for parts in zip(*answers, strict=True))
    first_turn = [lambda moment: moment.clock.batch == 3]  # the guide's, no step of the student
    run(made, descents(made.method), batches, fit, total=4, watchers=first_turn)
    assert float(objective.allowed()) == pytest.approx(float((s.argmax(1) != y).float().mean()))
    wanted = lowest(TEMPERATURES, temperature_curve(s, t, 4.0, TEMPERATURES))
    torch.testing.assert_close(objective.student_temperature(), wanted.float(), rtol=1e-4, atol=0)


def test_lambda_at_the_end_is_the_one_that_was_used_last() -> None:
    made = case("disk", first=1.0, inner=1.0, lambda_max=5.0)()
    used: list[float] = []
    advise = made.method.objective.overspent
    made.method.objective.overspent = lambda *a: (used.append(float(made.method.objective.lam)), advise(*a))[1]
    run(made, descents(made.method), tiny_batches(2), fit, total=8)
    assert float(made.method.objective.lam) == used[-1] > used[0]


def overspent_by(**options: Any) -> Tensor:
    """What the examples' guide spends above the budget, at λ = 1."""
    objective = objective_of(lambda_min=1.0, lambda_max=1.0, **options)
    return objective.overspent(Output(S), Output(T), G, Batch(S, Y, torch.arange(2))).total()


def objective_of(**options: Any) -> Disk:
    objective = case("disk", **options)().method.objective
    assert isinstance(objective, Disk)
    return objective


@pytest.mark.parametrize(("follow", "rounds"), [("paper", [0, 1, 1, 2, 2, 3]), ("release", [0, 0, 1, 1, 2, 2])])
def test_the_round_in_which_lambda_rises(follow: str, rounds: list[int]) -> None:
    """Guide and student make a round of the paper; student and guide, after the guide's first turn, one of the code."""
    objective = objective_of(first=1.0, inner=1.0, follow=follow)
    seen = []
    for batch in range(2, 20, 3):  # the last of each turn; what it leaves is of the next one
        objective.after_step(Moment(Clock(0, 3, 30, batch), tiny_batches(1)[0], {}))
        seen.append(objective.round)
    assert seen == rounds


@pytest.mark.parametrize(
    ("options", "told"),
    [({"follow": "release"}, "disk-release counts errors"), ({}, "give objective.delta"), ({"delta": 0.2}, None)],
)
def test_mixed_labels(options: Mapping[str, Any], told: str | None) -> None:
    make = case("disk", "mixup", **SHORT, **options)
    if told is not None:
        with pytest.raises(UserError, match=told):
            make()
        return
    (batch,) = tiny_batches(1)
    for player in make().method.players.values():
        player.loss(batch)


def test_what_disk_says_of_its_fit() -> None:
    assert "k=20 guards all 5 classes: the guide's value is added to each" in objective_of().about()
    assert not any("guards" in line for line in objective_of(k=2).about())
    student = net("resnet8", 0)
    teacher = tiny_tapped(seed=1)
    told = Disk(tiny_setting(teacher, student)).about()
    assert "the student starts untrained; DiSK starts from a trained one (--student RUN), see docs/disk.md" in told


def test_a_guide_that_censors_a_hint_alone_and_descends_as_the_student_does_is_told_of() -> None:
    alone = {"hint": "fitnets", "logits": 0.0}
    assert any("came to censor nearly everything; what kept it down" in line for line in objective_of(**alone).about())
    for tame in ({**alone, "guide_lr": 0.001}, {"hint": "fitnets"}):
        assert not any("censor nearly" in line for line in objective_of(**tame).about())
    assert not any("guards all" in line for line in objective_of(**alone).about())  # no class is guarded without eq. 4


def test_the_release_moves_both_at_once_with_its_own_budget_and_temperature() -> None:
    objective = objective_of(follow="release", turns="joint")
    assert objective.turns is None
    assert float(objective.allowed()) == pytest.approx(0.6)
    assert objective.student_temperature() == 3.5


def test_a_convolutional_guide_of_a_teacher_in_half_precision() -> None:
    guide = objective_of(guide="map").guide
    torch.manual_seed(0)
    feature = torch.rand(4, guide.head[0].in_channels, 8, 8)
    torch.testing.assert_close(
        guide(feature.bfloat16(), torch.zeros(4, 3)), guide(feature, torch.zeros(4, 3)), atol=0.05, rtol=0.1
    )


def test_disks_turns() -> None:
    objective = case("disk", first=2.0, inner=1.0)().method.objective
    movers = [objective.whose_turn(Clock(0, 3, 30, batch))[0] for batch in range(0, 21, 3)]
    assert movers == ["guide", "guide", "student", "guide", "student", "guide", "student"]


def test_a_guide_that_censors_everything_is_told() -> None:
    objective = objective_of()
    assert objective.remark() is None
    objective.seen.fill_(1.0)
    assert "the guide's value was 1.00 on its last batch, so it chooses nothing; what kept it" in str(
        objective.remark()
    )
    alone = objective_of(hint="fitnets", logits=0.0)
    alone.seen.fill_(1.0)
    assert "leaves the student next to nothing to learn; what kept it" in str(alone.remark())


def test_a_guide_on_maps_needs_a_teacher_that_has_some() -> None:
    headless = Network(nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert Disk(tiny_setting(headless, tiny_tapped()), guide="map").guide.head[0].in_channels == 5
    with pytest.raises(UserError, match=r"does not end in one: give objective\.guide=map"):
        Disk(tiny_setting(headless, tiny_tapped()))
    with pytest.raises(UserError, match=r"has none: give objective\.guide=mlp"):
        Disk(tiny_setting(net("mlp-16", 1), tiny_tapped()), guide="map")


@pytest.mark.parametrize(("student_first", "begins"), [(False, [0, 6, 12]), (True, [0, 9, 15])])
def test_where_a_round_begins(student_first: bool, begins: list[int]) -> None:
    rounds = [round_at(batch, 3, 3, student_first=student_first) for batch in range(18)]
    assert [rounds.index(number) for number in range(3)] == begins
    assert rounds == sorted(rounds)
