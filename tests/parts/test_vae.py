"""HARD's VAE augmentor: what of it is learnt, and that its parameters can be swapped."""

import pytest
import torch
from torch.func import functional_call

from sparring.core import Setting, UserError
from sparring.methods.augmentors import vae
from sparring.nets import autoencoders
from sparring.nets.spec import AUGMENTOR
from sparring.nets.vdvae import VDVAE, Plan
from sparring.parts.augmentors.vae import VAE

PLAN = Plan("8d2,4d4,1x1", "1x1,4m1,8m4,8x1", width=8, zdim=3, bottleneck=0.5)
SETTING = Setting(10, (1, 8, 8), (0.5,), (0.5,))


@pytest.fixture
def folder(tmp_path):
    """The folder of a small autoencoder whose priors and posteriors are random."""
    torch.manual_seed(0)
    made = VDVAE(PLAN, (1, 8, 8))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    autoencoders.save(made, tmp_path / AUGMENTOR)
    return tmp_path


def learnt(module):
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(("first", "blocks"), [(None, {1, 2, 3}), (2, {2, 3}), (0, {0, 1, 2, 3})])
def test_the_later_posteriors_are_learnt_and_nothing_else(folder, first, blocks):
    module = vae(SETTING, vae=str(folder), first=first)
    assert isinstance(module, VAE)
    assert {tuple(name.split(".")[1:4:2]) for name in learnt(module)} == {("decoder", "enc")}
    assert {int(name.split(".")[2]) for name in learnt(module)} == blocks
    x = torch.rand(3, 1, 8, 8)
    augmented = module(x)
    assert augmented.shape == x.shape
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    augmented.square().mean().backward()
    assert all(parameter.grad is not None for parameter in learnt(module).values())
    assert all(p.grad is None for p in module.parameters() if not p.requires_grad)


def test_it_begins_as_the_reconstruction(folder):
    module, plain, x = vae(SETTING, vae=str(folder)), autoencoders.load(folder), torch.rand(3, 1, 8, 8)
    torch.manual_seed(1)
    augmented = module(x)
    torch.manual_seed(1)
    assert torch.equal(augmented, plain.reconstruct(x))
    assert not torch.equal(augmented, module(x))


def test_its_learnt_parameters_can_be_swapped(folder):
    module, fresh, x = vae(SETTING, vae=str(folder)), vae(SETTING, vae=str(folder)), torch.rand(3, 1, 8, 8)
    before = {name: parameter.detach().clone() for name, parameter in learnt(module).items()}
    with torch.no_grad():
        for parameter in learnt(module).values():
            parameter.add_(0.3)
    torch.manual_seed(1)
    old = functional_call(module, before, (x,))
    torch.manual_seed(1)
    new = module(x)
    torch.manual_seed(1)
    assert torch.equal(old, fresh(x))
    assert not torch.equal(old, new)


def test_refusals(folder):
    with pytest.raises(UserError, match="these are 8×8 pixels and 3 channels"):
        vae(Setting(10, (3, 8, 8), (0.5,), (0.5,)), vae=str(folder))
    with pytest.raises(ValueError, match="has 4 blocks"):
        vae(SETTING, vae=str(folder), first=4)
