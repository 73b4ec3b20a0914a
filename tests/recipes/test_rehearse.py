"""The rehearsal leaves no trace."""

import pytest
import torch
from runs import configured
from torch import nn

from sparring.core import Losses
from sparring.errors import UserError
from sparring.parts.part import Plain
from sparring.recipes.build import Given, fits, prepare
from sparring.recipes.rehearse import doubt, rehearse
from sparring.recipes.run import run, training_stream


def everything(prepared):
    """All that a rehearsal might move, copied."""
    method = prepared.method
    buffers = {name: value.clone() for name, value in method.named_buffers()}
    state = {name: value.clone() for name, value in method.state_dict().items()}
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in method.named_parameters()}
    teacher = {name: value.clone() for name, value in prepared.teacher.state_dict().items()}
    modes = [module.training for module in (*method.modules(), *prepared.teacher.modules())]
    return [buffers, state, gradients, teacher, {"rng": torch.get_rng_state()}], modes


def test_no_trace(teacher):
    config = configured(student="resnet8", teacher=str(teacher), **{"method": "da", "perturb.p": 1.0})
    prepared = prepare(config, Given())
    first = next(iter(prepared.method.parameters()))
    first.grad = torch.ones_like(first)
    next(prepared.student.body.children()).eval()  # a part that someone keeps in eval mode
    batch = next(iter(training_stream(prepared)(0)))
    before, modes = everything(prepared)
    found = rehearse(prepared, batch)
    after, modes_after = everything(prepared)
    assert modes == modes_after
    for old, new in zip(before, after, strict=True):
        assert old.keys() == new.keys()
        for name, value in old.items():
            assert value is new[name] is None or torch.equal(value, new[name]), name
    assert float(prepared.method.gauges()["moved"]) == 0
    assert found["student"].gradient > 0
    assert set(found["student"].terms) == {"ce", "kd"}


def test_what_fails_fails_in_a_sentence_and_without_a_trace(teacher):
    prepared = prepare(configured(teacher=str(teacher), method="kd"), Given())
    batch = next(iter(training_stream(prepared)(0)))
    with pytest.raises(UserError, match=r"does not work on a first batch of .64, 1, 5, 8.: RuntimeError"):
        rehearse(prepared, batch.at(batch.x[:, :, :5]))
    assert prepared.student.training


def test_an_objective_without_terms_is_told(teacher):
    prepared = prepare(configured(teacher=str(teacher), method="kd"), Given())
    prepared.method.objective = Plain(lambda output, target, batch: Losses({}))
    with pytest.raises(UserError, match=r"^the objective returned no term, .*: return term\(name, value\)$"):
        rehearse(prepared, next(iter(training_stream(prepared)(0))))


def test_trying_a_network_out_leaves_each_part_in_its_own_mode(teacher):
    prepared = prepare(configured(student="resnet8", teacher=str(teacher), method="kd"), Given())
    next(prepared.student.body.children()).eval()
    modes = [module.training for module in prepared.student.modules()]
    fits(prepared.student, "student", prepared.data)
    assert [module.training for module in prepared.student.modules()] == modes


OWN = """
import torch
from sparring.parts.augmentors.augmentor import Augmentor
class Wild(Augmentor):
    def __init__(self, setting):
        super().__init__()
        self.by = torch.nn.Parameter(torch.ones(()))
    def forward(self, x):
        return 0.5 + 0 * x * self.by
class Cut(Wild):
    def forward(self, x):
        return (x + 0.01 * self.by).detach()
class Mild(Wild):
    def forward(self, x):
        return x + 0.01 * self.by
"""


def test_an_augmentor_that_spoils_images_or_cuts_its_gradient_is_told(teacher, tmp_path):
    (tmp_path / "own.py").write_text(OWN)

    def first_of(name):
        method = {"method": "hard-affine", "perturb": {"augmentor": f"{tmp_path}/own.py:{name}"}}
        prepared = prepare(configured(teacher=str(teacher), **method), Given())
        return prepared, next(iter(training_stream(prepared)(0)))

    assert doubt(*first_of("Mild")) is None
    prepared, batch = first_of("Wild")
    assert "images that are spoilt" in (doubt(prepared, batch) or "")
    with pytest.raises(UserError, match="the loss of augmentor does not depend on its parameters"):
        rehearse(*first_of("Cut"))
    mixed = prepare(configured(teacher=str(teacher), method="kd", perturb="mixup"), Given())
    assert doubt(mixed, batch) is None  # nobody knows what is right of mixed images
    attacked = prepare(configured(teacher=str(teacher), method="akd", perturb={"eps": 0.9}), Given())
    assert doubt(attacked, batch) is None  # it was told whether its teacher withstands that


def test_a_student_that_an_attack_cannot_climb_is_told():
    def told(student):
        prepared = prepare(configured(method="at", perturb={"eps": 0.1}), Given(student=student))
        return doubt(prepared, next(iter(training_stream(prepared)(0))))

    class Rounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            return self.linear((x.flatten(1) * 8).round() / 8)

    assert told(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))) is None
    assert "the gradient is exactly zero at 64 of 64 images, where attacks that climb see nothing" in told(Rounded())


def test_parameters_that_the_loss_does_not_move_are_told(tmp_path):
    run(configured(method="byot", student="small-cnn", epochs=1), tmp_path / "exits")
    prepared = prepare(configured(method="ce", student=str(tmp_path / "exits")), Given())
    batch = next(iter(training_stream(prepared)(0)))
    told = rehearse(prepared, batch)["student"].doubt
    assert told is not None
    assert told.startswith("body.exits.exit1.bottleneck.0.weight and ")
    assert rehearse(prepare(configured(method="ce"), Given()), batch)["student"].doubt is None
