"""Teacher-free, reversed and adversarial distillation: the sheet's worked examples, and what their slots do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from examples import S, T, Y, near

from sparring.core import Batch, Clock, Moment, Output, UserError
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.pgd import Pgd
from sparring.parts.bout import Bout
from sparring.parts.chain import Chain
from sparring.recipes.config import Config
from sparring.recipes.slots import resolved
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting

BATCH = Batch(torch.zeros(2, 1, 1, 1), Y, torch.arange(2))
THREE = replace(tiny_setting(None), classes=3)


def scored(row: str, target: Output, **options: object) -> torch.Tensor:
    """The loss that a method's row gives the fixture."""
    slot = METHODS[row].objective
    return OBJECTIVE[slot.name](THREE, **{**slot.options, **options})(Output(S), target, BATCH).total()


def virtual(row: str, **options: object) -> Output:
    """What the virtual teacher of a method's row answers about the fixture, as precisely as the fixture is."""
    slot = METHODS[row].targets
    answer = TARGETS["virtual"](THREE, **{**slot.options, **options})(BATCH.x, BATCH)
    return Output(answer.logits.double())


def test_the_virtual_teacher() -> None:
    near(torch.softmax(virtual("tfkd-reg").logits, 1), *[0.344366, 0.327817, 0.327817], *[0.327817, 0.327817, 0.344366])
    near(virtual("tfkd-reg", form="direct").logits.exp(), 0.99, 0.005, 0.005, 0.005, 0.005, 0.99)
    ten = torch.softmax(TARGETS["virtual"](replace(THREE, classes=10))(BATCH.x, BATCH).logits.double(), 1)
    near(ten[0, :2], 0.104539, 0.099496)


def test_reg_in_its_readings() -> None:
    near(scored("tfkd-reg", virtual("tfkd-reg")), 0.867130504)
    near(scored("tfkd-reg-literal", virtual("tfkd-reg-literal")), 1.667117532)
    near(scored("tfkd-reg-paper", virtual("tfkd-reg-paper")), 0.865916507)
    near(scored("tfkd-reg", virtual("tfkd-reg", form="direct")), 0.930319074)
    alone = {"ce": 0.0, "kd": 1.0}
    near(scored("tfkd-reg", virtual("tfkd-reg"), **alone), 0.247418669)
    near(scored("tfkd-reg", virtual("tfkd-reg"), **alone, reduction="elementwise"), 0.082472890)
    near(scored("tfkd-reg", virtual("tfkd-reg", form="direct"), **alone), 0.879304368)


def test_kd_as_tfkds_code_has_it() -> None:
    near(scored("kd-tfkd", Output(T)), 0.414119250)
    near(scored("kd-tfkd", Output(T), reduction="batchmean"), 0.493567851)
    near(scored("rekd", Output(T), kd=0.6 * 400 / 3), 0.414119250)  # K-free weights: the same where K is 3
    near(scored("tfkd-self", Output(T), kd=0.95 * 36 / 3), 0.112499657)
    near(scored("tfkd-self", Output(T), kd=0.95 * 36), 0.243900235)
    weights = {"ce": 0.05, "T": 20.0}
    near(scored("tfkd-self", Output(T), kd=0.95 * 400 / 3, **weights), 0.109696178)
    near(scored("tfkd-self", Output(T), kd=0.95 * 400, **weights), 0.235489796)


def test_label_smoothing_in_both_conventions() -> None:
    near(scored("ls", Output(T)), 0.977654041)
    near(scored("ls-tfkd", Output(T)), 0.998487374)


