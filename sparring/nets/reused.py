"""A student dressed in another network's classifier: its own body, a projector, and a linear layer that is frozen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Network
from sparring.nets.origin import network, origin_of

KIND = "reused classifier"


def projector(before: int, after: int, factor: int) -> nn.Sequential:
    """SimKD's: (B, before, H, W) → (B, after, H, W) through after / factor channels."""
    inner = max(1, after // factor)
    ways = ((before, inner, 1), (inner, inner, 3), (inner, after, 1))
    layers = [
        layer
        for a, b, side in ways
        for layer in (nn.Conv2d(a, b, side, padding=side // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
    ]
    return nn.Sequential(*layers)


class Reused(nn.Module):
    """What a body's feature map becomes through a projector and a classifier: (B, C, H, W) → (B, K).

    body: answers with anything; tap: the submodule in it whose map is taken; side: what larger maps are averaged to.
    """

    def __init__(self, body: nn.Module, tap: str, project: nn.Sequential, classifier: nn.Linear, side: int) -> None:
        super().__init__()
        self.body, self.projector, self.classifier, self.side = body, project, classifier, side
        classifier.requires_grad_(False)
        self.seen: list[Tensor] = []
        body.get_submodule(tap).register_forward_hook(self._note)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.clear()
        self.body(x)
        feature = self.seen.pop()
        if feature.shape[-1] > self.side:
            feature = F.adaptive_avg_pool2d(feature, self.side)
        return self.classifier(self.projector(feature).mean((2, 3)))

    def _note(self, module: nn.Module, args: Any, answer: Tensor) -> None:
        self.seen.append(answer)


def reusing(
    student: Network, path: str, own: tuple[int, ...], wanted: tuple[int, ...], classifier: nn.Linear, factor: int
) -> Network:
    """`student` without the classifier at `path`, feeding a copy of another network's through a projector.

    own, wanted: (C, H, W) of its map and of the map that `classifier` sees the mean of. One that is so dressed already
    is returned as it is.
    """
    origin = origin_of(student)
    if origin.dress:
        return student
    told = {"kind": KIND, "path": path, "tap": student.taps.get("map", "map"), "own": own[0], "factor": factor}
    told |= {
        "wanted": wanted[0],
        "side": wanted[1],
        "classes": classifier.out_features,
        "bias": classifier.bias is not None,
    }
    body = dressed(student.body, told)
    body.classifier.load_state_dict(classifier.state_dict())
    new = network(body, replace(origin, dress=told))
    new.name, new.taps = student.name, {"projected": "projector"} | {t: f"body.{p}" for t, p in student.taps.items()}
    return new


def dressed(body: nn.Module, told: dict[str, Any]) -> Reused:
    """A bare body dressed as an origin tells of it, weights to be filled in."""
    parent, _, name = told["path"].rpartition(".")
    setattr(body.get_submodule(parent), name, nn.Identity())
    project = projector(told["own"], told["wanted"], told["factor"])
    classifier = nn.Linear(told["wanted"], told["classes"], bias=told["bias"])
    return Reused(body, told["tap"], project, classifier, told["side"])
