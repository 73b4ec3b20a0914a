"""What is handed over from Python is looked at before anything is trained with it."""

import copy
import os

import pytest
import torch
from runs import configured
from torch import nn

from sparring.core import Network
from sparring.errors import UserError
from sparring.recipes.build import Given, prepare
from sparring.recipes.config import merged
from sparring.recipes.folder import begun, refuse_other_run
from sparring.recipes.manifest import manifest
from sparring.recipes.paths import anchored
from sparring.recipes.slots import resolved, split
from sparring.recipes.teacher import on_trial


def small(channels=1):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def prepared(teacher, student):
    return prepare(configured(method="kd"), Given(teacher=teacher, student=student))


def test_a_student_that_would_move_its_teacher():
    net, head, loan = small(), small(), small()
    head[3] = net[3]
    loan[0].weight.data = net[0].weight.data
    for student, name in ((net, "0.weight"), (head, "3.weight"), (loan, "0.weight")):
        with pytest.raises(UserError, match=rf"share weights \({name}\), .* with the student: give copy\.deepcopy"):
            prepared(net, student)
    prepared(net, copy.deepcopy(net))


def test_a_frozen_part_may_be_shared():
    teacher, student = small(), small()
    student[0] = teacher[0].requires_grad_(False)
    assert torch.equal(prepared(teacher, student).student.body[0].weight, teacher[0].weight)


def test_a_teacher_computes_as_suits_it_and_not_its_student(monkeypatch):
    monkeypatch.setattr("sparring.recipes.build.fast_bf16", lambda device: True)
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    apart = prepared(small(), perceptron)
    assert apart.compute.bf16 is False
    assert apart.teacher.bf16 is True
    seen = []
    apart.teacher.body[0].register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    apart.teacher(torch.rand(2, 1, 8, 8))
    assert seen == [torch.bfloat16]
    mine = small()
    teacher = Network(mine)
    assert prepared(teacher, perceptron).teacher.bf16 is True
    assert teacher.bf16 is None  # what was handed over goes on as it was, as a float32 run's student for one
    alike = prepared(small(), small())
    assert alike.compute.bf16 is True
    assert alike.teacher.bf16 is None  # it follows the run, and a climb that asks for float32


def test_a_run_goes_on_with_its_teacher_in_the_same_precision(monkeypatch, tmp_path):
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    teacher, origins = small(), {}
    for fast in (True, False):
        monkeypatch.setattr("sparring.recipes.build.fast_bf16", lambda device, fast=fast: fast)
        made = prepared(teacher, perceptron)
        origins[fast] = manifest(made)
    with begun(tmp_path, made, origins[True], resume=False):
        pass
    refuse_other_run(tmp_path, made.config, origins[True])
    with pytest.raises(UserError, match=r"other arguments .the teacher's precision, which --precision decides.; give"):
        refuse_other_run(tmp_path, made.config, origins[False])


def test_a_pool_that_would_outgrow_the_memory_is_refused(monkeypatch):
    real = os.sysconf
    monkeypatch.setattr("sparring.recipes.build.os.sysconf", lambda n: 1 if n == "SC_PHYS_PAGES" else real(n))
    with pytest.raises(
        UserError, match=r"the pool of snapshots could grow to 0\.0 GiB in this training, .* perturb\.pool=N"
    ):
        prepare(configured(method="hard-affine", epochs=30), Given(teacher=small(), student=small()))
    prepare(configured(method="hard-affine", epochs=30, **{"perturb.pool": 3}), Given(teacher=small(), student=small()))


def test_a_role_that_cannot_take_the_images():
    with pytest.raises(UserError, match=r"the teacher Sequential takes colour images .*, but these are grey images"):
        prepared(small(3), small())
    with pytest.raises(UserError, match=r"the student Flatten answers with 64 classes and the data has 10"):
        prepared(small(), nn.Flatten())


def test_probabilities_are_no_logits():
    with pytest.raises(UserError, match=r"the teacher Sequential answers with probabilities .*leave out the softmax"):
        prepared(nn.Sequential(*small(), nn.Softmax(1)), small())


def test_asking_a_module_keeps_the_modes_of_its_parts():
    student = small()
    student[0].eval()
    prepared(small(), student)
    assert [module.training for module in student] == [False, True, True, True]


