"""The student's own moving average as its teacher."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparring.core import Network
from sparring.core.network import computing
from sparring.engine import fit
from sparring.methods import OBJECTIVE
from sparring.methods.ema import Ema
from sparring.parts.bout import Bout
from sparring.testing import Case, tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import bits, trained


def following(student: nn.Module | None = None, **options) -> tuple[Bout, Ema]:
    setting = tiny_setting(None)
    targets = Ema(setting, **options)
    bout = Bout(
        student or tiny_net(seed=3),
        perturb=lambda batch, student, targets: batch.x,
        targets=targets,
        objective=OBJECTIVE["kd"](setting, T=1.0, ce=1.0, kd=1.0),
    )
    return bout, targets


def average(targets: Ema) -> dict[str, torch.Tensor]:
    return {name.replace("/", "."): value for name, value in targets.average.named_buffers()}


@pytest.mark.parametrize("buffers", ["average", "copy"])
@pytest.mark.parametrize("warmup", [True, False])
def test_the_average_is_the_recursion_by_hand(buffers, warmup):
    bout, targets = following(decay=0.3, warmup=warmup, buffers=buffers)
    expected = bits(bout.student)
    parameters = {name for name, _ in bout.student.named_parameters()}

    def look(moment):
        d = min(0.3, (1 + moment.step) / (10 + moment.step)) if warmup else 0.3
        for name, value in bits(bout.student).items():
            copied = not value.is_floating_point() or (buffers == "copy" and name not in parameters)
            expected[name] = value if copied else d * expected[name] + (1 - d) * value
        for name, value in average(targets).items():
            torch.testing.assert_close(value, expected[name])

    trained(Case(bout), tiny_batches(3), fit, look)
    assert not torch.equal(expected["body.0.weight"], bits(bout.student)["body.0.weight"])


def test_what_the_average_answers():
    bout, targets = following()
    trained(Case(bout), tiny_batches(3), fit)
    alone = tiny_net(seed=5)
    alone.load_state_dict({name: value for name, value in average(targets).items() if name in alone.state_dict()})
    batch = tiny_batches(1)[0]
    bout.train()
    before = bits(bout.student)
    answer = targets(batch.x, batch)
    assert torch.equal(answer.logits, alone.eval()(batch.x).logits)
    assert torch.equal(answer.logits, targets(batch.x, batch).logits)  # no dropout
    assert all(module.training for module in bout.student.modules())
    assert all(torch.equal(before[name], value) for name, value in bits(bout.student).items())


def test_gradients_flow_to_the_input_alone():
    bout, targets = following()
    batch = tiny_batches(1)[0]
    x = batch.x.clone().requires_grad_()
    targets(x, batch).logits.sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is None for parameter in bout.parameters())
    assert not targets(batch.x, batch).logits.requires_grad


def test_it_is_in_the_state_and_nowhere_else():
    bout, _ = following()
    assert {id(p) for p in bout.parameters()} == {id(p) for p in bout.student.parameters()}
    assert list(bout.players) == ["student"]
    saved = [name for name in bout.state_dict() if name.startswith("targets.")]
    assert len(saved) == len(bits(bout.student))
    assert not any("average" in name for name in bout.student.state_dict())


def test_it_moves_with_the_method():
    bout, targets = following()
    bout.to(torch.float64)
    assert {value.dtype for value in targets.average.buffers() if value.is_floating_point()} == {torch.float64}


def test_it_computes_as_the_student_does():
    student = tiny_net(seed=3)
    seen = []
    student.body[0].register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    bout, targets = following(student)
    batch = tiny_batches(1)[0]
    with computing("cpu", bf16=True):
        assert targets(batch.x, batch).logits.dtype == torch.float32
    bout.to(memory_format=torch.channels_last)
    assert targets.average.get_buffer("body/0/weight").is_contiguous(memory_format=torch.channels_last)
    targets(batch.x, batch)
    assert seen == [torch.bfloat16, torch.float32]


def test_weights_that_are_tied_and_a_student_without_buffers():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(192, 192, bias=False)
            self.again = nn.Linear(192, 192, bias=False)
            self.again.weight = self.first.weight
            self.head = nn.Linear(192, 5)

        def forward(self, x):
            return self.head(self.again(self.first(x.flatten(1))))

    bout, targets = following(Network(Tied()), decay=0.5)
    trained(Case(bout), tiny_batches(2), fit)
    batch, alone = tiny_batches(1)[0], Network(Tied())
    alone.load_state_dict({name: value for name, value in average(targets).items() if "body" in name}, strict=False)
    assert torch.equal(targets(batch.x, batch).logits, alone(batch.x).logits)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_averages_nothing(decay):
    with pytest.raises(ValueError, match=r"give the part of the average that stays, from 0 to below 1"):
        Ema(tiny_setting(None), decay=decay)
