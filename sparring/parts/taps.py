"""Taps: a network's inner features by name, whatever the network; their shapes, found by asking it once.

Networks of ours say which taps they have: "stage1", "stage2", …, "map" (the last feature map) and "features" (what goes
into the classifier). Of any other module these are found: a stage ends where the side of the feature maps changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core import Network, Output, UserError, did_you_mean
from sparring.core.mode import mode
from sparring.core.network import INPUT

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a submodule at `path`: the first tensor that it was given, and the (first) one that it answered."""

    path: str
    module: nn.Module
    given: Tensor
    answer: Tensor


def known(net: Network, shape: tuple[int, int, int]) -> dict[str, Shape]:
    """The named taps of `net` and their shapes, without the batch, for images of `shape` (C, H, W).

    A network that names none is given names (`net.taps`) for those that can be found.
    """
    if not net.taps:
        net.taps = found(net, shape)
    return shapes(net, shape, tuple(net.taps))


def shapes(net: Network, shape: tuple[int, int, int], taps: Sequence[str]) -> dict[str, Shape]:
    """The shapes of some taps, names or paths, without the batch. Raises UserError for one that is not there, or whose
    submodule a forward does not call exactly once."""
    if not net.taps:
        net.taps = found(net, shape)
    paths = dict(net.body.named_modules())
    times = times_called(net, shape)
    for tap in taps:
        path = net.taps.get(tap, tap).removesuffix(INPUT)
        if path not in paths:
            flat = not any(name.startswith("stage") for name in net.taps)
            raise UserError(
                f"{net.name} has no tap {tap!r}"
                + (
                    ", nor stages of feature maps at all: methods that compare answers alone (dkd, dist) need none. "
                    if flat
                    else ". "
                )
                + f"{did_you_mean(tap, [*net.taps, *filter(None, paths)])} "
                "`sparring list taps NET --data DATA` shows them all"
            )
        if path and times[path] != 1:
            raise UserError(
                f"the tap {tap!r} of {net.name} is called {times[path]} times in a forward, so it does not name one "
                "feature; choose a submodule that is called once (`sparring list taps NET --data DATA` shows them)"
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
            "(`sparring list taps NET --data DATA` shows them)"
        )
    return size


def place(net: Network, tap: str) -> str:
    """A tap, and the submodule behind it: "stage1 (layer1)"."""
    path = net.taps.get(tap, tap)
    return tap if path == tap else f"{tap} ({path})"


def maps(net: Network, shape: tuple[int, int, int]) -> list[str]:
    """The taps that end a stage of feature maps, in order: "stage1", "stage2", …; none of a transformer."""
    return [tap for tap, size in known(net, shape).items() if tap.startswith("stage") and len(size) == 3]


def stages(net: Network, shape: tuple[int, int, int]) -> list[str]:
    """What `maps` finds. Raises UserError where that is nothing."""
    if not (names := maps(net, shape)):
        raise UserError(
            f"{net.name} has no stages of feature maps (it has {', '.join(net.taps) or 'no taps'}): "
            "choose a method that compares answers alone, such as dkd or dist"
        )
    return names


def classifier(net: Network, shape: tuple[int, int, int]) -> str:
    """The path of the linear layer whose answer is the network's. Raises UserError where there is none."""
    calls, logits = listened(net, shape)
    for call in reversed(calls):
        if isinstance(call.module, nn.Linear) and same(call.answer, logits):
            return call.path
    raise UserError(f"{net.name} does not end in a linear layer, so it has no classifier that could be reused")


def found(net: Network, shape: tuple[int, int, int]) -> dict[str, str]:
    """Taps of a network that names none: where the side of its maps changes, the last map, what its classifier sees."""
    calls, logits = listened(net, shape)
    once = called_once(calls)
    stages = [call.path for call in stage_ends(once, shape)] if convolutional(calls, shape) else []
    taps = {f"stage{n + 1}": path for n, path in enumerate(stages)} | ({"map": stages[-1]} if stages else {})
    for call in once:
        if isinstance(call.module, nn.Linear) and call.given.ndim == 2 and same(call.answer, logits):
            taps["features"] = call.path + INPUT
    return taps


