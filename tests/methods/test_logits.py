"""DKD, DIST and logit standardisation: the worked examples, the identity, and answers too sure for their precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Clock, Moment, Output, UserError
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.dist import correlation, relations
from sparring.methods.dkd import Decoupled, decoupled
from sparring.parts.bout import Bout
from sparring.parts.divergences import kd
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting

S = torch.tensor([[1, 2, 0.5], [0, -1, 1]], dtype=torch.float64)
T = torch.tensor([[2, 1, 0], [0.5, -0.5, 2]], dtype=torch.float64)
Y = torch.tensor([0, 2])
BATCH = Batch(torch.zeros(2, 1, 1, 1), Y, torch.arange(2))
CE = 0.935987374
SURE = torch.tensor([[1e4, 0.0, -5.0], [-200.0, 90.0, 300.0], [0.0, 1e4, 0.0], [1.0, 2.0, 3.0]])  # float32


def close(value: Tensor, expected: object) -> None:
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def scored(row: str, s: Tensor = S, t: Tensor = T, **options: object):
    """What the objective of a method's row says of the fixture."""
    slot = METHODS[row].objective
    return OBJECTIVE[slot.name](tiny_setting(None), **{**slot.options, **options})(Output(s), Output(t), BATCH)


def after(steps: int) -> Moment:
    """The moment in which `steps` steps are done, of epochs of 10."""
    return Moment(Clock(steps - 1, 10, 1000, steps - 1), BATCH, {})


def test_the_halves_of_the_fixture() -> None:
    tckd, nckd = decoupled(S, T, Y, 4.0)
    close(tckd, [0.023584, 0.001924])
    close(nckd, [0.001912, 0.000000])
    close(16 * (tckd + 8 * nckd).mean(), 0.326423452)
    close(scored("dkd", warmup=0).total(), CE + 0.326423452)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_halves_make_up_plain_kd(temperature: float) -> None:
    chance = torch.Generator().manual_seed(0)
    s, t = 5 * torch.randn(2, 16, 20, generator=chance, dtype=torch.float64)
    y = torch.randint(20, (16,), generator=chance)
    tckd, nckd = decoupled(s, t, y, temperature)
    p = torch.softmax(t / temperature, dim=1).gather(1, y[:, None]).squeeze(1)
    torch.testing.assert_close(tckd + (1 - p) * nckd, kd(s, t, temperature, reduction="none", t2=False))


def test_the_published_code_says_the_same() -> None:
    """As its authors write it: the target's logit lowered by 1000, and the logarithms of summed probabilities."""
    chance = torch.Generator().manual_seed(1)
    s, t = torch.randn(2, 16, 20, generator=chance, dtype=torch.float64)
    y = torch.randint(20, (16,), generator=chance)
    mask = F.one_hot(y, 20).double()
    p, q = torch.softmax(s / 4, 1), torch.softmax(t / 4, 1)
    two = [torch.stack([(each * mask).sum(1), (each * (1 - mask)).sum(1)], 1) for each in (p, q)]
    tckd = F.kl_div(two[0].log(), two[1], reduction="none").sum(1)
    nckd = F.kl_div(torch.log_softmax(s / 4 - 1000 * mask, 1), torch.softmax(t / 4 - 1000 * mask, 1), reduction="none")
    torch.testing.assert_close(decoupled(s, t, y, 4.0), (tckd, nckd.sum(1)), atol=1e-9, rtol=0)


def test_two_classes_have_no_other_half() -> None:
    tckd, nckd = decoupled(S[:, :2], T[:, :2], torch.tensor([0, 1]), 2.0)
    torch.testing.assert_close(tckd, kd(S[:, :2], T[:, :2], 2.0, reduction="none", t2=False))
    assert nckd.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("row", ["dkd", "dkd-standardised", "dist", "dist-imagenet", "kd-standardised"])
