"""Methods that look inside: DiSK and the feature methods through the contract, and their losses against the sheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring import nets
from sparring.core import Batch, Clock, Moment, Network, Output, Setting, UserError
from sparring.engine import fit
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.attention import attention_map
from sparring.methods.disk import TEMPERATURES, Disk
from sparring.methods.fitnets import adapter
from sparring.methods.semckd import weighed
from sparring.methods.simkd import SimKD
from sparring.nets.reused import projector
from sparring.parts.bout import Bout
from sparring.parts.guided import (
    guarded,
    guided_kd,
    guided_kd_released,
    lowest,
    released_delta,
    spent_released,
    temperature_curve,
    wave,
)
from sparring.parts.guides import convolutions, perceptron
from sparring.parts.hint import squares
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting, tiny_tapped
from sparring.testing.trial import descents, run

SHORT = {"first": 0.34, "inner": 0.5}


def case(row: str, perturb: str = "clean", **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        student, teacher = tiny_tapped(), tiny_tapped(seed=1, widths=(4, 6))
        setting = tiny_setting(teacher, student)
        slots = METHODS[row]
        objective = OBJECTIVE[slots.objective.name](setting, **{**slots.objective.options, **options})
        moved = PERTURB[perturb](setting)
        return Case(Bout(student, perturb=moved, targets=TARGETS["teacher"](setting), objective=objective), teacher)

    return make


@pytest.mark.parametrize("row", ["disk", "fitnets", "simkd-disk"])
def test_the_contract_where_the_inputs_climb(row: str) -> None:
    check_method(case(row, "da", **({} if row == "fitnets" else SHORT)), tiny_batches(3))


@pytest.mark.parametrize("options", [{"guide": "map"}, {"guide": "features"}, {"hint": "fitnets"}, {"hint": "semckd"}])
def test_the_contract_of_disks_options(options: Mapping[str, Any]) -> None:
    check_method(case("disk", **SHORT, **options), tiny_batches(3))


# FIX-A: two rows of three classes, on which every number below was worked out by hand.
def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


S, T = rows([1, 2, 0.5], [0, -1, 1]), rows([2, 1, 0], [0.5, -0.5, 2])
Y, G = torch.tensor([0, 2]), torch.tensor([0.8, 0.1], dtype=torch.float64)


def near(value: Tensor, *wanted: float) -> None:
    torch.testing.assert_close(value, torch.tensor(wanted, dtype=value.dtype).view(value.shape), atol=1e-6, rtol=0)


def test_eq_4_of_disk() -> None:
    found = guided_kd(S, T, G, T=4.0, T_s=4.0, k=2)
    near(found, 3.486612, 14.210985)
    near(found.mean(), 8.848798515)
    near(guided_kd(S, T, torch.zeros_like(G), T=4.0, T_s=4.0, k=2).mean(), 17.358856724)  # plain cross-entropy form
    near(guarded(T, 2), 1, 1, 0, 1, 0, 1)


def test_eq_4_as_the_code_has_it() -> None:
    found = guided_kd_released(S, T, G, Y, T=4.0, T_s=3.5, k=2)
    near(found, -1.521486, 8.314736)
    near(found.mean(), 3.396624950)
    near(guided_kd_released(S, T, G, Y, T=4.0, T_s=3.5, k=1).mean(), 2.209231213)


def test_a_large_guide_value_switches_learning_off() -> None:
    s = S.clone().requires_grad_()
    norms = []
    for value in (0.0, 1.0, 100.0):
        (gradient,) = torch.autograd.grad(guided_kd(s, T, torch.full_like(G, value), T=4.0, T_s=4.0, k=3).sum(), s)
        norms.append(float(gradient.norm()))
    assert norms[0] > norms[1] > 20 * norms[2]


def test_no_logarithm_of_nothing() -> None:
    s = rows([500.0, -500, -500])
    assert guided_kd(s, rows([-500.0, 500, 0]), torch.zeros(1), T=1.0, T_s=1.0, k=1).isfinite().all()


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


def test_attention_transfer() -> None:
    f_s = torch.tensor([[[[1.0, 2], [0, 1]], [[0, 1], [1, 1]]]], dtype=torch.float64)
    f_t = torch.tensor([[[[2.0, 0], [1, 1]], [[1, 1], [0, 0]]]], dtype=torch.float64)
    near(attention_map(f_s), 0.179605, 0.898027, 0.179605, 0.359211)
    near(attention_map(f_t), 0.944911, 0.188982, 0.188982, 0.188982)
    near(squares(attention_map(f_s), attention_map(f_t)).mean(), 0.279375624)


def test_semckds_weighing() -> None:
    a, distances = rows([0.7, 0.3], [0.4, 0.6]).unsqueeze(1), rows([0.2, 0.5], [0.1, 0.3]).unsqueeze(1)
    near(weighed(a, distances).mean(), 0.255)


def test_eq_6_of_disk() -> None:
    f_s, f_t = rows([1, 0, 2], [0.5, 1, 0]), rows([0.5, 0.5, 1], [1, 1, 1])
    near(squares(f_s, f_t) * 3, 1.5, 1.25)
    near(((1 - G) * squares(f_s, f_t) * 3).mean(), 0.7125)
    near(squares(f_s, f_t).mean(), 0.458333333)


@pytest.mark.parametrize(
    ("student", "teacher", "kind", "seen"),
    [
        ((8, 16, 16), (16, 8, 8), nn.Conv2d, (16, 8, 8)),
        ((8, 8, 8), (16, 16, 16), nn.ConvTranspose2d, (16, 16, 16)),
        ((8, 8, 8), (16, 8, 8), nn.Conv2d, (16, 8, 8)),
        ((8, 8, 8), (16, 6, 6), nn.Conv2d, (16, 6, 6)),
        ((8, 4, 4), (16, 14, 14), nn.Conv2d, (16, 4, 4)),
    ],
)
def test_fitnets_adapter_meets_the_teachers_map(
    student: tuple[int, ...], teacher: tuple[int, ...], kind: type[nn.Module], seen: tuple[int, ...]
) -> None:
    net = adapter(student, teacher)
    assert isinstance(net[0], kind)
    assert tuple(net(torch.zeros(2, *student)).shape[1:]) == seen


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [(256, 256, (214_016, 70_400, 26_240)), (128, 256, (197_632, 62_208, 22_144)), (64, 128, (49_664, 15_744, 5_696))],
)
def test_simkds_projector_is_the_papers(before: int, after: int, counts: tuple[int, ...]) -> None:
    found = [sum(p.numel() for p in projector(before, after, factor).parameters()) for factor in (2, 4, 8)]
    assert found == list(counts)


def test_simkd_predicts_through_the_teachers_classifier_and_is_counted_with_it(tmp_path: Path) -> None:
    student, teacher = net("resnet8", 1), net("resnet14", 2)
    objective = SimKD(Setting(5, (3, 8, 8), (0.5,) * 3, (0.25,) * 3, teacher, student))
    before = student.body.get_submodule("fc").weight.clone()
    dressed = objective.dress(student)
    x = torch.rand(4, 3, 8, 8)
    dressed.eval()
    answer = dressed(x, ("projected",))
    own = teacher.body.get_submodule("fc")
    torch.testing.assert_close(answer.logits, own(answer.features["projected"].mean((2, 3))))
    assert not any(torch.equal(before, p) for p in dressed.parameters())
    assert not dressed.body.classifier.weight.requires_grad
    path = nets.save(dressed, tmp_path / "student.safetensors")
    again = nets.load(f"resnet8@{path}")
    assert torch.equal(again.eval()(x).logits, answer.logits)
    assert objective.dress(again) is again


def test_a_teacher_whose_classifier_sees_more_than_the_mean_is_refused() -> None:
    with pytest.raises(UserError, match="does not see the mean over its last feature map"):
        SimKD(tiny_setting(with_map(tiny_net(seed=1)), tiny_tapped()))


def with_map(net: Network) -> Network:
    net.taps = {"map": "2", "features": "4"}
    return net


def net(name: str, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nets.build(name, classes=5, shape=(3, 8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize("name", ["disk", "fitnets", "attention", "semckd", "simkd"])
def test_without_a_teacher_there_are_no_features(name: str) -> None:
    with pytest.raises(UserError, match="reads the inner features of a teacher"):
        OBJECTIVE[name](tiny_setting(None, tiny_tapped()))


def test_targets_that_have_no_features_are_refused() -> None:
    student, teacher = tiny_tapped(), tiny_tapped(seed=1)
    objective = OBJECTIVE["fitnets"](tiny_setting(teacher, student))
    with pytest.raises(UserError, match="these targets have none"):
        Bout(
            student,
            perturb=PERTURB["clean"](tiny_setting(teacher)),
            targets=lambda x, b: teacher(x),
            objective=objective,
        )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"T": 0.0}, "T is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"k": 0}, "k is 0"),
        ({"lambda_min": 9.0, "lambda_max": 1.0}, "lambda_min is 9"),
        ({"turns": "joint"}, "no phase in which to measure"),
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
    run(made, descents(made.method), batches, fit, total=4, until=4)  # the guide's first turn, no step of the student
    assert float(objective.allowed()) == pytest.approx(float((s.argmax(1) != y).float().mean()))
    wanted = lowest(TEMPERATURES, temperature_curve(s, t, 4.0, TEMPERATURES))
    torch.testing.assert_close(objective.student_temperature(), wanted.float(), rtol=1e-4, atol=0)


def test_lambda_at_the_end_is_the_one_that_was_used_last() -> None:
    made = case("disk", first=1.0, inner=1.0, lambda_max=5.0)()
    used: list[float] = []
    advise = made.method.objective.overspent
    made.method.objective.overspent = lambda *a: (used.append(float(made.method.objective.lam)), advise(*a))[1]
    run(made, descents(made.method), tiny_batches(2), fit, total=8, until=99)
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
    bout = case("disk", "mixup", **SHORT, **options)().method
    (batch,) = tiny_batches(1)
    for player in bout.players.values():
        if told is None:
            player.loss(batch)
        else:
            with pytest.raises(UserError, match=told):
                player.loss(batch)


def test_what_disk_says_of_its_fit() -> None:
    assert "k=20 guards all 5 classes: the guide's value is added to each" in objective_of().about()
    assert not any("guards" in line for line in objective_of(k=2).about())
    student = net("resnet8", 0)
    teacher = tiny_tapped(seed=1)
    told = Disk(tiny_setting(teacher, student)).about()
    assert "the student starts untrained; DiSK starts from a trained one (--student RUN), see docs/disk.md" in told


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


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("disk", {"delta": -1.0}, "delta is -1: give 0 or more"),
        ("semckd", {"soft": -1.0}, "soft is -1"),
        ("dkd", {"alpha": -5.0}, "alpha -5 .*: give weights of 0 or more"),
        ("dist", {"weight": -5.0}, "weight -5"),
    ],
)
def test_weights_below_nothing_are_refused(name: str, options: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OBJECTIVE[name](tiny_setting(tiny_tapped(), tiny_tapped()), **options)


def test_a_guide_that_censors_everything_is_told() -> None:
    objective = objective_of()
    assert objective.remark() is None
    objective.seen.fill_(1.0)
    assert "the guide censored 100% of its last batch" in str(objective.remark())


def test_a_guide_on_maps_needs_a_teacher_that_has_some() -> None:
    with pytest.raises(UserError, match=r"has none: give objective\.guide=mlp"):
        Disk(tiny_setting(net("mlp-16", 1), tiny_tapped()), guide="map")


def test_what_two_classes_cannot_teach_is_told() -> None:
    setting = replace(tiny_setting(tiny_tapped(), tiny_tapped()), classes=2)
    with pytest.raises(ValueError, match="choose kd or dkd"):
        OBJECTIVE["dist"](setting)
    assert "NCKD, among those, teaches nothing" in OBJECTIVE["dkd"](setting).about()[0]
