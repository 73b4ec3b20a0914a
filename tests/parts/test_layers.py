"""A network's layers in the order of its forward, each in its stage: of ours, and of a user's modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring import nets
from sparring.core import Network, UserError
from sparring.parts.layers import layers

DIGITS = (1, 8, 8)


def staged(net: Any, shape: tuple[int, int, int] = DIGITS) -> dict[str, str]:
    """The stage of each layer by its path, in order."""
    net = net if isinstance(net, Network) else nets.wrap(net, mean=(0.0,), std=(1.0,))
    return {layer.path: layer.stage for layer in layers(net, shape)}


def named(spec: str, shape: tuple[int, int, int] = DIGITS) -> dict[str, str]:
    return staged(nets.load(spec, classes=10, shape=shape), shape)


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class Plain(nn.Module):
    """A stem, two stages, a head: registered in another order than they are called in."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 10)
        self.layer2 = nn.Sequential(Block(4, 8, 2), Block(8, 8))
        self.layer1 = nn.Sequential(Block(4, 4))
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(self.conv1(x))).mean((2, 3)))


class Attentive(nn.Module):
    """A patch embedding, and an attention whose projection is never called as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.mix(x, x, x)[0].mean(1))


def test_a_network_of_ours() -> None:
    assert named("resnet8") == {
        "conv1": "stem",
        "layer1.0.conv1": "stage1",
        "layer1.0.conv2": "stage1",
        "layer2.0.conv1": "stage2",
        "layer2.0.conv2": "stage2",
        "layer2.0.shortcut.0": "stage2",
        "layer3.0.conv1": "stage3",
        "layer3.0.conv2": "stage3",
        "layer3.0.shortcut.0": "stage3",
        "fc": "head",
    }
    assert named("mlp-16") == {"hidden.0.0": "all", "head": "all"}


@pytest.mark.parametrize("spec", ["resnet18", "wrn-16-1", "vgg8", "mobilenetv2", "shufflenetv2"])
def test_stages_come_in_order(spec: str) -> None:
    found = list(named(spec, (3, 32, 32)).values())
    several = sorted({stage for stage in found if stage.startswith("stage")})
    assert len(several) in (3, 4)
    assert list(dict.fromkeys(found)) == ["stem", *several, "head"]
    assert found == sorted(found, key=["stem", *several, "head"].index)


def test_modules_of_a_user() -> None:
    assert staged(Plain()) == {
        "conv1": "stem",
        "layer1.0.conv": "stage1",
        "layer2.0.conv": "stage2",
        "layer2.1.conv": "stage2",
        "fc": "head",
    }
    row = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()), Block(4, 4), Block(4, 4))
    row.extend([Block(4, 8, 2), Block(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)])
    assert staged(row) == {
        "0.0": "stem",
        "1.conv": "stage1",
        "2.conv": "stage1",
        "3.conv": "stage2",
        "4.conv": "stage2",
        "7": "head",
    }
    bare = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 2), nn.ReLU(), nn.Flatten()]
    assert staged(nn.Sequential(*bare, nn.Linear(32, 10))) == {"0": "stage1", "3": "stage3", "6": "head"}
    assert staged(Attentive()) == {"patches": "all", "mix.out_proj": "all", "head": "all"}


def test_taps_that_a_module_names_itself() -> None:
    body = Plain()
    body.taps = {"stage1": "layer2:input", "stage2": "layer2"}  # type: ignore[assignment]
    assert list(staged(body).values()) == ["stage1", "stage1", "stage2", "stage2", "head"]
    body.taps = {"stage1": "layer3"}  # type: ignore[assignment]
    with pytest.raises(UserError, match="has no tap 'stage1'"):
        staged(body)


def test_frozen_shared_and_computed_weights_are_left_out() -> None:
    body = Plain()
    body.conv1.requires_grad_(False)
    body.layer2[1].conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1))
    assert list(staged(body)) == ["layer1.0.conv", "layer2.0.conv", "fc"]
    shared = nn.Linear(16, 16)
    twice = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), shared, nn.ReLU(), shared, nn.Linear(16, 10))
    assert list(staged(twice)) == ["1", "2", "5"]


def test_looking_leaves_no_trace() -> None:
    net = nets.load("resnet8", classes=10, shape=DIGITS)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(3)
    chance = torch.get_rng_state()
    layers(net, DIGITS)
    assert torch.equal(chance, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