def stage_ends(calls: Sequence[Call], shape: tuple[int, int, int]) -> list[Call]:
    """Where each stage ends: the last of the outermost submodules that answer with maps of one size, sizes falling.

    A first stage that is a bare layer, where later ones are blocks, is the stem and no stage; where the only block
    holds the earlier ends, it is a sequence of layers, and they are stages.
    """
    ends: dict[Shape, tuple[int, Call]] = {}
    for at, call in enumerate(calls):
        size = tuple(call.answer.shape[2:])
        if is_map(call.answer, shape) and size != (1, 1):
            before = ends.get(size)
            if before is None or call.path.count(".") <= before[1].path.count("."):
                ends[size] = (at, call)
    falling: list[Call] = []
    for _, call in sorted(ends.values(), key=lambda found: found[0]):
        if not falling or call.answer.shape[-1] < falling[-1].answer.shape[-1]:
            falling.append(call)
    blocks = [call for call in falling if any(True for _ in call.module.children())]
    if not blocks:
        return falling
    alone = blocks[0].path + "." if len(blocks) == 1 else None  # then it may be a sequence of layers, each end its own
    inside = [call for call in falling if alone and call.path.startswith(alone)]
    return falling[falling.index([*inside, blocks[0]][0]) :]


def is_map(answer: Tensor, shape: tuple[int, int, int]) -> bool:
    """Whether a tensor is a feature map (B, C, h, w) of images of `shape` (C, H, W): as wide for its height as they
    are, to a pixel's rounding, which one with its channels last is not."""
    _, height, width = shape
    return answer.ndim == 4 and abs(answer.shape[-2] * width - answer.shape[-1] * height) <= max(height, width)


def convolutional(calls: Sequence[Call], shape: tuple[int, int, int]) -> bool:
    """Whether most layers come no later than the last one that answers with a map; not so of a transformer, which makes
    patches and goes on with tokens (B, N, F)."""
    layers = [
        call for call in calls if call.answer.ndim > 2 and any(True for _ in call.module.parameters(recurse=False))
    ]
    maps = [n + 1 for n, call in enumerate(layers) if is_map(call.answer, shape)]
    return 2 * max(maps, default=0) > len(layers)


def called_once(calls: Sequence[Call]) -> list[Call]:
    """The calls of those submodules that a forward calls once: what another answered is not one feature."""
    times = Counter(call.path for call in calls)
    return [call for call in calls if times[call.path] == 1]


def same(answer: Tensor, logits: Tensor) -> bool:
    """Whether a layer's answer is the network's."""
    return answer.shape == logits.shape and torch.equal(answer.to(logits.dtype), logits)


def listened(net: Network, shape: tuple[int, int, int]) -> tuple[list[Call], Tensor]:
    """Every call of a submodule that takes and returns a tensor, in the order in which they end, and the logits."""
    if any(isinstance(module, Network) for module in net.body.modules()):
        raise UserError(
            f"{net.name} is made of several networks, so it has no inner features of its own: "
            "give a single teacher, or a method that compares answers alone, such as dkd or dist"
        )
    calls: list[Call] = []
    with ExitStack() as stack:
        for path, module in net.body.named_modules():
            if path:
                stack.enter_context(module.register_forward_hook(partial(_note, calls, path)))
        return calls, asked(net, shape, net).logits


def times_called(net: Network, shape: tuple[int, int, int]) -> Counter[str]:
    """How often a forward calls each submodule, whatever it is given."""
    times: Counter[str] = Counter()
    with ExitStack() as stack:
        for path, module in net.body.named_modules():
            stack.enter_context(module.register_forward_hook(lambda *_, path=path: times.update([path])))
        asked(net, shape, net)
    return times


def asked(net: Network, shape: tuple[int, int, int], ask: Callable[[Tensor], Output]) -> Output:
    """What `net` answers to two images of noise, without a trace in it or in anyone's chance."""
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    gpu = [device] if device.type == "cuda" else []
    with mode(net, training=False), torch.no_grad(), torch.random.fork_rng(gpu):
        torch.default_generator.manual_seed(0)  # the images are made on the host
        return ask(torch.rand(2, *shape).to(device))


def _note(calls: list[Call], path: str, module: nn.Module, args: tuple[Any, ...], answer: Any) -> None:
    first = answer[0] if isinstance(answer, tuple | list) and answer else answer
    if isinstance(first, Tensor) and args and isinstance(args[0], Tensor):
        calls.append(Call(path, module, args[0], first))


def table(net: Network, shape: tuple[int, int, int]) -> dict[str, str]:
    """Each tap with a line about it: the named ones, every submodule that is called once, and why others are none."""
    lines = {tap: f"{size}  {net.taps[tap]}" for tap, size in known(net, shape).items()}
    calls, _ = listened(net, shape)
    lines |= {c.path: f"{tuple(c.answer.shape[1:])}" for c in called_once(calls) if c.path not in lines}
    times = Counter(call.path for call in calls)
    return lines | {path: f"no tap: called {n} times in a forward" for path, n in times.items() if n > 1}
