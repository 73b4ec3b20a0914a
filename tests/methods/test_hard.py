"""HARD against its sheet: the worked example, the acceptance tests, the contract, every reading that is offered."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparring.core import Batch, Network, Setting, UserError
from sparring.engine import fit
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.hard import Hard, error, gap
from sparring.parts.bout import Bout
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import made, trained


def case(objective="kd-soft", **options) -> Case:
    teacher = tiny_net(seed=7)
    setting = tiny_setting(teacher)
    row = METHODS[objective].objective
    return Case(
        Bout(
            tiny_net(seed=3),
            perturb=PERTURB["hard"](setting, **options),
            targets=TARGETS["teacher"](setting),
            objective=OBJECTIVE[row.name](setting, **row.options),
        ),
        teacher,
    )


QUICK = {
    "begin": "augmentor",
    "l_min": 60.0,
    "l_max": 70.0,
    "patience": 1,
    "cap": 3,
    "rest": 1,
}  # many phases on the tiny batches


@pytest.mark.parametrize(
    "options",
    [
        QUICK,
        QUICK | {"augmentor": "gaussian", "error": "teacher", "fresh": "augmentor"},
        QUICK | {"mean": "learned", "covariance": "full", "fresh": "optimiser", "pool": 2, "student_cap": 2},
        {"begin": "augmentor", "error": "loss", "l_min": 0.001, "l_max": 0.01, "patience": 1, "lambda_t": 0.0},
        {"augmentor": "mix", "patch": 4, "turns": "joint", "lambda_t": 0.0},
    ],
    ids=["affine", "gaussian", "full", "loss", "mix"],
)
def test_the_contract(options):
    check_method(lambda: case(**options), tiny_batches(3))


def test_the_quick_case_does_go_through_phases():
    quick = made(lambda: case(**QUICK), seed=1)
    trained(quick, tiny_batches() * 3, fit)
    part = quick.method.perturb
    assert part.phases.state.phases > 3
    assert len(part.pool) > 0


def test_the_worked_example():
    s = torch.tensor([[1, 2, 0.5], [0, -1, 1]], dtype=torch.float64)
    t = torch.tensor([[2, 1, 0], [0.5, -0.5, 2]], dtype=torch.float64)
    clean = torch.tensor([[2.2, 0.9, 0.1], [0.4, -0.6, 2.1]], dtype=torch.float64)
    for T, st, tt in ((5.0, 0.209754229, 0.006551722), (1.0, 0.228288343, 0.005329762)):
        assert float(gap(s, t, T, "kl")) == pytest.approx(st, abs=1e-6)
        assert float(gap(clean, t, T, "kl")) != pytest.approx(tt, abs=1e-6)  # the clean answer is the target
        assert float(gap(t, clean, T, "kl")) == pytest.approx(tt, abs=1e-6)


class Linear(Network):
    """Logits that are a linear function of 1 × 1 images of three channels."""

    def __init__(self, weight):
        body = nn.Sequential(nn.Flatten(), nn.Linear(3, 3, bias=False))
        super().__init__(body)
        with torch.no_grad():
            body[1].weight.copy_(weight)


def test_the_augmentor_descends_equation_3():
    torch.manual_seed(0)
    teacher, student = Linear(torch.randn(3, 3)), Linear(torch.randn(3, 3))
    setting = tiny_setting(teacher)
    part = Hard(setting, augmentor="gaussian", T=5.0, lambda_s=2.0, lambda_t=3.0, start=0.3)
    bout = Bout(student, perturb=part, targets=TARGETS["teacher"](setting), objective=OBJECTIVE["kd"](setting))
    x = torch.rand(4, 3, 1, 1)
    batch = Batch(x, torch.tensor([0, 1, 2, 0]), torch.arange(4))
    torch.manual_seed(5)
    losses = bout.players["augmentor"].loss(batch)
    torch.manual_seed(5)
    moved = part.augmentor(x)
    st = gap(student(moved).logits, teacher(moved).logits, 5.0, "kl")
    tt = gap(teacher(moved).logits, teacher(x).logits, 5.0, "kl")
    assert torch.allclose(losses.total(), -2 * st + 3 * tt)
    gradients = torch.autograd.grad(losses.total(), list(part.augmentor.learned().values()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_an_augmentor_that_is_the_identity_makes_it_kd():
    whole = made(lambda: case(start=0.0), seed=1)
    hard, batch = whole.method.eval(), tiny_batches(1)[0]
    losses = hard.players["augmentor"].loss(batch)
    assert float(losses.values()["tt"]) == pytest.approx(0.0, abs=1e-5)
    output, target = hard.student(batch.x), whole.teacher(batch.x)
    assert torch.allclose(losses.values()["st"], gap(output.logits, target.logits, 5.0, "kl"), rtol=1e-3)


def test_turns_follow_the_error_and_the_pool_the_switches():
    hard = made(lambda: case(l_min=50.0, l_max=60.0, patience=3, cap=0, begin="augmentor"), seed=1).method
    part, movers = hard.perturb, []

    def look(moment):
        movers.append(next(iter(moment.moved)))

    part.note = lambda s, t, batch: part.seen.update(error=torch.tensor(90.0 if part.phases.attacking else 10.0))
    trained(Case(hard), tiny_batches(9), fit, look)
    cycle = ["augmentor"] * 3 + ["student"] * 3
    assert movers[:18] == cycle * 3
    assert movers.count("student") == 18  # the clock counts the student's steps alone
    assert len(part.pool) == 1 + movers.count("augmentor") // 3  # the augmentor as it began is the first member


def test_the_student_may_begin_on_images_as_they_are():
    hard = made(lambda: case(error="loss", l_min=1e8, l_max=1e9, patience=2), seed=1).method
    movers = []
    trained(Case(hard), tiny_batches(), fit, lambda moment: movers.append(next(iter(moment.moved))))
    assert movers[:3] == ["student", "student", "augmentor"]  # every loss is below 1e8


def test_the_students_head_start_ends_where_its_error_never_gets_there():
    hard = made(lambda: case(error="loss", l_min=1e-12, l_max=1e-11, patience=1, head_start=0.5), seed=1).method
    movers = []
    trained(Case(hard), tiny_batches(3), fit, lambda moment: movers.append(next(iter(moment.moved))))
    assert movers == ["student"] * 3 + ["augmentor"] + ["student"] * 3  # of six steps half; then its phase never ends


def test_the_student_meets_the_pool():
    hard = made(lambda: case(start=0.0), seed=1).method
    part, batch = hard.perturb, tiny_batches(1)[0]
    assert torch.equal(part(batch, hard.student, hard.targets), batch.x)  # nobody has been made yet
    shifted = {"mean": torch.tensor([1.0, 0, 0.5, 0, 1, 0]), "spread": torch.zeros(6)}
    part.pool.add(shifted, (5, 0))
    seen = part(batch, hard.student, hard.targets)
    assert not seen.requires_grad
    assert torch.allclose(seen[..., :-2], batch.x[..., 2:], atol=1e-5)


def test_what_the_error_is():
    s = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 0, 3], [1, 0, 0]])
    t = torch.tensor([[2.0, 0, 0], [0, 1, 0], [3, 0, 0], [0, 1, 0]])
    batch = Batch(torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 2, 1]), torch.arange(4))
    part = Hard(tiny_setting(tiny_net()), error="loss", measure="mse", l_min=0.1, l_max=0.2)
    assert float(error(s, t, batch, "labels", part.gap)) == 25
    assert float(error(s, t, batch, "teacher", part.gap)) == 50
    part.note(s, t, batch)
    assert float(part.seen["error"]) == pytest.approx(float(gap(s, t, 5.0, "mse")))  # L_st itself, whatever measures it


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"l_min": 50.0, "l_max": 40.0}, ValueError, "the lower threshold is 50 and the upper 40"),
        ({"augmentor": "afine"}, UserError, "there is no augmentor 'afine'.*affine"),
        ({"patch": 4}, UserError, "perturb.patch is no option of the augmentor affine: it takes start, covariance"),
        ({"augmentor": "mix", "patch": 3}, UserError, "patches of 3 pixels and these are 8×8"),
        ({"lambda_s": -1.0}, ValueError, "lambda_s is -1 and lambda_t 1: give one above 0"),
        ({"augmentor": "mix", "patch": -2}, UserError, "perturb.patch=-2 and perturb.dim=64: give patches"),
        ({"pool": 0}, ValueError, "a pool of 0 holds nothing"),
        ({"T": 0.0}, ValueError, "T is 0 and lr is None: give a temperature"),
        ({"lr": 0.0}, ValueError, "lr is 0.0: give .* a learning rate above 0"),
        ({"error": "loss", "l_min": 1.0}, ValueError, "error=loss .* give perturb.l_min and l_max too"),
        ({"cap": 4}, ValueError, "given up after 4 batches and cannot succeed before 5"),
        ({"augmentor": "vae"}, UserError, "vae needs perturb.vae=…, a run of sparring train-augmentor"),
    ],
)
def test_refusals(options, kind, text):
    with pytest.raises(kind, match=text):
        Hard(tiny_setting(tiny_net()), **options)


def test_an_augmentor_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom sparring.parts.augmentors.augmentor import Augmentor\n"
        "class Bright(Augmentor):\n"
        "    def __init__(self, setting, *, start=0.0):\n"
        "        super().__init__()\n        self.by = torch.nn.Parameter(torch.tensor(start))\n"
        "    def forward(self, x):\n        return x + self.by * torch.randn(len(x), 1, 1, 1)\n"
        "def nothing(setting):\n    return torch.nn.Identity()\nthree = 3\n"
    )
    part = Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/mine.py:Bright", start=0.5)
    assert float(part.augmentor.by.detach()) == 0.5
    (tmp_path / "bad.py").write_text(
        "from sparring.parts.augmentors.augmentor import Augmentor\nclass Idle(Augmentor):\n    pass\n"
    )
    with pytest.raises(UserError, match=r"bad.py:Idle could not be made: .*abstract.*; it is called as"):
        Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/bad.py:Idle")
    with pytest.raises(UserError, match="an augmentor is a sparring Augmentor"):
        Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/mine.py:nothing")
    with pytest.raises(UserError, match=r"mine\.py:three is a int: give a class or function"):
        Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/mine.py:three")
    (tmp_path / "odd.py").write_text(
        "import mine\nclass Flat(mine.Bright):\n    def forward(self, x):\n        return x.flatten(1)\n"
        "class Wide(mine.Bright):\n    def forward(self, x):\n        return x @ torch.ones(5, 5)\n".replace(
            "import mine\n", f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport torch, mine\n"
        )
    )
    with pytest.raises(
        UserError, match=r"Flat made \(4, 192\) of images \(4, 3, 8, 8\): an augmentor keeps their shape"
    ):
        Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/odd.py:Flat")
    with pytest.raises(UserError, match=r"Wide failed on images \(4, 3, 8, 8\): .*; its forward takes \(B, C, H, W\)"):
        Hard(tiny_setting(tiny_net()), augmentor=f"{tmp_path}/odd.py:Wide")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"l_min": 0.0}, "l_min is 0 and l_max 40: an error below the one or above the other never is"),
        ({"l_max": 100.0}, "l_min is 5 and l_max 100: .* below 100 where it is in %"),
        (
            {"turns": "joint", "patience": 3},
            "patience=3 does nothing: with turns=joint there are no phases; leave it out",
        ),
        (
            {"begin": "augmentor", "head_start": 0.5},
            "head_start=0.5 does nothing: the student's phase is",
        ),
        ({"cap": 0, "rest": 7}, "rest=7 does nothing: with cap=0 no phase is given up"),
        ({"turns": "joint", "fresh": "augmentor"}, "fresh=augmentor does nothing"),
    ],
)
def test_options_that_could_not_do_anything_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Hard(tiny_setting(tiny_net()), **options)


def test_the_pool_tells_what_it_may_grow_to():
    assert case().method.most_bytes(1000) == 6 * 4 * 202
    assert case(pool=7).method.most_bytes(1000) == 6 * 4 * 7
    assert case(student_cap=2).method.most_bytes(1000) == 6 * 4 * 502


def test_a_run_that_was_plain_distillation_says_so():
    never = made(lambda: case(error="loss", l_min=1e-12, l_max=1e9, head_start=1.0), seed=1)
    trained(never, tiny_batches(), fit)
    assert "the augmentor never moved: the student's error was never below l_min=1e-12" in never.method.remarks()[0]
    given_up = made(lambda: case(begin="augmentor", error="loss", l_min=1e-12, l_max=1e9, cap=5, rest=2), seed=1)
    trained(given_up, tiny_batches(), fit)
    assert "phases of the augmentor none reached l_max=1e+09" in given_up.method.remarks()[0]
    met = made(lambda: case(**QUICK), seed=1)
    trained(met, tiny_batches() * 3, fit)
    assert met.method.remarks() == []


def test_the_gauges_tell_of_the_phases():
    quick = made(lambda: case(**QUICK), seed=1)
    trained(quick, tiny_batches() * 3, fit)
    told = {name: float(value) for name, value in quick.method.gauges().items()}
    assert told["pool"] == len(quick.method.perturb.pool) > 0
    assert {"error", "teacher_error", "distance", "attacking", "phases", "given_up"} <= told.keys()
    assert told["distance"] > 0


def test_the_control_is_fixed_and_moves_each_image_otherwise():
    setting = tiny_setting(tiny_net())
    part = PERTURB["gaussian-affine"](setting, spread=0.2)
    batch = Batch(torch.rand(1, 3, 8, 8).expand(6, -1, -1, -1), torch.zeros(6).long(), torch.arange(6))
    seen = part(batch, None, None)
    assert not seen.requires_grad
    assert (seen[1:] - seen[0]).abs().amax((1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("name", ["hard", "gaussian-affine"])
def test_beyond_a_signal_lies_its_mean(name):
    setting = Setting(10, (1, 1, 40), (0.5,), (0.1,))
    part = PERTURB[name](setting)
    with torch.no_grad():
        part.augmentor.spread.fill_(0.5)
    moved = part.augmentor(torch.full((64, 1, 1, 40), 0.5))
    assert torch.allclose(moved, torch.full_like(moved, 0.5), atol=1e-6)
    picture = PERTURB[name](Setting(10, (1, 8, 8), (0.5,), (0.1,)))
    with torch.no_grad():
        picture.augmentor.spread.fill_(0.5)
    assert picture.augmentor(torch.full((64, 1, 8, 8), 0.5)).min() == 0  # beyond a picture lies black
