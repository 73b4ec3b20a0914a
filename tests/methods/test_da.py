"""Disagreement Augmentation against its sheet: worked example (b), the acceptance tests, and every option."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from sparring.core import Batch, Network, Setting
from sparring.engine import fit
from sparring.methods import OBJECTIVE, PERTURB, TARGETS
from sparring.methods.da import DisagreementAugmentation, disagreement
from sparring.parts.bout import Bout
from sparring.parts.divergences import mse_disagreement
from sparring.parts.teachers import Teacher
from sparring.testing import Case, tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import bits, difference, everything, made, trained

W = torch.tensor([[1, 0], [0, 1], [1, 1]], dtype=torch.float64)
V = torch.tensor([[2, 0], [0, -1], [0.5, 1]], dtype=torch.float64)


def linear(weight: Tensor) -> Network:
    layer = nn.Linear(2, 3, bias=False, dtype=torch.float64)
    layer.weight.data.copy_(weight)
    return Network(nn.Sequential(nn.Flatten(), layer)).double()


def toy(**options: object) -> tuple[Tensor, Tensor]:
    """(the inputs x̃ that the linear example moves to, its new disagreement)."""
    student, teacher = linear(W), linear(V)
    part = DisagreementAugmentation(Setting(3, (2, 1, 1), (0.0, 0.0), (1.0, 1.0), teacher), p=1.0, **options)
    x = torch.tensor([0.5, -1.0], dtype=torch.float64).view(1, 2, 1, 1)
    moved = part(Batch(x, torch.zeros(1, dtype=torch.long), torch.zeros(1)), student, Teacher(teacher))
    return moved.flatten(), mse_disagreement(student(moved).logits, teacher(moved).logits)


def test_the_worked_example_with_adam() -> None:
    moved, apart = toy()
    torch.testing.assert_close(moved, torch.tensor([0.482220, -1.017780], dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(apart.detach()) == pytest.approx(0.256012837, abs=1e-6)


def test_the_worked_example_with_a_plain_step() -> None:
    moved, apart = toy(step="plain")
    torch.testing.assert_close(moved, torch.tensor([0.498054, -1.000973], dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(apart.detach()) == pytest.approx(0.253365504, abs=1e-6)


def test_the_gradient_of_the_worked_example() -> None:
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    s, t = x @ W.T, x @ V.T
    value = -disagreement(s, t, "mse", "l1")
    assert float(value.detach()) == pytest.approx(-0.253099174, abs=1e-6)
    (gradient,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(gradient, torch.tensor([[0.109442, 0.054721]], dtype=torch.float64), atol=1e-6, rtol=0)


def part(teacher: Network | None = None, **options: object) -> DisagreementAugmentation:
    return DisagreementAugmentation(tiny_setting(teacher), **options)


def da_case(**options: object) -> Case:
    teacher = tiny_net(seed=7)
    setting = tiny_setting(teacher)
    slots = {"perturb": PERTURB["da"](setting, **options)} if options else {"perturb": PERTURB["clean"](setting)}
    targets, objective = TARGETS["teacher"](setting), OBJECTIVE["kd"](setting)
    return Case(Bout(tiny_net(seed=3), **slots, targets=targets, objective=objective), teacher)


@pytest.mark.parametrize("coin", ["batch", "example"])
def test_p_0_is_vanilla_kd_bit_for_bit(coin: str) -> None:
    ends = []
    for options in ({"p": 0.0, "coin": coin}, {}):
        case = made(lambda options=options: da_case(**options), seed=1)
        trained(case, tiny_batches(), fit)
        ends.append({name: value for name, value in everything(case.method).items() if name.startswith("student")})
    assert difference(*ends) is None
    moved = made(lambda: da_case(p=1.0), seed=1)
    trained(moved, tiny_batches(), fit)
    assert difference({k: v for k, v in everything(moved.method).items() if k.startswith("student")}, ends[0])


def test_a_student_that_equals_its_teacher_moves_nothing() -> None:
    batch, net = tiny_batches(1)[0], tiny_net(seed=7)
    student = tiny_net(seed=7).eval()
    moved = part(p=1.0, student="eval")(batch, student, Teacher(net))
    assert torch.equal(moved, batch.x)


@pytest.mark.parametrize("mode", ["train", "quiet", "eval"])
def test_who_is_left_unchanged(mode: str) -> None:
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3), tiny_net(seed=7)
    student.train()
    before, taught = bits(student), bits(teacher)
    moved = part(p=1.0, student=mode)(batch, student, Teacher(teacher))
    assert not torch.equal(moved, batch.x)
    assert difference(taught, bits(teacher)) is None
    changed = {name for name in before if not torch.equal(before[name], bits(student)[name])}
    assert (changed != set()) == (mode == "train")
    assert all("running" in name or "num_batches" in name for name in changed)
    assert all(parameter.grad is None for parameter in (*student.parameters(), *teacher.parameters()))
    assert student.training
    assert student.body[5].training


def test_one_step_is_at_most_alpha_in_standardised_units() -> None:
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3), tiny_net(seed=7)
    moved = part(p=1.0, alpha=0.02)(batch, student, Teacher(teacher))
    step = (moved - batch.x).abs() / 0.25  # the tiny setting's σ
    assert float(step.max()) <= 0.02 * (1 + 1e-5)
    assert float(step.mean()) > 0.001


@pytest.mark.parametrize(
    ("normalise", "measure"),
    [*product(["l1", "l2", "softmax", "zscore", "raw"], ["mse"]), ("raw", "kl"), ("zscore", "kl")],
)
@pytest.mark.parametrize("step", ["adam", "sign", "plain"])
def test_every_variant_raises_its_own_disagreement(normalise: str, measure: str, step: str) -> None:
    """Acceptance test 6, on average over batches of a pair in eval mode; a plain step needs a rate of its own size."""
    student, teacher = tiny_net(seed=3).eval(), tiny_net(seed=7)
    options = {"normalise": normalise, "measure": measure, "step": step, "student": "eval"}
    climb = part(p=1.0, alpha=100.0 if step == "plain" else 0.02, **options)
    gained = 0.0
    for batch in tiny_batches(4):
        moved = climb(batch, student, Teacher(teacher))
        for sign, x in ((1, moved), (-1, batch.x)):
            gained += sign * float(disagreement(student(x).logits, teacher(x).logits, measure, normalise).detach())
    assert gained > 0


def test_more_steps_go_further_with_one_adam() -> None:
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3).eval(), tiny_net(seed=7)
    apart = []
    for steps in (1, 2, 3):
        moved = part(p=1.0, steps=steps, student="eval")(batch, student, Teacher(teacher))
        apart.append(float(disagreement(student(moved).logits, teacher(moved).logits, "mse", "l1").detach()))
    assert apart == sorted(apart)


def test_the_coin_is_per_batch_or_per_example() -> None:
    batch, student, teacher = tiny_batches(1, size=400)[0], tiny_net(seed=3), tiny_net(seed=7)

    def shares(**options: object) -> list[float]:
        climb = part(p=0.7374, student="eval", **options)
        moved = [climb(batch, student, Teacher(teacher)) for _ in range(12)]
        return [float((x != batch.x).flatten(1).any(1).double().mean()) for x in moved]

    torch.manual_seed(0)
    whole = shares()
    assert set(whole) == {0.0, 1.0}
    each = shares(coin="example")
    assert all(0.6 < share < 0.87 for share in each)
    part_of = shares(share=0.5)
    assert set(part_of) == {0.0, 0.5}


def test_a_part_of_a_batch_moves_as_it_would_in_the_whole() -> None:
    """The objective stays a mean over the whole batch, so Adam's eps bites alike."""
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3), tiny_net(seed=7)
    whole = part(p=1.0, student="eval")(batch, student, Teacher(teacher))
    half = part(p=1.0, student="eval", share=0.5)(batch, student, Teacher(teacher))
    torch.testing.assert_close(half[:4], whole[:4], atol=1e-6, rtol=0)
    assert torch.equal(half[4:], batch.x[4:])


