"""Landscapes: the directions' norms, exact bowls, and where trajectories lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sparring.core import Batch, Network, UserError
from sparring.evaluate.landscape import (
    Plane,
    filterwise,
    losses,
    norms,
    plane_from,
    random_plane,
    surface,
    weights_of,
)


def conv(seed: int) -> Network:
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 10)
    )
    net = Network(body, name=f"conv{seed}")
    net.train()
    net(torch.rand(16, 3, 8, 8))  # its statistics are its own
    return net


def shown(n: int = 20, size: int = 8) -> list[tuple[Batch, None]]:
    g = torch.Generator().manual_seed(5)
    x, y = torch.rand(n, 3, 8, 8, generator=g), torch.randint(10, (n,), generator=g)
    return [(Batch(a, b, torch.arange(len(b))), None) for a, b in zip(x.split(size), y.split(size), strict=True)]


def ce(output, target, batch):
    return F.cross_entropy(output.logits, batch.y)


def own_loss(net: Network) -> float:
    batches = [batch for batch, _ in shown()]
    net.eval()
    with torch.no_grad():
        return F.cross_entropy(net(torch.cat([b.x for b in batches])).logits, torch.cat([b.y for b in batches])).item()


def test_a_directions_filters_are_as_long_as_the_networks():
    net = conv(0)
    nn.init.zeros_(net.body[0].weight[2].data)
    found = filterwise(net, 3)
    assert list(found) == ["body.0.weight", "body.5.weight"]  # no bias, no BatchNorm
    for name, drawn in found.items():
        own = net.get_parameter(name).detach()
        torch.testing.assert_close(drawn.flatten(1).norm(dim=1), own.flatten(1).norm(dim=1))
        torch.testing.assert_close(norms(drawn), norms(own))
    assert not found["body.0.weight"][2].any()
    again, other = filterwise(net, 3), filterwise(net, 4)
    assert all(torch.equal(again[name], drawn) for name, drawn in found.items())
    assert not torch.equal(other["body.5.weight"], found["body.5.weight"])
    with pytest.raises(UserError, match="no filters to move"):
        filterwise(Network(nn.BatchNorm2d(3)), 0)


def test_the_middle_of_the_grid_is_the_network_and_nothing_is_left_behind():
    net = conv(0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    found = surface(net, random_plane(net, 0), [-1.0, 0.0, 1.0], [-0.5, 0.0, 0.5], shown(), {"CE": ce})
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert found["CE"].shape == (3, 3)
    assert found["CE"][1, 1] == pytest.approx(own_loss(net), rel=1e-5)
    assert len({round(float(value), 6) for value in found["CE"].flat}) == 9


def test_a_quadratic_toy_gives_its_exact_bowl():
    net = Network(nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)))
    net.body[1].weight.data = torch.eye(2)
    across, up = (
        {"body.1.weight": torch.tensor([[1.0, 0], [0, 0]])},
        {"body.1.weight": torch.tensor([[0.0, 0], [0, 3]])},
    )
    batch = Batch(torch.eye(2).view(2, 2, 1, 1), torch.arange(2), torch.arange(2))
    x, y = np.linspace(-1, 1, 5), np.linspace(-2, 2, 3)
    bowl = {"bowl": lambda output, target, batch: (output.logits - torch.eye(2)).square().sum()}
    found = surface(net, Plane(weights_of(net), across, up), x.tolist(), y.tolist(), [(batch, None)], bowl)
    np.testing.assert_allclose(found["bowl"], x[None, :] ** 2 + 9 * y[:, None] ** 2, atol=1e-6)


def test_the_start_lies_on_the_plane_with_its_own_loss():
    end, start = conv(0), conv(1)
    plane = plane_from(end, start, 7)
    assert losses(end, plane.at(-1.0, 0.0), shown(), {"CE": ce})["CE"] == pytest.approx(own_loss(start), rel=1e-5)
    assert plane.coordinates(weights_of(end)) == pytest.approx((0, 0, 0), abs=1e-6)
    assert plane.coordinates(weights_of(start)) == pytest.approx((-1, 0, 0), abs=1e-3)
    x, y, off = plane.coordinates(plane.at(0.3, -0.7))
    assert (x, y) == pytest.approx((0.3, -0.7), abs=1e-5)
    assert off == pytest.approx(0, abs=1e-3)
    beyond = plane.at(4.0, 0.0)["body.1.running_var"]
    assert torch.equal(beyond, weights_of(end)["body.1.running_var"])  # statistics are held beyond the way
    _, _, off = plane.coordinates(weights_of(conv(2)))
    assert 0.1 < off < 1


def test_what_has_no_way_between_is_refused():
    end = conv(0)
    with pytest.raises(UserError, match="still those that its training started from"):
        plane_from(end, end, 0)
    other = Network(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), name="other")
    with pytest.raises(UserError, match="that conv0 started from have other names or shapes"):
        plane_from(end, other, 0)
