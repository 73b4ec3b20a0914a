"""Which features of a network that names none are found, and which are refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from sparring.core import Network, UserError
from sparring.parts import taps

SHAPE = (3, 32, 32)


def block(before: int, after: int) -> nn.Sequential:
    """Its first convolution works at the size it is given, its second at half of it."""
    return nn.Sequential(nn.Conv2d(before, 4 * after, 1), nn.ReLU(), nn.Conv2d(4 * after, after, 3, 2, 1))


class Ends(nn.Module):
    """A stem, blocks, the mean over the map and a linear layer; one ReLU and one pool for all of it."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.stem, self.relu, self.pool = nn.Conv2d(3, widths[0], 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.blocks = nn.Sequential(*(block(a, b) for a, b in pairwise(widths)))
        self.spare = nn.Linear(2, 2)
        self.fc = nn.Linear(widths[-1], 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.stem(x)))
        return self.fc(self.pool(self.relu(self.blocks(x))).mean((2, 3)))


class Tokens(nn.Module):
    """A transformer: patches by a convolution, then tokens, on which no map follows but a last rearrangement."""

    def __init__(self, *, channels_last: bool) -> None:
        super().__init__()
        self.channels_last, self.patch, self.out, self.fc = (
            channels_last,
            nn.Conv2d(3, 12, 4, 4),
            nn.Identity(),
            nn.Linear(12, 5),
        )
        self.layers = nn.Sequential(*(nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 12)) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patch(x)
        if self.channels_last:
            return self.fc(self.out(self.layers(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).mean((2, 3)))
        return self.fc(self.layers(maps.flatten(2).transpose(1, 2)).mean(1))


def test_a_stage_ends_with_its_outermost_module_and_not_inside_the_next() -> None:
    net = Network(Ends(8, 12, 16))
    assert taps.found(net, SHAPE) == {"stage1": "blocks.0", "stage2": "blocks", "map": "blocks", "features": "fc:input"}
    assert taps.known(net, SHAPE)["stage1"] == (12, 8, 8)


def test_the_last_of_layers_alone_ends_a_stage() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, padding=1))
    net = Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)))
    assert taps.found(net, SHAPE) == {"stage1": "1", "stage2": "3", "map": "3", "features": "6:input"}


def test_stages_of_layers_in_one_sequence_are_its_layers() -> None:
    down = [layer for width in (8, 16) for layer in (nn.Conv2d(4 if width == 8 else 8, width, 3, 2, 1), nn.ReLU())]
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *down)
    net = Network(nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)))
    found = taps.found(net, SHAPE)
    assert {name: path for name, path in found.items() if name.startswith("stage")} == {
        "stage1": "0.1",
        "stage2": "0.3",
        "stage3": "0",
    }


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_transformer_has_no_stages(channels_last: bool) -> None:
    net = Network(Tokens(channels_last=channels_last), name="tokens")
    assert taps.found(net, SHAPE) == {"features": "fc:input"}
    with pytest.raises(UserError, match=r"tokens has no stages of feature maps .* such as dkd"):
        taps.stages(net, SHAPE)


def test_maps_of_images_that_are_not_square() -> None:
    net = Network(Ends(8, 12, 16))
    assert taps.known(net, (3, 30, 47))["stage2"] == (16, 4, 6)


@pytest.mark.parametrize(
    ("tap", "told"),
    [
        ("relu", "the tap 'relu' of Ends is called 2 times in a forward"),
        ("spare", "the tap 'spare' of Ends is called 0 times in a forward"),
        ("blocks.7", "Ends has no tap 'blocks.7'"),
    ],
)
def test_what_is_no_feature(tap: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        taps.shapes(Network(Ends(8, 12, 16)), SHAPE, [tap])


def test_a_classifier_in_half_precision_is_found() -> None:
    net = Network(Ends(8, 12))
    net.bf16 = True
    assert taps.classifier(net, SHAPE) == "fc"
    assert net(torch.rand(2, *SHAPE)).logits.dtype == torch.float32


def test_the_table_says_why_a_module_is_no_tap() -> None:
    told = taps.table(Network(Ends(8, 12, 16)), SHAPE)
    assert told["relu"].startswith("no tap: called")
    assert told["stage1"] == "(12, 8, 8)  blocks.0"
