"""Several teachers as one: a network that answers what its members answer together, each with its own preprocessing.

    ensemble:A+B                  the mean of their logits, which is the geometric mean of their probabilities
    ensemble-probabilities:A+B    the logarithm of the mean of their probabilities

A and B are whatever `spec.py` takes. A path may hold a + too: the members are such as are there, or are known by name.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.core import Network, UserError
from sparring.nets.exits import exit_asked
from sparring.nets.names import TABLE
from sparring.nets.origin import Normalisation, Origin, network, origin_of
from sparring.nets.spec import BACKBONE, LIBRARIES, PRETRAINED

Combine = Literal["logits", "probabilities"]
PREFIXES: dict[str, Combine] = {"ensemble": "logits", "ensemble-probabilities": "probabilities"}


class Ensemble(nn.Module):
    """Members (`Network`s for the same classes) that answer together. combine: the mean of what."""

    def __init__(self, members: Sequence[Network], combine: Combine = "logits") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine: Combine = combine

    def extra_repr(self) -> str:
        return f"combine={self.combine}"

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) at x (B, C, H, W) in [0, 1]."""
        answers = torch.stack([member(x).logits for member in self.members])  # (M, B, K)
        if self.combine == "logits":
            return answers.mean(0)
        return torch.log_softmax(answers, dim=2).logsumexp(0) - math.log(len(self.members))


def ensemble(members: Sequence[Network], combine: Combine = "logits") -> Network:
    """One network of several. The members' weights are shared, their precision is the ensemble's own."""
    members = [copy.copy(member) for member in members]
    origins = [origin_of(member) for member in members]
    origin = Origin(
        spec=joined([member.name for member in members], combine),
        classes=origins[0].classes,
        shape=origins[0].shape,
        mean=(0.0,),
        std=(1.0,),
        class_names=origins[0].class_names,
        trained=all(each.trained for each in origins),
    )
    return network(Ensemble(members, combine), origin)


def members(net: Network) -> list[Network]:
    """The members of an ensemble, or the network itself."""
    return [*net.body.members] if isinstance(net.body, Ensemble) else [net]  # type: ignore[list-item]


def refed(net: Network, normalisation: Normalisation) -> Network:
    """The same weights behind another preprocessing, in each member of an ensemble."""
    if isinstance(net.body, Ensemble):
        return ensemble([refed(member, normalisation) for member in members(net)], net.body.combine)
    mean, std = normalisation
    return network(net.body, replace(origin_of(net), mean=mean, std=std))


def team(spec: str) -> tuple[list[str], Combine] | None:
    """The members that `spec` names and how they answer together; None where it names one network alone."""
    prefix, _, rest = spec.partition(":")
    if prefix not in PREFIXES:
        return None
    pieces = rest.split("+")
    found = [member.strip() for member in standing(pieces) or pieces]
    if "" in found:
        raise UserError(f"{spec!r} lacks a network at one side of a +; write {prefix}:FIRST+SECOND")
    return found, PREFIXES[prefix]


def joined(members: Sequence[str], combine: Combine) -> str:
    """What `team` takes apart."""
    prefix = next(prefix for prefix, meant in PREFIXES.items() if meant == combine)
    return f"{prefix}:" + "+".join(members)


def standing(pieces: Sequence[str]) -> list[str] | None:
    """The pieces, some joined by + again, so that each names something that is there; None where that cannot be."""
    if not pieces:
        return []
    for count in range(1, len(pieces) + 1):
        first = "+".join(pieces[:count])
        if there(first.strip()) and (rest := standing(pieces[count:])) is not None:
            return [first, *rest]
    return None


def there(spec: str) -> bool:
    """Whether `spec` names a network, as far as one can see without loading it."""
    if (asked := exit_asked(spec)) is not None:
        return there(asked[1])
    head, at, weights = spec.partition("@")
    if spec and Path(spec).expanduser().exists():
        return True
    if at:
        return there(head) and (weights in (PRETRAINED, BACKBONE) or Path(weights).expanduser().exists())
    file, colon, _ = spec.rpartition(":")
    return spec in TABLE or (bool(colon) and (spec.partition(":")[0] in LIBRARIES or Path(file).expanduser().is_file()))