@pytest.mark.parametrize("sure", ["student", "teacher", "both"])
def test_answers_too_sure_for_float32(row: str, sure: str) -> None:
    slot = METHODS[row].objective
    objective = OBJECTIVE[slot.name](tiny_setting(None), **slot.options)
    mild = torch.linspace(-1, 1, 12).view(4, 3)
    s = (mild if sure == "teacher" else SURE).clone().requires_grad_()
    t = mild if sure == "student" else -SURE
    batch = Batch(torch.zeros(4, 1, 1, 1), torch.tensor([0, 0, 1, 2]), torch.arange(4))
    loss = objective(Output(s), Output(t), batch).total()
    (gradient,) = torch.autograd.grad(loss, s)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_the_ramp() -> None:
    part = Decoupled(tiny_setting(None), warmup=20)
    seen = [part.ramp]
    for steps in (1, 9, 10, 29, 190, 199, 5000):
        part.after_step(after(steps))
        seen.append(part.ramp)
    assert seen == [0.05, 0.05, 0.05, 0.1, 0.15, 1.0, 1.0, 1.0]
    part.after_step(after(29))
    again = Decoupled(tiny_setting(None), warmup=20)
    again.load_state_dict(part.state_dict())
    assert again.ramp == part.ramp == 0.15
    values, plain = part(Output(S), Output(T), BATCH), scored("dkd", warmup=0)
    assert values.values() == plain.values()  # the log shows the halves as they are
    close(values.total(), CE + 0.15 * 0.326423452)


def test_a_training_that_ends_on_the_ramp_says_so() -> None:
    part = Decoupled(tiny_setting(None), warmup=20)
    part.after_step(after(50))
    assert "never had more than 25% of their weights" in (part.remark() or "")
    part.after_step(after(200))
    assert part.remark() is None


def test_the_correlations_of_the_fixture() -> None:
    p, q = torch.softmax(S, 1), torch.softmax(T, 1)
    close(correlation(p, q), [-0.084534, 0.992843])
    close(correlation(p.T, q.T).round(decimals=5), [-1.0, 1.0, 1.0])  # of two images: all or nothing, but for the eps
    close(torch.stack(relations(S, T, 1.0)), [0.545845280, 0.666665755])
    close(torch.stack(relations(S, T, 4.0)), [0.396316391, 0.666661755])
    close(scored("dist-imagenet").total(), CE + 2 * 1.212511035)
    close(scored("dist").total(), CE + 2 * 17.007650333)
    close(scored("dist", weight=1.0, beta=2.0, gamma=2.0).total(), CE + 2 * 17.007650333)


def test_the_correlations_of_three_images() -> None:
    s = torch.tensor([[1, 2, 0.5], [0, -1, 1], [2, 0, 1]], dtype=torch.float64)
    t = torch.tensor([[2, 1, 0], [0.5, -0.5, 2], [1.5, 0.5, 1]], dtype=torch.float64)
    close(torch.stack(relations(s, t, 1.0)), [0.366304298, 0.362061874])


def test_a_correlation_is_numpys_and_blind_to_scale_and_shift() -> None:
    chance = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5, 30, generator=chance, dtype=torch.float64)
    expected = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(a, b, strict=True)]
    torch.testing.assert_close(correlation(a, b), torch.stack(expected))
    torch.testing.assert_close(correlation(3 * a + 1, b), correlation(a, b))


@pytest.mark.parametrize("logits", [torch.zeros(8, 5), torch.full((8, 5), 0.3), torch.arange(5.0).expand(8, 5)])
def test_a_student_that_answers_all_alike_takes_no_leap(logits: Tensor) -> None:
    """As does one whose head begins at zero: by the formula its gradient would be of the size of 1e8."""
    s = logits.clone().requires_grad_()
    inter, intra = relations(s, torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), 1.0)
    (gradient,) = torch.autograd.grad(inter + intra, s)
    assert intra.item() == 1.0
    assert float(gradient.abs().max()) < 10


def test_a_rare_class_still_correlates() -> None:
    """A probability that is small everywhere is not taken for a constant one."""
    a = 1e-6 * torch.rand(1, 64, generator=torch.Generator().manual_seed(0))
    assert float(correlation(a, a)) == pytest.approx(float(a.var() * 63 / (a.var() * 63 + 1e-8)), rel=1e-3)


