"""Augmentors start as the identity, do as the worked examples say, and pass gradients to what is learned."""

from __future__ import annotations

import pytest
import torch

from sparring.core import UserError
from sparring.parts.augmentors.affine import Affine, warp
from sparring.parts.augmentors.augmentor import Composed, distance
from sparring.parts.augmentors.gaussian import Gaussian
from sparring.parts.augmentors.mix import Mix

RAMP = torch.arange(16.0).view(1, 1, 4, 4)
MADE = {
    "affine": lambda: Affine((1, 8, 8), start=1e-4),
    "full": lambda: Affine((1, 8, 8), start=1e-4, covariance="full"),
    "line": lambda: Affine((1, 1, 8), start=1e-4),
    "gaussian": lambda: Gaussian(1, start=1e-4),
    "mix": lambda: Mix((1, 8, 8), patch=4, own=12.0),
    "chain": lambda: Composed(Gaussian(1, start=1e-4), Affine((1, 8, 8), start=1e-4)),
}


@pytest.mark.parametrize("name", MADE)
def test_it_starts_as_the_identity_and_learns(name):
    torch.manual_seed(0)
    augmentor = MADE[name]()
    x = torch.rand(4, 1, 1 if name == "line" else 8, 8, requires_grad=True)
    out = augmentor(x)
    assert out.shape == x.shape
    assert (out - x).abs().max() < 5e-3
    assert not torch.equal(augmentor(x), out)  # other noise
    out.square().sum().backward()
    assert x.grad is not None
    for parameter in augmentor.learned().values():
        assert parameter.grad is not None
    assert any(parameter.grad.abs().max() > 0 for parameter in augmentor.learned().values())
    grouped = [parameter for group in augmentor.groups() for parameter in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in augmentor.learned().values()}
    assert len(grouped) == len(augmentor.learned())


def test_the_plane_is_seen_through_the_matrix():
    identity, twice = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), torch.tensor([[[2.0, 0, 0], [0, 2, 0]]])
    assert torch.allclose(warp(RAMP, identity), RAMP, atol=1e-6)
    smaller = warp(RAMP, twice)[0, 0]
    assert torch.allclose(smaller[1:3], torch.tensor([[0, 2.5, 4.5, 0], [0, 10.5, 12.5, 0]]), atol=1e-5)
    assert smaller[[0, 3]].abs().max() == 0
    left = warp(torch.arange(4.0).view(1, 1, 1, 4), torch.tensor([[[1.0, 0, 0.5], [0, 1, 0]]]))
    assert torch.allclose(left.flatten(), torch.tensor([1.0, 2, 3, 0]), atol=1e-5)


def test_a_line_is_only_scaled_and_shifted():
    augmentor = Affine((1, 1, 8), start=0.1)
    maps = augmentor.maps(torch.randn(50, 6))
    assert (maps[:, 0, [0, 2]].std(0) > 0.05).all()
    assert torch.equal(maps[:, 1], torch.tensor([0.0, 1, 0]).expand(50, 3))
    assert maps[:, 0, 1].abs().max() == 0


def test_the_full_covariance_is_the_triangles():
    augmentor = Affine((1, 8, 8), start=0.1, covariance="full")
    with torch.no_grad():
        augmentor.spread.copy_(torch.randn(6, 6))
    maps = augmentor.maps(torch.randn(200_000, 6)).flatten(1)
    lower = augmentor.spread.detach().tril()
    assert torch.allclose(torch.cov(maps.detach().T), lower @ lower.T, atol=0.1)


def test_the_mean_may_stay_the_identity():
    augmentor = Affine((1, 8, 8), start=0.3, mean="identity")
    assert list(augmentor.learned()) == ["spread"]
    assert augmentor.maps(torch.randn(50_000, 6)).mean(0).sub(torch.eye(2, 3)).abs().max() < 0.01


def test_mix_does_as_the_worked_example():
    augmentor = Mix((1, 2, 2), patch=1, dim=1, group=2, own=0.0)
    with torch.no_grad():
        augmentor.embed.weight.fill_(1.0)
        augmentor.embed.bias.zero_()
    x = torch.tensor([[[[1.0, 2], [3, 4]]], [[[5.0, 1], [0, 2]]]])
    mixed = augmentor.mixed(x, torch.full((2, 1), 0.5))
    expected = torch.tensor([[4.523188, 1.622459], [2.452723, 3.462117]])
    assert torch.allclose(mixed[0, 0], expected, atol=1e-5)
    assert torch.allclose(mixed[1, 0], expected, atol=1e-5)


def test_mix_keeps_groups_apart_and_rows_in_place():
    x = torch.rand(6, 3, 8, 8)
    augmentor = Mix((3, 8, 8), patch=4, own=40.0)
    assert torch.allclose(augmentor(x), x, atol=1e-5)
    augmentor = Mix((3, 8, 8), patch=4, own=0.0)
    torch.manual_seed(1)
    first = augmentor(x)
    y = x.clone()
    y[4:] = 0
    torch.manual_seed(1)
    assert torch.allclose(augmentor(y)[:4], first[:4], atol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"patches of 5 pixels and these are 8×8"):
        Mix((1, 8, 8), patch=5)
    with pytest.raises(UserError, match=r"perturb.group=1 is none"):
        Mix((1, 8, 8), patch=4, group=1)
    with pytest.raises(UserError, match=r"a batch of 3 is no multiple"):
        Mix((1, 8, 8), patch=4)(torch.rand(3, 1, 8, 8))


def test_distance_is_from_the_start():
    augmentor = Gaussian(2, start=0.5)
    start = {name: value.detach().clone() for name, value in augmentor.learned().items()}
    assert distance(augmentor.learned(), start) == 0
    with torch.no_grad():
        augmentor.mean += torch.tensor([3.0, 4.0]).view(2, 1, 1)
    assert distance(augmentor.learned(), start) == pytest.approx(5.0)
