"""Guides: small networks that look at what the teacher saw in an image and answer how much of it to censor, in [0, 1].

DiSK, appendix A.4 (perceptrons) and the paper's code (a convolutional head on one of the teacher's feature maps).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.core import Setting, UserError
from sparring.parts import taps
from sparring.parts.hint import both

Kind = Literal["mlp", "features", "wide", "map"]
HEAD = 256  # channels of the convolutional guide


class Guide(nn.Module):
    """One number in [0, 1] an image; a perceptron in float32 whatever the precision around it.

    tap: the teacher's feature that it looks at, (B, F) or (B, C, H, W); logits: whether it also sees the teacher's
    logits (B, K). bias: of its last layer at the start: −2 censors 12 % of everything; None leaves it to chance.
    """

    def __init__(self, head: nn.Sequential, tap: str, *, logits: bool, bias: float | None) -> None:
        super().__init__()
        self.head, self.tap, self.logits = head, tap, logits
        last = head[-2]
        if bias is not None and isinstance(last, nn.Linear):
            nn.init.constant_(last.bias, bias)

    def forward(self, feature: Tensor, logits: Tensor) -> Tensor:
        """(B,) in [0, 1]."""
        if feature.ndim > 2:  # convolutions, which are most of the work, follow the run's precision
            bf16 = torch.is_autocast_enabled(feature.device.type)
            return self.head(feature if bf16 else feature.float()).float().squeeze(1)
        with torch.autocast(feature.device.type, enabled=False):
            seen = feature.float()
            return self.head(torch.cat([seen, logits.float()], 1) if self.logits else seen).squeeze(1)


def guide(setting: Setting, kind: Kind, bias: float | None) -> Guide:
    """The guide for a teacher: "mlp" sees its last features and its logits through 64 and 128 units, "features" the
    features alone, "wide" these through 1000, 64 and 1000 units (DiSK's on ImageNet), "map" by convolutions the map
    before its last stage (of a teacher of three stages or fewer its last map). Raises UserError where the teacher has
    no such feature."""
    _, teacher = both(setting)
    if kind == "map":
        if not (names := taps.maps(teacher, setting.shape)):
            raise UserError(f"guide=map looks at a feature map, and {teacher.name} has none: give objective.guide=mlp")
        tap = names[-2] if len(names) > 3 else names[-1]
        (channels, *_) = taps.shape_of(teacher, setting.shape, tap, 3, "this guide looks at a feature map")
        width, *_ = taps.known(teacher, setting.shape).get("features", (channels,))
        return Guide(convolutions(channels, width, setting.classes), tap, logits=False, bias=bias)
    if "features" not in taps.known(teacher, setting.shape):
        raise UserError(
            f"guide={kind} looks at what a linear classifier sees, and {teacher.name} does not end in one: give "
            "objective.guide=map"
        )
    (width,) = taps.shape_of(teacher, setting.shape, "features", 1, "the guide looks at a row of features")
    sees = width + (setting.classes if kind == "mlp" else 0)
    head = perceptron(sees, (1000, 64, 1000) if kind == "wide" else (64, 128))
    return Guide(head, "features", logits=kind == "mlp", bias=bias)


def perceptron(width: int, hidden: Sequence[int]) -> nn.Sequential:
    """(B, width) → (B, 1) in [0, 1]: linear, BatchNorm and ReLU for each hidden layer, then linear and sigmoid."""
    layers = [
        layer
        for before, after in pairwise([width, *hidden])
        for layer in (nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 1), nn.Sigmoid())


def convolutions(channels: int, width: int, classes: int) -> nn.Sequential:
    """(B, channels, H, W) → (B, 1) in [0, 1]: three convolutions, the mean over the map, linear layers of the
    width of the teacher's features, of the classes, and of one."""
    layers: list[nn.Module] = []
    for before, side in ((channels, 1), (HEAD, 3), (HEAD, 1)):
        layers += [nn.Conv2d(before, HEAD, side, padding=side // 2, bias=False), nn.BatchNorm2d(HEAD), nn.SiLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(HEAD, width), nn.Linear(width, classes)]
    return nn.Sequential(*layers, nn.BatchNorm1d(classes), nn.ReLU(), nn.Linear(classes, 1), nn.Sigmoid())
