"""Short runs of the real engine on a method, and what is compared before and after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD

from sparring.core import Batch, Method
from sparring.engine import Compute, Descent
from sparring.engine.fit import Watcher
from sparring.parts.schedules import constant

Bits = Mapping[str, Tensor]
Engine = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Case:
    """A method, freshly made, and the teacher that it was made with."""

    method: Method
    teacher: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Few:
    """A stream over copies of a few batches, again and again."""

    batches: Sequence[Batch]

    @property
    def steps_per_epoch(self) -> int:
        return len(self.batches)

    def __call__(self, start: int) -> Iterator[Batch]:
        step = start
        while True:
            batch = self.batches[step % len(self.batches)]
            yield replace(batch, x=batch.x.clone(), y=batch.y.clone(), index=batch.index.clone())
            step += 1


def made(make: Callable[[], Case], seed: int) -> Case:
    """A fresh case, what it draws when it is made following from `seed`."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed keeps a stack trace at each call
    return make()


def trained(case: Case, batches: Sequence[Batch], engine: Engine, *watchers: Watcher) -> None:
    """Train a case over the batches twice."""
    total = 2 * len(batches)
    run(case, descents(case.method), batches, engine, total=total, watchers=watchers)


def run(
    case: Case,
    moves: Mapping[str, Descent],
    batches: Sequence[Batch],
    engine: Engine,
    *,
    total: int,
    start: int = 0,
    first_batch: int | None = None,
    watchers: Sequence[Watcher] = (),
) -> None:
    """The engine, from step `start` on, of a training of `total` steps, unless a watcher ends it."""
    engine(
        case.method,
        Few(batches),
        descents=moves,
        total_steps=total,
        compute=Compute(torch.device("cpu")),
        seed=1,
        start=start,
        first_batch=first_batch,
        watchers=watchers,
    )


def descents(method: Method) -> dict[str, Descent]:
    """For each player: its own optimiser at the rate it was given, or SGD with momentum, whose rate falls."""
    return {
        name: Descent(
            player.module,
            player.optimizer or partial(SGD, lr=0.05, momentum=0.9, weight_decay=5e-4),
            schedule=constant if player.optimizer else lambda clock: 1.0 - 0.5 * clock.progress,
        )
        for name, player in method.players.items()
    }


def leaves(net: nn.Module) -> list[nn.Module]:
    """The modules of a network that have no modules of their own."""
    return [module for module in net.modules() if not list(module.children())]


def bits(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights and buffers by name, unsaved buffers included."""
    return {name: t.detach().clone() for name, t in (*module.named_parameters(), *module.named_buffers())}


def everything(method: Method) -> dict[str, Tensor]:
    """Copies of all tensors that a method's state holds, those inside extra states included."""
    return dict(tensors("", method.state_dict()))


def tensors(name: str, state: object) -> Iterator[tuple[str, Tensor]]:
    """Copies of the tensors in nested dictionaries and lists, by path."""
    if isinstance(state, Tensor):
        yield name, state.clone()
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from tensors(f"{name}.{key}".removeprefix("."), value)
    elif isinstance(state, list | tuple):
        for number, value in enumerate(state):
            yield from tensors(f"{name}.{number}", value)


def difference(before: Bits, after: Bits) -> str | None:
    """The name of the first tensor that is not the same, bit for bit."""
    for name in before.keys() | after.keys():
        if name not in before or name not in after or not same(before[name], after[name]):
            return name
    return None


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same shape, type and values (NaN equals NaN, and nothing else)."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())
