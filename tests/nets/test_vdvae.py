"""The very deep VAE: its published size, its likelihood against one written plainly, and what of it is learnt."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from sparring.core import UserError
from sparring.nets import logistics, vdvae
from sparring.nets.vdvae import VDVAE, Plan, divergence

TINY = Plan("8d2,4d4,1x1", "1x1,4m1,8m4,8x1", width=8, zdim=3, bottleneck=0.5)


def tiny(channels=1, seed=0):
    """A small VAE for 8×8 pixels, moved off its start so that priors and posteriors differ."""
    torch.manual_seed(seed)
    vae = VDVAE(TINY, (channels, 8, 8))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return vae


def pixels(*shape, seed=0):
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=chance) / 255


def test_the_published_size():
    with torch.device("meta"):
        vae = vdvae.vdvae("vdvae-cifar10", (3, 32, 32))
    assert len(vae.rungs()) == 43
    assert (vae.rungs()[10].resolution, vae.rungs()[10].below) == (16, 8)
    assert sum(parameter.numel() for parameter in vae.parameters()) == 39_145_700  # "39 M"
    learnt = {id(parameter) for parameter in vae.tunable(None)}
    names = {name for name, parameter in vae.named_parameters() if id(parameter) in learnt}
    assert {name.split(".")[1] for name in names} == {str(number) for number in range(10, 43)}
    assert {name.split(".")[2] for name in names} == {"enc"}


@pytest.mark.parametrize(("name", "shape"), [("vdvae-mnist", (1, 28, 28)), ("vdvae-small", (3, 32, 32))])
def test_a_stable_start(name, shape):
    torch.manual_seed(0)
    vae = vdvae.vdvae(name, shape)
    x = pixels(2, *shape)
    elbo = vae.elbo(x)
    assert elbo.shape == (2,)
    assert (-elbo / math.prod(shape) / math.log(2) < 12).all()
    rate, distortion, again = vae.judged(x)
    assert again.shape == x.shape
    assert (rate >= 0).all()
    assert (distortion > 0).all()
    assert all(not rung.prior.c4.weight.any() for rung in vae.rungs())


def naive(told, x):
    """The log-likelihood in the plainest words: a loop over pixels, channels and mixtures in float64."""
    channels, weights = x.shape[1], torch.softmax
    mixtures = told.shape[1] // (1 + 2 * channels + channels * (channels - 1) // 2)
    total = torch.zeros(len(x), dtype=torch.float64)
    told, target = told.double(), 2 * x.double() - 1
    for b in range(len(x)):
        for h in range(x.shape[2]):
            for w in range(x.shape[3]):
                numbers, v = told[b, :, h, w].view(-1, mixtures), target[b, :, h, w]
                couplings = numbers[1 + 2 * channels :].tanh()
                p = weights(numbers[0], 0)
                for c in range(channels):
                    mean, at = numbers[1 + c], c * (c - 1) // 2
                    for before in range(c):
                        mean = mean + couplings[at + before] * v[before]
                    scale = numbers[1 + channels + c].clamp(min=-7).exp()
                    upper = torch.sigmoid((v[c] + 1 / 255 - mean) / scale) if v[c] < 0.9999 else 1.0
                    lower = torch.sigmoid((v[c] - 1 / 255 - mean) / scale) if v[c] > -0.9999 else 0.0
                    p = p * (upper - lower)
                total[b] += p.sum().log()
    return total


@pytest.mark.parametrize("channels", [1, 3])
def test_the_likelihood_is_the_plain_one(channels):
    torch.manual_seed(1)
    told = torch.randn(2, logistics.outputs(channels, 10), 2, 2) * 1.5
    x = pixels(2, channels, 2, 2)
    x[0, :, 0, 0], x[0, :, 0, 1] = 0.0, 1.0
    expected = naive(told, x)
    torch.testing.assert_close(logistics.log_likelihood(told, x).double(), expected, rtol=1e-4, atol=1e-3)


def test_the_values_of_a_pixel_have_probability_one():
    told = torch.randn(1, logistics.outputs(1, 10), 1, 1, generator=torch.Generator().manual_seed(2)) * 2
    every = (torch.arange(256) / 255).view(256, 1, 1, 1)
    assert logistics.log_likelihood(told.expand(256, -1, 1, 1), every).exp().sum() == pytest.approx(1, abs=1e-5)


def test_a_sharp_and_wrong_mixture_costs_a_finite_number_with_a_gradient():
    told = torch.zeros(1, logistics.outputs(3, 10), 1, 1)
    told[:, 10:40], told[:, 40:70] = -1.0, -30.0
    told.requires_grad_()
    cost = logistics.log_likelihood(told, torch.full((1, 3, 1, 1), 128 / 255))
    cost.sum().backward()
    assert cost.isfinite().all()
    assert told.grad is not None
    assert told.grad.isfinite().all()
    assert told.grad.any()


def test_the_mean_couples_the_channels():
    told = torch.zeros(1, logistics.outputs(3, 1), 1, 1)
    told[0, 1:4, 0, 0] = torch.tensor([0.5, 0.1, -0.2])
    told[0, 7:10, 0, 0] = torch.tensor([0.4, 0.2, -0.5]).atanh()
    red, green = 0.5, 0.1 + 0.4 * 0.5
    blue = -0.2 + 0.2 * red - 0.5 * green
    expected = (torch.tensor([red, green, blue]) + 1) / 2
    torch.testing.assert_close(logistics.mean(told, 3).flatten(), expected)
    assert logistics.mean(told * 100, 3).max() == 1


def test_the_divergence_is_that_of_gaussians():
    torch.manual_seed(0)
    a, b, c, d = torch.randn(4, 2, 3, 2, 2)
    told = kl_divergence(Independent(Normal(a, b.exp()), 3), Independent(Normal(c, d.exp()), 3))
    torch.testing.assert_close(divergence(a, b, c, d), told)


@pytest.mark.parametrize("channels", [1, 3])
def test_reconstructions_are_images_with_a_gradient(channels):
    vae, x = tiny(channels), pixels(4, channels, 8, 8).requires_grad_()
    again = vae.reconstruct(x)
    assert again.shape == x.shape
    assert again.min() >= 0
    assert again.max() <= 1
    again.sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert all(parameter.grad.any() for rung in vae.rungs() for parameter in (rung.enc.c1.weight, rung.enc.c4.weight))
    assert not torch.equal(vae.reconstruct(x), vae.reconstruct(x))
    assert torch.equal(vae.reconstruct(x, sample=False), vae.reconstruct(x, sample=False))
    assert vae.sample(3).shape == (3, channels, 8, 8)


def test_it_learns():
    vae, x = tiny(), pixels(1, 1, 8, 8).round().expand(4, -1, -1, -1)
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.01)
    before = vae.elbo(x).mean()
    for _ in range(40):
        optimizer.zero_grad()
        (-vae.elbo(x).mean() / 64).backward()
        optimizer.step()
    assert vae.elbo(x).mean() > 0.7 * before


WRONG = [
    (TINY, (1, 28, 28), "square images of 8×8 pixels.* 28×28 .*take vdvae-mnist"),
    (TINY, (2, 8, 8), "with 2 channels"),
    (TINY, (1, 8, 6), "are 8×6"),
    (Plan("8d2,8x1", "8x1", 8, 3, 0.5), (1, 8, 8), "does not go on from 4 pixels"),
    (Plan("8d2,4x1", "4x1,8m2", 8, 3, 0.5), (1, 8, 8), "cannot make 8m2"),
    (Plan("8d2,4x1", "4x1", 8, 3, 0.5), (1, 8, 8), "ends at 4 pixels"),
    (Plan("8d2,four", "8x1", 8, 3, 0.5), (1, 8, 8), "'four' in '8d2,four' is no block"),
    (Plan("8d2,4d0", "8x1", 8, 3, 0.5), (1, 8, 8), "'4d0'"),
]


@pytest.mark.parametrize(("plan", "shape", "told"), WRONG, ids=[told for *_, told in WRONG])
def test_what_does_not_fit_is_refused(plan, shape, told):
    with pytest.raises(UserError, match=told):
        VDVAE(plan, shape)


def test_an_unknown_name_and_a_block_that_is_not_there():
    with pytest.raises(UserError, match="Did you mean 'vdvae-small'"):
        vdvae.vdvae("vdvae-smal", (3, 32, 32))
    with pytest.raises(ValueError, match="first is 4, and the VAE's decoder has 4 blocks"):
        list(tiny().tunable(4))
