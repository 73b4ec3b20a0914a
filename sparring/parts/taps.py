"""Taps: a network's inner features by name, whatever the network; their shapes, found by asking it once.

Networks of ours say which taps they have: "stage1", "stage2", …, "map" (the last feature map) and "features" (what goes
into the classifier). Of any other module these are found: a stage ends where the side of the feature maps changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core import Network, Output, UserError, did_you_mean
from sparring.core.mode import mode
from sparring.core.network import INPUT

Shape = tuple[int, ...]
Calls = list[tuple[str, nn.Module, Tensor, Tensor]]


def known(net: Network, shape: tuple[int, int, int]) -> dict[str, Shape]:
    """The named taps of `net` and their shapes, without the batch, for images of `shape` (C, H, W).

    A network that names none is given names (`net.taps`) for those that can be found.
    """
    if not net.taps:
        net.taps = found(net, shape)
    return shapes(net, shape, tuple(net.taps))


def shapes(net: Network, shape: tuple[int, int, int], taps: Sequence[str]) -> dict[str, Shape]:
    """The shapes of some taps, names or paths, without the batch. Raises UserError for one that is not there."""
    if not net.taps:
        net.taps = found(net, shape)
    paths = dict(net.body.named_modules())
    for tap in taps:
        if net.taps.get(tap, tap).removesuffix(INPUT) not in paths:
            raise UserError(
                f"{net.name} has no tap {tap!r}. {did_you_mean(tap, [*net.taps, *paths])} "
                "`sparring list taps NET` shows them all"
            )
    answer = asked(net, shape, lambda x: net(x, taps))
    if odd := [tap for tap in taps if not isinstance(answer.features[tap], Tensor)]:
        raise UserError(f"the tap {odd[0]!r} of {net.name} is no tensor; choose another submodule")
    return {tap: tuple(answer.features[tap].shape[1:]) for tap in taps}


def shape_of(net: Network, shape: tuple[int, int, int], tap: str, dims: int, what: str) -> Shape:
    """The shape of one tap, which must have `dims` dimensions. Raises UserError, saying `what` is wanted, if not."""
    (size,) = shapes(net, shape, [tap]).values()
    if len(size) != dims:
        raise UserError(
            f"{what}, and the tap {tap!r} of {net.name} has the shape {size}; choose one of another shape "
            "(`sparring list taps NET` shows them)"
        )
    return size


def stages(net: Network, shape: tuple[int, int, int]) -> list[str]:
    """The taps that end a stage, in order: "stage1", "stage2", … Raises UserError where there is none."""
    names = [tap for tap, size in known(net, shape).items() if tap.startswith("stage") and len(size) == 3]
    if not names:
        raise UserError(
            f"{net.name} has no stages of feature maps (it has {', '.join(net.taps) or 'no taps'}): "
            "choose a method that compares answers alone, such as dkd or dist"
        )
    return names


def classifier(net: Network, shape: tuple[int, int, int]) -> str:
    """The path of the linear layer whose answer is the network's. Raises UserError where there is none."""
    calls, logits = listened(net, shape)
    for path, module, _, answer in reversed(calls):
        if isinstance(module, nn.Linear) and answer.shape == logits.shape and torch.equal(answer, logits):
            return path
    raise UserError(f"{net.name} does not end in a linear layer, so it has no classifier that could be reused")


def found(net: Network, shape: tuple[int, int, int]) -> dict[str, str]:
    """Taps of a network that names none: where the side of its maps changes, the last map, what its classifier sees."""
    calls, logits = listened(net, shape)
    by_side: dict[Shape, str] = {}
    taps: dict[str, str] = {}
    for path, module, given, answer in calls:
        if answer.ndim == 4 and answer.shape[-1] * answer.shape[-2] > 1:
            by_side[tuple(answer.shape[2:])] = path  # the last one of a size, and of nested ones the outermost
        if (
            isinstance(module, nn.Linear)
            and given.ndim == 2
            and answer.shape == logits.shape
            and torch.equal(answer, logits)
        ):
            taps["features"] = path + INPUT
    named = {f"stage{n + 1}": path for n, path in enumerate(by_side.values())}
    return named | ({"map": [*by_side.values()][-1]} if by_side else {}) | taps


def listened(net: Network, shape: tuple[int, int, int]) -> tuple[Calls, Tensor]:
    """Every call of a submodule that takes and returns a tensor, in the order in which they end, and the logits."""
    if any(isinstance(module, Network) for module in net.body.modules()):
        raise UserError(
            f"{net.name} is made of several networks, so it has no inner features of its own: "
            "give a single teacher, or a method that compares answers alone, such as dkd or dist"
        )
    calls: Calls = []
    with ExitStack() as stack:
        for path, module in net.body.named_modules():
            if path:
                stack.enter_context(module.register_forward_hook(partial(_note, calls, path)))
        return calls, asked(net, shape, net).logits


def asked(net: Network, shape: tuple[int, int, int], ask: Callable[[Tensor], Output]) -> Output:
    """What `net` answers to two images of noise, without a trace in it or in anyone's chance."""
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    with mode(net, training=False), torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ask(torch.rand(2, *shape).to(device))


def _note(calls: Calls, path: str, module: nn.Module, args: tuple[Any, ...], answer: Any) -> None:
    if isinstance(answer, Tensor) and args and isinstance(args[0], Tensor):
        calls.append((path, module, args[0], answer))


def table(net: Network, shape: tuple[int, int, int]) -> Mapping[str, tuple[str, Shape]]:
    """{tap: (path, shape)}: the named taps first, then every submodule under its own path."""
    named = {tap: (net.taps[tap], size) for tap, size in known(net, shape).items()}
    calls, _ = listened(net, shape)
    return named | {path: (path, tuple(answer.shape[1:])) for path, _, _, answer in calls if path not in named}
