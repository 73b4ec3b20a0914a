"""Exits: a small classifier behind each inner stage of a network, which may then stop there.

exit2:RUN      the network of a run that has exits, up to the second: what comes later is neither computed nor saved
deepest:RUN    that network without its exits

RUN is whatever `spec.py` takes that has exits. The bottleneck is that of "Be Your Own Teacher": see `Exit`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core import Network, UserError
from sparring.core.mode import mode
from sparring.core.network import INPUT
from sparring.nets.init import fan_out
from sparring.nets.origin import Shape, network, origin_of, refuse_dressed

KIND, ALONE = "exits", "one exit"
DEEPEST = "deepest"  # the name of a network's own end among its exits
SPEC = re.compile(rf"(exit\w*|{DEEPEST}):(.+)")


class Exit(nn.Module):
    """A shallow classifier: the map of a stage (B, before, H, W) → (B, K).

    Through a quarter of the deepest features' width `after` (1×1, then k×k at stride k, then 1×1, each with BatchNorm
    and ReLU), averaged over the map and classified. strides: k for height and width.
    """

    def __init__(self, before: int, after: int, strides: Sequence[int], classes: int) -> None:
        super().__init__()
        inner, (high, wide) = max(1, after // 4), strides
        ways = ((before, inner, (1, 1)), (inner, inner, (high, wide)), (inner, after, (1, 1)))
        layers = [layer for a, b, k in ways for layer in (nn.Conv2d(a, b, k, stride=k), nn.BatchNorm2d(b), nn.ReLU())]
        self.bottleneck, self.fc = nn.Sequential(*layers), nn.Linear(after, classes)
        fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bottleneck(x).mean((2, 3)))


class Exits(nn.Module):
    """A body, and an exit behind some of its submodules: answers what the body answers, the exits being taps.

    exits: by the path in the body of the submodule whose map (B, C, H, W) each is given, in the order of the forward.
    taps: the body's own, by name. "exit1" is what the first exit answers (B, K), "exit1:features" what its linear
    layer sees (B, F).
    """

    def __init__(self, body: nn.Module, exits: Mapping[str, Exit], taps: Mapping[str, str]) -> None:
        super().__init__()
        self.body, self.exits = body, nn.ModuleDict({f"exit{n}": each for n, each in enumerate(exits.values(), 1)})
        self.taps = {name: f"body.{path}" for name, path in taps.items()}
        self.taps |= {name: f"exits.{name}" for name in self.exits}
        self.taps |= {f"{name}:features": f"exits.{name}.fc:input" for name in self.exits}
        self.seen: dict[str, Tensor] = {}
        self.hooks = [
            body.get_submodule(path).register_forward_hook(partial(self._note, name))
            for name, path in zip(self.exits, exits, strict=True)
        ]

    def forward(self, x: Tensor) -> Any:
        self.seen.clear()
        answer = self.body(x)
        for name, leave in self.exits.items():
            leave(self.seen.pop(name))
        return answer

    def _note(self, name: str, module: nn.Module, args: Any, answer: Any) -> None:
        self.seen[name] = _first(answer)


class Reached(Exception):
    """Ends a body's forward at the stage behind which its exit stands."""


class UpTo(nn.Module):
    """A body up to the submodule `at`, and the exit behind it: (B, C, H, W) → (B, K); nothing after it is computed.

    taps: the body's own that come before, by name. "map" and "features" are what the exit's classifier sees.
    """

    def __init__(self, body: nn.Module, at: str, leave: nn.Module, taps: Mapping[str, str]) -> None:
        super().__init__()
        self.body, self.exit = body, leave
        # The hook below ends the forward before any later one at the same place could hear what is answered there.
        self.taps = {name: "exit:input" if path == at else f"body.{path}" for name, path in taps.items()}
        self.taps |= {"map": "exit.bottleneck", "features": "exit.fc:input"}
        self.seen: list[Tensor] = []
        body.get_submodule(at).register_forward_hook(self._stop)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.clear()
        with suppress(Reached):
            self.body(x)
        return self.exit(self.seen.pop())

    def _stop(self, module: nn.Module, args: Any, answer: Any) -> None:
        self.seen.append(_first(answer))
        raise Reached


def exits_of(net: Network) -> list[str]:
    """The names of a network's exits, the shallowest first, without its own end; none of one that has none."""
    return [*net.body.exits] if isinstance(net.body, Exits) else []


def deepest(net: Network) -> Network:
    """A network without its exits: whose answer counts, and whose cost; itself where it has none."""
    return only(net, DEEPEST) if exits_of(net) else net


def exit_asked(spec: str) -> tuple[str, str] | None:
    """(the exit, the network that has it) that `spec` names; None where it names no exit."""
    found = SPEC.fullmatch(spec)
    return (found[1], found[2]) if found else None


