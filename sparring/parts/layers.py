"""Layers: a network's convolutions and linear layers in the order of its forward, and the stage that each lies in.

The stages are those of the network's taps (taps.py). What comes before the first is the "stem", what comes after the
last the "head"; of a network without stages all layers lie in one, "all".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from sparring.core import Network
from sparring.core.network import INPUT
from sparring.parts.taps import Call, Shape, found, listened, shapes

STEM, HEAD, ALL = "stem", "head", "all"
KINDS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution or linear layer: the path of its module in the network's body, its stage, its weight's shape."""

    path: str
    stage: str
    shape: Shape


def layers(net: Network, shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """The layers of `net` whose weights may move, in the order in which a forward of images of `shape` (C, H, W) first
    uses them. To be asked before the body is compiled, whose calls are not heard."""
    weights = moving(net.body)
    calls: list[Call] = []
    ends: list[tuple[float, str]] = []
    if not any(isinstance(module, Network) for module in net.body.modules()):  # of several nobody can say what is inner
        calls = listened(net, shape)[0]
        ends = stage_ends(net.body, calls, stages(net, shape))
    at = placed(net.body, calls)
    return tuple(
        Layer(path, stage_at(at[path], ends), tuple(weights[path].shape))
        for path in sorted(weights, key=at.__getitem__)
    )


def moving(body: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of a body's layers that require a gradient, by the layer's path; of layers that share one, the first.
    One that is computed from others (weight norm) is no parameter, and so is left out."""
    result: dict[str, nn.Parameter] = {}
    for path, module in body.named_modules():
        weight = dict(module.named_parameters(recurse=False)).get("weight")
        if not isinstance(module, KINDS) or weight is None or not weight.requires_grad:
            continue
        if not any(weight is other for other in result.values()):
            result[path] = weight
    return result


def placed(body: nn.Module, calls: Sequence[Call]) -> dict[str, int]:
    """When each submodule's first call ends; one that is not called itself, such as an attention's projection, whose
    weight is used without it, stands with the one that was registered before it."""
    first: dict[str, int] = {}
    for number, call in enumerate(calls):
        first.setdefault(call.path, number)
    at, before = {}, 0
    for path, _ in body.named_modules():
        at[path] = before = first.get(path, before)
    return at


def stages(net: Network, shape: tuple[int, int, int]) -> dict[str, str]:
    """The paths of the taps that name the stem and the stages. Raises UserError for one that is not there."""
    wanted = [tap for tap in net.taps or found(net, shape) if tap == STEM or tap.startswith("stage")]
    shapes(net, shape, wanted)
    return {tap: net.taps[tap] for tap in wanted}


def stage_ends(body: nn.Module, calls: Sequence[Call], taps: Mapping[str, str]) -> list[tuple[float, str]]:
    """When the stem and each stage end, in calls, in that order; nothing where there are no stages."""
    ends = {tap: end_of(path, calls) for tap, path in taps.items()}
    numbered = [tap for tap in ends if tap != STEM]
    if not numbered:
        return []
    if STEM not in ends:
        ends[STEM] = begin_of(body, calls, taps[min(numbered, key=ends.__getitem__)]) - 0.5
    return sorted((end, tap) for tap, end in ends.items())


def stage_at(number: int, ends: Sequence[tuple[float, str]]) -> str:
    """The stage in which call `number` lies: the first that has not ended before it."""
    return next((stage for end, stage in ends if end >= number), HEAD) if ends else ALL


def end_of(path: str, calls: Sequence[Call]) -> float:
    """When what a tap names is there: as its submodule's call ends, or, where its input is meant, before it begins."""
    if path.endswith(INPUT):
        return min(within(path.removesuffix(INPUT), calls)) - 0.5
    return max(number for number, call in enumerate(calls) if call.path == path)


def begin_of(body: nn.Module, calls: Sequence[Call], path: str) -> int:
    """The first call of the stage that ends with the submodule at `path`, where no tap says what the stem is.

    A stage that ends with a bare layer, or where another begins, has no stem before it. One that ends with a numbered
    block begins with the first block of that kind beside it, for several in a row are a stage (torchvision's
    MobileNets).
    """
    modules = dict(body.named_modules())
    if path.endswith(INPUT) or not any(True for _ in modules[path].children()):
        return 0
    parent, _, name = path.rpartition(".")
    beside = modules[parent].named_children() if name.isdigit() else ()
    alike = [f"{parent}.{other}".lstrip(".") for other, module in beside if type(module) is type(modules[path])]
    return min(number for block in (path, *alike) for number in within(block, calls))


def within(path: str, calls: Sequence[Call]) -> list[int]:
    """The numbers of the calls of the submodule at `path`, and of those inside it."""
    return [n for n, call in enumerate(calls) if call.path == path or call.path.startswith(f"{path}.")]