def test_one_image_has_no_relation() -> None:
    one, batch = Output(S[:1]), Batch(torch.zeros(1, 1, 1, 1), Y[:1], torch.arange(1))
    dist = OBJECTIVE["dist"]
    with pytest.raises(UserError, match=r"correlates the images of a batch, and there is one: give --batch-size"):
        dist(tiny_setting(None))(one, Output(T[:1]), batch)
    assert torch.isfinite(dist(tiny_setting(None), gamma=0.0)(one, Output(T[:1]), batch).total())


def test_logit_standardisation_by_its_row() -> None:
    losses = scored("kd-standardised")
    close(losses.values()["ce"], CE)  # of the logits as they are
    close(losses.values()["kd"], 0.268261531)
    close(losses.total(), 0.1 * CE + 2.414353783)


def test_decoupled_logit_standardisation_by_its_row() -> None:
    z = (S - S.mean(1, keepdim=True)) / (S.std(1, keepdim=True) + 1e-7)
    w = (T - T.mean(1, keepdim=True)) / (T.std(1, keepdim=True) + 1e-7)
    tckd, nckd = decoupled(z, w, Y, 2.0)
    expected = 9 * 4 * (tckd + 8 * nckd).mean()
    torch.testing.assert_close(scored("dkd-standardised", warmup=0).total(), F.cross_entropy(S, Y) + expected)
    torch.testing.assert_close(scored("dkd-standardised", 3 * S + 1, warmup=0).values()["nckd"], 4 * nckd.mean())


def test_mixed_labels() -> None:
    mixed = Batch(torch.zeros(2, 1, 1, 1), Y, torch.arange(2), torch.full((2, 3), 1 / 3, dtype=torch.float64))
    teacher = tiny_net(seed=1)
    slots = {"targets": TARGETS["teacher"](tiny_setting(teacher)), "objective": Decoupled(tiny_setting(teacher))}
    told = r"parts an answer at the label's one class, and mixed images have several"
    with pytest.raises(UserError, match=told):
        Bout(tiny_net(), perturb=PERTURB["mixup"](tiny_setting(teacher)), **slots)

    def undeclared(batch, student, targets):
        return replace(batch, shares=torch.ones(8, 5))

    bout = Bout(tiny_net(), perturb=undeclared, **slots)
    with pytest.raises(UserError, match=told):
        bout.student_loss(tiny_batches(1)[0])
    assert torch.isfinite(OBJECTIVE["dist"](tiny_setting(None))(Output(S), Output(T), mixed).total())


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("dkd", {"T": 0.0}, "T is 0 and warmup 20"),
        ("dkd", {"warmup": -1}, "warmup -1"),
        ("dkd", {"alpha": 0.0, "beta": 0.0, "ce": 0.0}, "nothing to learn from"),
        ("dist", {"T": -1.0}, "T is -1"),
        ("dist", {"ce": 0.0, "weight": 0.0}, "nothing to learn from"),
        ("dist", {"ce": 0.0, "beta": 0.0, "gamma": 0.0}, "nothing to learn from"),
    ],
)
def test_options_that_make_no_sense(name: str, options: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OBJECTIVE[name](tiny_setting(None), **options)


@pytest.mark.parametrize("row", ["dkd", "dkd-standardised", "dist", "dist-imagenet", "ema"])
@pytest.mark.parametrize("perturb", ["da", "hard"])
def test_the_contract_under_other_perturbations(row: str, perturb: str) -> None:
    slots = METHODS[row]
    quick = {"begin": "augmentor", "l_min": 60.0, "l_max": 70.0, "patience": 1, "cap": 3, "rest": 1}

    def case() -> Case:
        teacher = tiny_net(seed=7)
        setting = tiny_setting(teacher)
        bout = Bout(
            tiny_net(seed=3),
            perturb=PERTURB[perturb](setting, **(quick if perturb == "hard" else {})),
            targets=TARGETS[slots.targets.name](setting),
            objective=OBJECTIVE[slots.objective.name](setting, **slots.objective.options),
        )
        return Case(bout, None if row == "ema" else teacher)

    check_method(case, tiny_batches(3))