def test_a_teacher_is_tried_on_images_from_all_over(monkeypatch):
    monkeypatch.setattr("sparring.recipes.teacher.TRIAL", 20)
    y = torch.arange(10).repeat_interleave(60)  # as a folder lies: class by class
    constant = small()
    nn.init.zeros_(constant[-1].weight)
    constant[-1].bias.data = 3 * torch.eye(10)[0]
    data = torch.utils.data.TensorDataset(torch.rand(600, 1, 8, 8), y)
    config = configured(method="kd")
    accuracy, chance = on_trial(prepare(config, Given(teacher=constant, student=small(), data=data)))
    assert 0 < accuracy["own"] <= chance < 0.2


def test_the_options_of_a_chain_of_perturbations():
    chosen = resolved(configured(method="hard-mix", perturb={"name": "mixes+hard", "cutmix": 0.5, "hard": {"lr": 0.1}}))
    assert chosen.perturb["name"] == "mixes+hard"
    assert chosen.perturb["mixes"] == {"mixup": 1.0, "cutmix": 0.5}
    assert (chosen.perturb["hard"]["lr"], chosen.perturb["hard"]["augmentor"]) == (0.1, "mix")  # the row's option stays
    assert resolved(chosen) == chosen
    for options, text in (
        (
            {"name": "mixup+cutmix", "alpha": 1},
            r"perturb\.alpha is an option of mixup and of cutmix: write perturb\.mix",
        ),
        ({"name": "mixup+mixup"}, r"perturb=mixup\+mixup has a link twice: name each once"),
        ({"name": "mixup+hart"}, r"unknown perturb part 'hart'\. Did you mean 'hard'"),
        ({"name": "mixes+hard", "lx": 1}, r"unknown key 'perturb\.lx'\. Did you mean 'perturb\.hard\.lr'"),
        (
            {"name": "mixes+hard", "hard": {"lx": 1}},
            r"unknown key 'perturb\.hard\.lx'\. Did you mean 'perturb\.hard\.lr'",
        ),
    ):
        with pytest.raises(UserError, match=text):
            resolved(configured(method="kd", perturb=options))


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("da", ["da"]),
        ("mixes+hard", ["mixes", "hard"]),
        ("mixes + hard", ["mixes", "hard"]),
        ("/x/c++/mine.py:dim", ["/x/c++/mine.py:dim"]),
        ("mixes+/x/c++/mine.py:dim+hard", ["mixes", "/x/c++/mine.py:dim", "hard"]),
    ],
)
def test_the_links_of_a_chain(name, links):
    assert split(name) == links
    with pytest.raises(UserError, match="lacks a name at one side of its"):
        split("mixes+")


def test_a_chain_of_ones_own_keeps_its_options_and_its_file(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "from sparring.methods import Slot, Slots\n"
        "def dim(setting, *, by=2.0):\n    return lambda batch, student, targets: batch.x / by\n"
        "row = Slots('mine', Slot('mixes+hard', {'mixes': {'mixup': 0.2}, 'hard': {'patience': 9}}), Slot('teacher'))\n"
    )
    monkeypatch.chdir(tmp_path)
    chosen = resolved(configured(method="own.py:row", perturb={"hard": {"lr": 0.1}}))
    assert (chosen.perturb["mixes"]["mixup"], chosen.perturb["hard"]["patience"], chosen.perturb["hard"]["lr"]) == (
        0.2,
        9,
        0.1,
    )
    dimmed = resolved(configured(method="kd", perturb={"name": "mixes+own.py:dim", "dim": {"by": 3}}))
    assert dimmed.perturb["dim"] == {"by": 3.0}
    assert anchored(dimmed).perturb["name"] == f"mixes+{tmp_path / 'own.py'}:dim"
    hard = {"name": "mixes+hard", "hard": {"augmentor": "own.py:dim", "vae": "own.py"}}
    told = anchored(resolved(configured(method="kd", perturb=hard))).perturb["hard"]
    assert (told["augmentor"], told["vae"]) == (f"{tmp_path / 'own.py'}:dim", str(tmp_path / "own.py"))


def test_a_changed_option_of_a_link_leaves_the_others(tmp_path):
    first = resolved(configured(method="kd", perturb={"name": "mixes+hard", "patience": 9, "mixup": 0.2}))
    then = resolved(merged(first, {"perturb.hard.lr": 0.1, "perturb.mixes.cutmix": 0.5}))
    assert (then.perturb["hard"]["patience"], then.perturb["hard"]["lr"]) == (9, 0.1)
    assert then.perturb["mixes"] == {"mixup": 0.2, "cutmix": 0.5}
    with pytest.raises(UserError, match=r"perturb\.lr and perturb\.hard\.lr are the same option: give one"):
        resolved(configured(method="kd", perturb={"name": "mixes+hard", "lr": 0.1, "hard": {"lr": 0.2}}))