CE7 = {
    "steps": 7,
    "start": "uniform",
    "loss": "ce",
    "keep": "last",
    "student": "eval",
    "teacher": "clean",
    "warmup": 0.0,
}
KL10 = {**CE7, "steps": 10, "start": "gaussian", "loss": "kl"}
HALF = {"ce": 0.5, "kd": 0.5, "t2": True, "reduction": "batchmean", "standardise": False}
ROBUST = {"ce": 0.0, "clean_ce": 0.0, "reduction": "batchmean"}
ROWS = {  # sheet adversarial.md, §§ 3 to 5: perturb, targets, objective
    "at": (CE7, {"name": "none"}, {"name": "ce", "smoothing": 0.0}),
    "akd": (CE7, {"at": "perturbed"}, {**HALF, "T": 1.0}),
    "at-tfkd-self": (CE7, {"at": "clean"}, {**HALF, "T": 4.0}),
    "at-tfkd-reg": (CE7, {"name": "virtual", "a": 0.9, "form": "direct"}, {**HALF, "T": 1.0}),
    "ard": ({**CE7, "steps": 10}, {"at": "clean"}, {**ROBUST, "T": 30.0, "kd": 1.0, "clean_kd": 0.0}),
    "rslad": (KL10, {"at": "clean"}, {**ROBUST, "T": 1.0, "kd": 5 / 6, "clean_kd": 1 / 6}),
    "adaad": ({**KL10, "teacher": "moving"}, {"at": "perturbed"}, {**HALF, "T": 1.0, "ce": 0.0, "kd": 1.0}),
    "da-pgd": (
        {**CE7, "loss": "disagreement", "teacher": "moving"},
        {"at": "perturbed"},
        {**HALF, "T": 4.0, "ce": 0.1, "kd": 0.9},
    ),
}


@pytest.mark.parametrize("method", ROWS)
def test_a_row_is_what_its_paper_says(method: str) -> None:
    config = resolved(Config(method=method))
    for slot, wanted in zip((config.perturb, config.targets, config.objective), ROWS[method], strict=True):
        assert {key: slot[key] for key in wanted} == pytest.approx(wanted)
    assert config.perturb["name"] == "pgd"
    assert METHODS[method].earlier == ("at" if method == "at-tfkd-self" else None)


def test_the_student_is_attacked_in_eval_mode_from_anywhere_in_the_ball() -> None:
    asked: list[tuple[bool, torch.Tensor]] = []

    class Listening(type(tiny_net())):
        def forward(self, x, taps=()):
            asked.append((self.training, x.detach().clone()))
            return super().forward(x, taps)

    student, setting = tiny_net(), tiny_setting(None)
    student.__class__ = Listening
    (batch,) = tiny_batches(1)
    batch = replace(batch, x=0.25 + 0.5 * batch.x)  # so that no pixel meets the box
    for start, low, high in (("uniform", 0.09, 0.1), ("gaussian", 0.002, 0.006)):
        asked.clear()
        Pgd(setting, eps=0.1, steps=3, start=start)(batch, student.train(), TARGETS["none"](setting))
        assert [training for training, _ in asked] == [False] * 3
        away = asked[0][1] - batch.x
        assert low < float(away.max()) < high
        assert low < -float(away.min()) < high
        assert student.training


def test_ard_and_rslad() -> None:
    near(scored("ard", Output(T)), 0.197253015)
    near(scored("ard", Output(T), reduction="elementwise"), 0.065751005)
    both = Output(S, clean=Output(S))
    slot = METHODS["rslad"].objective
    near(OBJECTIVE[slot.name](THREE)(both, Output(T), BATCH).total(), 0.228288343)
    near(OBJECTIVE[slot.name](THREE, reduction="elementwise")(both, Output(T), BATCH).total(), 0.076096114)
    apart = Output(S, clean=Output(T))  # at the clean images the student answers as the teacher does
    near(OBJECTIVE[slot.name](THREE)(apart, Output(T), BATCH).total(), 5 / 6 * 0.228288343)
    whole = OBJECTIVE["robust-kd"](THREE, kd=0.0, clean_kd=0.0, clean_ce=0.5)(apart, Output(T), BATCH).total()
    near(whole, 0.5 * float(F.cross_entropy(T, Y)))


def test_adversarial_self() -> None:
    near(scored("at-tfkd-self", Output(T)), 0.574469630)