def exiting(
    net: Network, shape: Shape, maps: Mapping[str, Sequence[int]], *, last: Sequence[int], width: int, classes: int
) -> Network:
    """`net` with an exit behind some of its taps; weights shared with `net`, the exits' by chance.

    shape: (C, H, W) of the images; maps: those taps, in order, and the shapes (C, H, W) of the maps there; last: that
    of the last map, to whose size an exit brings its own down; width: of the deepest features.
    """
    refuse_dressed(net, "exits are put into a network as it was made")
    at = [
        {
            "path": net.taps.get(tap, tap),
            "channels": channels,
            "strides": [-(-own // end) for own, end in zip(sides, last[1:], strict=True)],
        }
        for tap, (channels, *sides) in maps.items()
    ]
    told = {"kind": KIND, "shape": [*shape], "at": at, "width": width, "classes": classes, "taps": dict(net.taps)}
    new = network(dressed(net.body, told), replace(origin_of(net), dress=told, anew=True))
    new.name = net.name
    return new


def dressed(body: nn.Module, told: Mapping[str, Any]) -> Exits:
    """A bare body with the exits that an origin tells of, weights to be filled in."""
    exits = {each["path"]: _exit(told, each) for each in told["at"]}
    return Exits(body, exits, told["taps"])


def cut(body: nn.Module, told: Mapping[str, Any]) -> UpTo:
    """A bare body up to the exit that an origin tells of, weights to be filled in."""
    _empty(body, told["unused"])
    return UpTo(body, told["at"]["path"], _exit(told, told["at"]), told["taps"])


def only(net: Network, name: str) -> Network:
    """A copy of a network up to one of its exits, without what comes later; of "deepest", without any exit.

    Raises UserError where it has no such exit.
    """
    if not (known := exits_of(net)):
        raise UserError(
            f"{net.name} has no exits, so no {name} can be taken from it: give a run of --method byot, which trains a "
            "network with exits"
        )
    if name not in (*known, DEEPEST):
        raise UserError(f"{net.name} has no exit {name!r}: it has {', '.join(known)} and, its own end, {DEEPEST}")
    whole, origin = copy.deepcopy(net.body), origin_of(net)
    assert isinstance(whole, Exits)
    for hook in whole.hooks:
        hook.remove()
    told = {**origin.dress, "kind": ALONE, "exit": name}
    if name == DEEPEST:
        new = network(whole.body, replace(origin, dress={}))
        new.name, new.taps = net.name, dict(told["taps"])
    else:
        told |= {"at": told["at"][known.index(name)]}
        told |= _up_to(whole.body, told["shape"], told["at"]["path"], told["taps"])
        _empty(whole.body, told["unused"])
        leave = whole.exits.get_submodule(name)
        new = network(UpTo(whole.body, told["at"]["path"], leave, told["taps"]), replace(origin, dress=told))
        new.name = f"{name}:{net.name}"
    return new.train(net.training)


def _exit(told: Mapping[str, Any], at: Mapping[str, Any]) -> Exit:
    return Exit(at["channels"], told["width"], at["strides"], told["classes"])


def _up_to(body: nn.Module, shape: Sequence[int], at: str, taps: Mapping[str, str]) -> dict[str, Any]:
    """What a forward that ends at a submodule does without: "unused", the outermost submodules that hold weights and
    would only be called later; and what it still has: "taps", of those of the body."""
    entered, _ = _visited(body, shape)
    still, answered = _visited(body, shape, until=at)
    later = {path for path in entered - still if body.get_submodule(path).state_dict()}
    unused = [path for path in later if not any(path.startswith(f"{outer}.") for outer in later)]
    heard = answered | {path + INPUT for path in still} | {at}
    return {"unused": sorted(unused), "taps": {tap: path for tap, path in taps.items() if path in heard}}


def _visited(body: nn.Module, shape: Sequence[int], until: str | None = None) -> tuple[set[str], set[str]]:
    """The paths of the submodules that a forward enters, and of those that answer in it; one up to a submodule ends
    when that has answered."""
    entered, answered = set[str](), set[str]()
    device = next((parameter.device for parameter in body.parameters()), torch.device("cpu"))
    with ExitStack() as stack:
        if until is not None:
            stack.enter_context(body.get_submodule(until).register_forward_hook(_raise))
        for path, module in body.named_modules():
            stack.enter_context(module.register_forward_pre_hook(lambda *_, path=path: entered.add(path)))
            stack.enter_context(module.register_forward_hook(lambda *_, path=path: answered.add(path)))
        stack.enter_context(mode(body, training=False))
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        with torch.no_grad(), suppress(Reached):
            body(torch.zeros(2, *shape, device=device))
    return entered, answered


def _empty(body: nn.Module, paths: Sequence[str]) -> None:
    """Leave out the submodules at some paths, which are not called."""
    for path in paths:
        parent, _, name = path.rpartition(".")
        setattr(body.get_submodule(parent), name, nn.Identity())


def _raise(module: nn.Module, args: Any, answer: Any) -> None:
    raise Reached


def _first(answer: Any) -> Tensor:
    return answer[0] if isinstance(answer, tuple | list) else answer