def test_the_box_keeps_pixels_in_0_1() -> None:
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3), tiny_net(seed=7)
    free, boxed = (
        part(p=1.0, alpha=2.0, student="eval", clamp=clamp)(batch, student, Teacher(teacher))
        for clamp in ("none", "box")
    )
    assert float(free.min()) < 0
    assert float(free.max()) > 1
    assert torch.equal(boxed, free.clamp(0, 1))


def test_a_coin_per_example_and_a_share_are_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.methods.da.world", lambda: 2)
    assert part(coin="batch").by_example is False
    for options in ({"coin": "example"}, {"share": 0.5}):
        with pytest.raises(ValueError, match="coin=example and share move other rows in each process"):
            part(**options)


def test_the_release_follows_the_kl_with_a_quiet_student() -> None:
    released = part(follow="release")
    assert (released.measure, released.normalise, released.student) == ("kl", "raw", "quiet")
    assert released.waivers == frozenset()
    published = part()
    assert (published.measure, published.normalise, published.student) == ("mse", "l1", "train")
    assert (published.coin.probability, published.alpha, published.steps) == (0.7374, 0.01778, 1)


def test_bf16_climbs_where_float32_does() -> None:
    batch, student, teacher = tiny_batches(1, size=64)[0], tiny_net(seed=3), tiny_net(seed=7)
    steps = [
        (part(p=1.0, student="eval", precision=precision)(batch, student, Teacher(teacher)) - batch.x).flatten()
        for precision in ("float32", "bf16")
    ]
    assert float(torch.cosine_similarity(*steps, dim=0)) > 0.9


def test_a_climb_that_asks_for_float32_gets_it_from_a_teacher_with_a_precision_of_its_own() -> None:
    batch, student, teacher = tiny_batches(1)[0], tiny_net(seed=3), tiny_net(seed=7)
    expected = part(p=1.0, student="eval", precision="float32")(batch, student, Teacher(teacher))
    teacher.bf16 = True
    assert torch.equal(part(p=1.0, student="eval", precision="float32")(batch, student, Teacher(teacher)), expected)
    assert not torch.equal(part(p=1.0, student="eval")(batch, student, Teacher(teacher)), expected)


@pytest.mark.parametrize("run", [False, True])
def test_by_default_it_climbs_in_the_precision_of_the_run(run: bool) -> None:
    batch, student, teacher = tiny_batches(1, size=64)[0], tiny_net(seed=3), Teacher(tiny_net(seed=7))
    moved = part(p=1.0, student="eval", precision="bf16" if run else "float32")(batch, student, teacher)
    other = part(p=1.0, student="eval", precision="float32" if run else "bf16")(batch, student, teacher)
    with torch.autocast("cpu", torch.bfloat16, enabled=run):
        assert torch.equal(part(p=1.0, student="eval")(batch, student, teacher), moved)
    assert not torch.equal(moved, other)