@pytest.mark.parametrize("a", [0.2, 1.5])
def test_a_virtual_teacher_that_is_none(a) -> None:
    with pytest.raises(ValueError, match=r"give a above 1/3 and at most 1"):
        TARGETS["virtual"](THREE, a=a)


def test_a_clean_answer_is_of_the_images_as_they_came() -> None:
    asked: list[torch.Tensor] = []

    class Listening(type(tiny_net())):
        def forward(self, x, taps=()):
            asked.append(x.detach().clone())
            return super().forward(x, taps)

    teacher, student = tiny_net(seed=1), tiny_net()
    teacher.__class__ = student.__class__ = Listening
    batch, setting = tiny_batches(1)[0], tiny_setting(teacher)
    bout = Bout(
        student,
        perturb=PERTURB["noise"](setting, sigma=0.1),
        targets=TARGETS["teacher"](setting, at="clean"),
        objective=OBJECTIVE["robust-kd"](setting),
    )
    terms = bout.student_loss(batch).values()
    assert set(terms) == {"kd", "clean kd"}
    theirs, at_noise, at_clean = asked
    assert torch.equal(theirs, batch.x)
    assert torch.equal(at_clean, batch.x)
    assert not torch.equal(at_noise, batch.x)


def test_the_virtual_teacher_hears_of_mixed_labels() -> None:
    setting = tiny_setting(None)
    bout = Bout(
        tiny_net(),
        perturb=PERTURB["mixup"](setting),
        targets=TARGETS["virtual"](setting, form="direct", a=1.0),
        objective=OBJECTIVE["kd"](setting),
    )
    torch.manual_seed(0)
    rows, _, target = bout.exchange(tiny_batches(1)[0])
    assert target is not None
    torch.testing.assert_close(target.logits.exp(), rows.shares, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "kl", "start": "gaussian"},
        {"loss": "kl", "teacher": "moving"},
        {"norm": "l2", "eps": 0.5, "keep": "best", "loss": "margin"},
        {"student": "train"},
        {"warmup": 1.0},
        {"student": "quiet", "loss": "disagreement", "teacher": "moving"},
    ],
    ids=str,
)
def test_the_contract(options) -> None:
    def make() -> Case:
        teacher = tiny_net(seed=7)
        setting = tiny_setting(teacher)
        slots = {"targets": TARGETS["teacher"](setting), "objective": OBJECTIVE["kd"](setting)}
        return Case(Bout(tiny_net(seed=3), perturb=Pgd(setting, **options), **slots), teacher)

    check_method(make, tiny_batches(3))


@pytest.mark.parametrize("loss", ["ce", "margin", "kl", "disagreement"])
def test_the_loss_that_is_climbed_grows(loss) -> None:
    teacher, student, batch = tiny_net(seed=7), tiny_net(seed=3).eval(), tiny_batches(1, size=32)[0]
    setting = tiny_setting(teacher)
    targets = TARGETS["teacher"](setting)
    way = {"teacher": "moving"} if loss in ("kl", "disagreement") else {}
    part = Pgd(setting, eps=0.1, size=0.02, steps=10, loss=loss, **way)
    torch.manual_seed(0)
    moved = part(batch, student, targets)

    def height(x: torch.Tensor) -> torch.Tensor:
        s, t = student(x).logits, teacher(x).logits
        if loss == "ce":
            return F.cross_entropy(s, batch.y)
        if loss == "margin":
            wrong = s.scatter(1, batch.y[:, None], -torch.inf).amax(1)
            return (wrong - s.gather(1, batch.y[:, None])[:, 0]).mean()
        if loss == "kl":
            return F.kl_div(s.log_softmax(1), t.log_softmax(1), reduction="batchmean", log_target=True)
        return (F.normalize(s, p=1, dim=1) - F.normalize(t, p=1, dim=1)).square().mean()

    around = batch.x + 0.1 * (2 * torch.rand_like(batch.x) - 1)
    assert height(moved) - height(batch.x) > 5 * abs(height(around) - height(batch.x))
    assert (moved - batch.x).abs().max() <= 0.1 + 1e-6


