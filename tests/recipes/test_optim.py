"""Every optimiser that a configuration names steps, and goes on from its saved state bit for bit."""

import copy
import sys

import pytest
import torch
from runs import configured
from torch import nn

from sparring.core import Clock
from sparring.engine import Checkpoints, Descent
from sparring.errors import UserError
from sparring.parts.schedules import constant
from sparring.recipes.config import Optim
from sparring.recipes.optim import LIBRARIES, optimizer
from sparring.recipes.run import run


def descent(net, name):
    optim = Optim(name=name, lr=0.01, weight_decay=0.1)
    return Descent(net, lambda parameters: optimizer(optim, parameters), schedule=constant)


def stepped(net, move, steps):
    """`net` after some steps on images that follow from their numbers."""
    for step in steps:
        x = torch.randn(4, 80, generator=torch.Generator().manual_seed(step))
        move.descend(net(x).square().mean(), Clock(step, 10, 10))
    return [parameter.detach().clone() for parameter in net.parameters()]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", *LIBRARIES])
def test_it_goes_on_from_its_state_bit_for_bit(name, tmp_path):
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name][0].partition(".")[0])
    net = nn.Linear(80, 60)  # of 4096 weights and more, 8-bit optimisers keep their moments in 8 bits
    move, before = descent(net, name), net.weight.detach().clone()
    stepped(net, move, range(3))
    assert not torch.equal(net.weight, before)
    Checkpoints(tmp_path).save(3, {"net": net.state_dict(), "move": move.state_dict()})
    state = Checkpoints(tmp_path).latest()
    other = nn.Linear(80, 60)
    other.load_state_dict(state["net"])
    moved = descent(other, name)
    moved.load_state_dict(state["move"])
    moments = [value.dtype for value in moved.optimizer.state[other.weight].values() if torch.is_tensor(value)]
    assert (torch.uint8 in moments) == name.endswith("8bit")
    whole = stepped(net, move, range(3, 6))
    assert all(map(torch.equal, stepped(other, moved, range(3, 6)), whole))
    forgetful = copy.deepcopy(other)
    forgetful.load_state_dict(state["net"])
    assert not all(map(torch.equal, stepped(forgetful, descent(forgetful, name), range(3, 6)), whole))


def test_lion_steps_by_the_sign_and_decays_the_weights():
    pytest.importorskip("lion_pytorch")
    net = nn.Linear(80, 1, bias=False)
    before, move = net.weight.detach().clone(), descent(net, "lion")
    x = torch.randn(4, 80)
    sign = torch.autograd.grad(net(x).square().mean(), net.weight)[0].sign()
    move.descend(net(x).square().mean(), Clock(0, 1, 1))
    torch.testing.assert_close(net.weight.detach(), before * (1 - 0.01 * 0.1) - 0.01 * sign)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_package_is_named_before_anything_is_begun(name, tmp_path, monkeypatch):
    package = LIBRARIES[name][0]
    monkeypatch.setitem(sys.modules, package.partition(".")[0], None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"optim\.name={name} needs the package .* pip install 'sparring\[optim\]'"):
        run(configured(optim={"name": name}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
