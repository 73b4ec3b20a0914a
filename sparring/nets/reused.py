"""A student dressed in another network's classifier: its own body, a projector, and a linear layer that is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Network, UserError
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

    body: answers with anything; tap: the submodule in it whose map is taken; sides: (H, W) that larger maps are
    averaged to; taps: the body's own, by name.
    """

    def __init__(
        self,
        body: nn.Module,
        tap: str,
        project: nn.Module,
        classifier: nn.Linear,
        sides: tuple[int, int],
        taps: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.body, self.projector, self.classifier, self.sides = body, project, classifier, sides
        classifier.requires_grad_(False)
        # Its last map and features are what the classifier sees, not the body's, which end elsewhere.
        self.taps = {name: f"body.{path}" for name, path in taps.items()}
        self.taps |= {"projected": "projector", "map": "projector", "features": "classifier:input"}
        self.seen: list[Tensor] = []
        body.get_submodule(tap).register_forward_hook(self._note)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.clear()
        self.body(x)
        feature = self.seen.pop()
        own = (feature.shape[-2], feature.shape[-1])
        sides = (min(own[0], self.sides[0]), min(own[1], self.sides[1]))
        if sides != own:
            feature = F.adaptive_avg_pool2d(feature, sides)
        return self.classifier(self.projector(feature).mean((2, 3)))

    def _note(self, module: nn.Module, args: Any, answer: Tensor) -> None:
        self.seen.append(answer)


def reusing(
    student: Network,
    tap: str,
    unused: Sequence[str],
    *,
    own: tuple[int, ...],
    wanted: tuple[int, ...],
    classifier: nn.Linear,
    factor: int,
) -> Network:
    """`student` up to a tap, feeding a copy of another network's classifier through a projector.

    unused: the submodules after the tap that hold weights, which are left out. own, wanted: (C, H, W) of the map at the
    tap and of the map that `classifier` sees the mean of. One that is so dressed already is returned as it is; raises
    UserError for one that is dressed otherwise.
    """
    origin = origin_of(student)
    channels, *sides = wanted
    told = {"kind": KIND, "factor": factor, "wanted": channels, "side": sides}
    told |= {"classes": classifier.out_features, "bias": classifier.bias is not None}
    if origin.dress:
        refuse_other(student, origin.dress, told, classifier)
        return student
    path = student.taps.get(tap, tap)
    told |= {"tap": path, "own": own[0], "unused": [*unused], "taps": dict(student.taps)}
    body = dressed(student.body, told)
    body.classifier.load_state_dict(classifier.state_dict())
    new = network(body, replace(origin, dress=told, anew=True))
    new.name = student.name
    return new


def refuse_other(student: Network, dress: Mapping[str, Any], told: Mapping[str, Any], classifier: nn.Linear) -> None:
    """Raise UserError for a dressed student whose projector or classifier is not the one that is wanted."""
    wrong = [name for name in ("factor", "wanted", "classes", "bias") if dress.get(name) != told[name]]
    state = student.body.get_submodule("classifier").state_dict()
    theirs = classifier.state_dict()
    same = not wrong and all(torch.equal(theirs[name].to(value), value) for name, value in state.items())
    if wrong == ["factor"]:
        raise UserError(
            f"{student.name} has a projector of factor {dress['factor']} from an earlier SimKD, and {told['factor']} "
            f"is asked for: give objective.factor={dress['factor']}, or a student without one"
        )
    if not same:
        raise UserError(
            f"{student.name} already feeds the classifier that an earlier SimKD gave it, which is not this teacher's: "
            "give the teacher that it had then, or a student without a projector"
        )


def dressed(body: nn.Module, told: Mapping[str, Any]) -> Reused:
    """A bare body dressed as an origin tells of it, weights to be filled in."""
    for path in told["unused"]:
        parent, _, name = path.rpartition(".")
        setattr(body.get_submodule(parent), name, nn.Identity())
    project = projector(told["own"], told["wanted"], told["factor"])
    classifier = nn.Linear(told["wanted"], told["classes"], bias=told["bias"])
    height, width = told["side"]
    return Reused(body, told["tap"], project, classifier, (height, width), told["taps"])