def test_an_attack_grows_while_it_warms_up() -> None:
    setting, batch = tiny_setting(None), tiny_batches(1)[0]
    part = Pgd(setting, eps=0.1, size=0.1, warmup=2.0)
    far = []
    for step in range(1, 6):
        moved = part(batch, tiny_net(), TARGETS["none"](setting))
        far.append(float((moved - batch.x).abs().max()))
        part.after_step(Moment(Clock(step - 1, 2, 10, step - 1), batch, {}))
    assert far == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"norm": "l2"}, r"no one radius for l2 .*: give eps"),
        ({"eps": -0.1}, r"eps is -0.1: give 0 or more"),
        ({"warmup": -1.0}, r"no warmup below 0"),
        ({"size": 25.0}, r"size is 25, and pixels lie in .* did you mean 25/255"),
        ({"eps": 8.0}, r"pixels lie in \[0, 1\]: did you mean 8/255"),
        ({"teacher": "moving"}, r"teacher=moving has no effect with loss=ce"),
    ],
)
def test_attacks_that_are_none(options, told) -> None:
    with pytest.raises(ValueError, match=told):
        Pgd(tiny_setting(None), **options)


def test_grey_images_have_no_radius_by_custom() -> None:
    with pytest.raises(ValueError, match=r"no one radius for grey images .*: give eps"):
        Pgd(replace(tiny_setting(None), shape=(1, 28, 28)))
    assert Pgd(replace(tiny_setting(None), shape=(1, 28, 28)), eps=0.3).size == pytest.approx(0.075)
    assert Pgd(tiny_setting(None)).size == pytest.approx(2 / 255)


@pytest.mark.parametrize(("name", "options"), [("pgd", {"loss": "kl", "teacher": "moving"}), ("da", {}), ("hard", {})])
def test_a_clean_answer_does_not_move(name, options) -> None:
    teacher = tiny_net(seed=1)
    setting = tiny_setting(teacher)
    with pytest.raises(UserError, match=r"asks the teacher about images on their way .* targets.at=clean"):
        Bout(
            tiny_net(),
            perturb=PERTURB[name](setting, **options),
            targets=TARGETS["teacher"](setting, at="clean"),
            objective=OBJECTIVE["kd"](setting),
        )


def test_in_a_chain_the_clean_images_are_those_before_it() -> None:
    """The teacher that PGD climbs away from and the one that the student learns from see the same images."""
    setting, batch, asked = tiny_setting(tiny_net(seed=1)), tiny_batches(1)[0], []

    def targets(x, shown):
        asked.append(shown.x)
        return Output(setting.teacher(shown.x).logits)

    chain = Chain([PERTURB["noise"](setting, sigma=0.1), Pgd(setting, loss="kl", eps=0.1)])
    Bout(tiny_net(), perturb=chain, targets=targets, objective=OBJECTIVE["kd"](setting)).exchange(batch)
    assert len(asked) == 2
    assert all(torch.equal(x, batch.x) for x in asked)


def test_a_margin_is_of_one_label() -> None:
    setting = tiny_setting(None)
    with pytest.raises(UserError, match=r"perturb.loss=margin is that of the label's one class"):
        Chain([PERTURB["mixup"](setting), Pgd(setting, loss="margin")])
    Chain([Pgd(setting, loss="margin"), PERTURB["mixup"](setting)])


def test_an_attack_on_the_teachers_answer_needs_one() -> None:
    setting = tiny_setting(None)
    with pytest.raises(UserError, match=r"the perturb part needs a target"):
        Bout(
            tiny_net(),
            perturb=Pgd(setting, loss="kl"),
            targets=TARGETS["none"](setting),
            objective=OBJECTIVE["ce"](setting),
        )
