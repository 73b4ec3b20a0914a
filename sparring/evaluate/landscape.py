"""The loss around a trained network on a plane through its weights (Li, Xu, Taylor, Studer & Goldstein 2018).

A random direction is filter-normalised: each filter of it (a slice along the first axis of a weight of two axes or
more) has the norm of the network's own filter, and all that is no filter (BatchNorm, biases) stays. So the picture does
not change where a network is scaled without being changed. The way from where a training started is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from sparring.core import Batch, Network, Output, UserError
from sparring.core.network import computing
from sparring.evaluate.answers import resting

Weights = dict[str, Tensor]
Score = Callable[[Output, Output | None, Batch], Tensor]
"""A loss (): the mean over a batch of what a student answers, beside what its targets gave."""


def weights_of(net: Network) -> Weights:
    """A copy of all of a network's state that is a real number: its parameters, and its BatchNorm statistics."""
    return {name: value.detach().clone() for name, value in net.state_dict().items() if value.is_floating_point()}


def filterwise(net: Network, seed: int) -> Weights:
    """A random direction whose filters have the norms of the network's own; for `seed` the same on every device."""
    chance = torch.Generator().manual_seed(seed)
    found = {}
    for name, own in net.named_parameters():
        if own.ndim > 1 and own.requires_grad:
            drawn = torch.randn(own.shape, generator=chance).to(own.device, own.dtype)
            found[name] = drawn * (norms(own.detach()) / norms(drawn))
    if not found:
        raise UserError(f"{net.name} has no filters to move: every weight of it is a single row, or frozen")
    return found


def norms(weight: Tensor) -> Tensor:
    """The norm of each filter of a weight (O, …), in a shape that it can be multiplied by: (O, 1, …)."""
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))


@dataclass(frozen=True, slots=True)
class Plane:
    """The networks end + x · across + y · up.

    end, across, up: weights by name; what a direction does not name, it does not move. statistics: names that are no
    parameters: they go along with x from −1 to 0, which is from the start to the end, and beyond are held.
    """

    end: Weights
    across: Weights
    up: Weights
    statistics: frozenset[str] = frozenset()

    def at(self, x: float, y: float) -> Weights:
        """The weights at a point."""
        found = dict(self.end)
        for direction, far in ((self.across, x), (self.up, y)):
            for name, step in direction.items():
                found[name] = found[name] + step * (min(max(far, -1.0), 0.0) if name in self.statistics else far)
        return found

    def coordinates(self, weights: Mapping[str, Tensor]) -> tuple[float, float, float]:
        """Where the point of the plane nearest to some weights lies, and how far off the plane these are, as a part of
        their distance to `end`; the statistics do not count."""
        names = [name for name in self.end if name not in self.statistics]
        way = {name: weights[name].to(self.end[name]) - self.end[name] for name in names}
        pair = (self.across, self.up)
        gram = np.array([[dot(a, b, names) for b in pair] for a in pair])
        x, y = np.linalg.solve(gram, np.array([dot(way, each, names) for each in pair]))
        far = dot(way, way, names)
        left = far - float(np.array([x, y]) @ gram @ np.array([x, y]))
        return float(x), float(y), (max(left, 0.0) / far) ** 0.5 if far else 0.0


def dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor], names: Sequence[str]) -> float:
    """The inner product of two directions over the weights of some names."""
    shared = [name for name in names if name in a and name in b]
    return sum(float((a[name].double() * b[name].double()).sum()) for name in shared)


def random_plane(net: Network, seed: int) -> Plane:
    """A network and two random filter-normalised directions."""
    return Plane(weights_of(net), filterwise(net, seed), filterwise(net, seed + 1))


def plane_from(net: Network, start: Network, seed: int) -> Plane:
    """A network, the way to it from where its training started, and one random filter-normalised direction; the start
    lies at (−1, 0). Raises UserError where the two are not alike, or are one."""
    end, begun = weights_of(net), weights_of(start)
    if {name: value.shape for name, value in end.items()} != {name: value.shape for name, value in begun.items()}:
        raise UserError(f"the weights that {net.name} started from have other names or shapes than those it has now")
    across = {name: value - begun[name].to(value) for name, value in end.items()}
    statistics = frozenset(end) - {name for name, _ in net.named_parameters()}
    if not any(bool(step.any()) for name, step in across.items() if name not in statistics):
        raise UserError(f"the weights of {net.name} are still those that its training started from")
    return Plane(end, across, filterwise(net, seed), statistics)


def losses(
    net: Network,
    weights: Weights,
    shown: Sequence[tuple[Batch, Output | None]],
    scores: Mapping[str, Score],
) -> dict[str, float]:
    """The losses of `net` with other weights: means over some batches, each beside what its targets gave.

    In eval mode and in float32, without a trace in the network.
    """
    sums = {name: 0.0 for name in scores}
    with resting(net), torch.no_grad(), computing(net.mean.device.type, bf16=False):
        for batch, target in shown:
            output = functional_call(net, weights, (batch.x,))
            for name, score in scores.items():
                sums[name] += len(batch) * float(score(output, target, batch))
    images = sum(len(batch) for batch, _ in shown)
    return {name: total / images for name, total in sums.items()}


def surface(
    net: Network,
    plane: Plane,
    x: Sequence[float],
    y: Sequence[float],
    shown: Sequence[tuple[Batch, Output | None]],
    scores: Mapping[str, Score],
) -> dict[str, np.ndarray]:
    """Each loss over the points of a grid on a plane, (Y, X), as `losses` has it at each."""
    rows = [[losses(net, plane.at(across, up), shown, scores) for across in x] for up in y]
    return {name: np.array([[point[name] for point in row] for row in rows]) for name in scores}
