"""The rules a method keeps, each checked on real steps of the real engine.

teacher-untouched     the teacher's weights and buffers keep their bits; it answers in eval mode, without gradients
teacher-not-saved     no tensor of the teacher is in the method's parameters or state
batch-untouched       the caller's batch keeps its bits
quiet-perturbation    a perturbation leaves no trace in the student: weights, buffers, modes, gradients
turns-kept            exactly the players whose turn it is change, weights and buffers
finite                every loss term is a finite scalar
same-seed-same-bits   two runs from one seed end alike, bit for bit
resume-anywhere       stop after any step, save, load into fresh objects, go on: the uninterrupted run, bit for bit
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from sparring.core import Batch, Clock, Method, Moment
from sparring.engine import Compute, Descent, fit
from sparring.parts.bout import Bout

Bits = Mapping[str, Tensor]


class Broken(AssertionError):
    """A rule of the contract is broken; the text begins with its name."""


@dataclass(frozen=True, slots=True)
class Case:
    """A method, freshly made, and the teacher that it was made with."""

    method: Method
    teacher: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Few:
    """A stream over a few batches, again and again."""

    batches: Sequence[Batch]

    @property
    def steps_per_epoch(self) -> int:
        return len(self.batches)

    def __call__(self, start: int) -> Iterator[Batch]:
        step = start
        while True:
            yield self.batches[step % len(self.batches)]
            step += 1


def check_method(
    make: Callable[[], Case],
    batches: Sequence[Batch],
    *,
    waive: Collection[str] = (),
    engine: Callable[..., None] = fit,
) -> None:
    """Put a method through the contract. Raises `Broken` with the first broken rule's name and what happened.

    make: a fresh case at each call, weights and all. batches: a few, of the shape that the method takes. waive: rules
    that the method breaks on purpose; a rule that is waived and not broken is an error too. engine: the loop.
    """
    rules: dict[str, Callable[[], None]] = {
        "teacher-not-saved": lambda: teacher_not_saved(make()),
        "quiet-perturbation": lambda: quiet_perturbation(make(), batches),
        "turns-kept": lambda: watched_run(make(), batches, engine),
        "same-seed-same-bits": lambda: same_seed_same_bits(make, batches, engine),
        "resume-anywhere": lambda: resume_anywhere(make, batches, engine),
    }
    if unknown := sorted(set(waive) - rules.keys()):
        raise ValueError(f"{unknown[0]!r} is no rule that can be waived; these are: {', '.join(rules)}")
    for name, rule in rules.items():
        if name not in waive:
            rule()
            continue
        try:
            rule()
        except Broken:
            continue
        raise Broken(f"{name}: is waived, but kept; take the waiver away")


def watched_run(case: Case, batches: Sequence[Batch], engine: Callable[..., None]) -> None:
    """All rules that one run shows: teacher-untouched, batch-untouched, turns-kept, finite."""
    method, teacher = case.method, case.teacher
    teacher_before = bits(teacher) if teacher is not None else {}
    batches_before = [(batch.x.clone(), batch.y.clone(), batch.index.clone()) for batch in batches]
    before = {name: bits(player.module) for name, player in method.players.items()}
    ever: set[str] = set()
    modes: list[bool] = []
    hooks = [m.register_forward_pre_hook(lambda m, _: modes.append(m.training)) for m in leaves(teacher)]

    def look(moment: Moment) -> None:
        nonlocal before
        after = {name: bits(player.module) for name, player in method.players.items()}
        for name in after:
            changed = difference(before[name], after[name])
            if changed and name not in moment.moved:
                raise Broken(f"turns-kept: {name} is off turn at step {moment.clock.step}, yet {changed} changed")
            if changed:
                ever.add(name)
        before = after
        for name, terms in moment.moved.items():
            for term, value in terms.items():
                if value.ndim or not torch.isfinite(value):
                    raise Broken(f"finite: term {term!r} of {name} is {value} at step {moment.clock.step}")

    steps = trained(case, batches, engine, watchers=[look])
    for hook in hooks:
        hook.remove()
    expected = {name for step in range(steps) for name in method.turns(clock(step, batches, steps))}
    if still := sorted((expected & method.players.keys()) - ever):
        raise Broken(f"turns-kept: {still[0]} had turns and never changed")
    teacher_untouched(teacher, teacher_before, modes)
    for batch, (x, y, index) in zip(batches, batches_before, strict=True):
        if not (same(batch.x, x) and same(batch.y, y) and same(batch.index, index)):
            raise Broken("batch-untouched: a step changed the caller's batch in place")


def teacher_untouched(teacher: nn.Module | None, before: Bits, modes: Sequence[bool]) -> None:
    """Raise where the teacher moved, could move, or answered in train mode."""
    if teacher is None:
        return
    if changed := difference(before, bits(teacher)):
        raise Broken(f"teacher-untouched: {changed} of the teacher changed")
    for name, parameter in teacher.named_parameters():
        if parameter.requires_grad or parameter.grad is not None:
            raise Broken(f"teacher-untouched: {name} of the teacher takes a gradient")
    if any(modes):
        raise Broken("teacher-untouched: the teacher answered in train mode")


def teacher_not_saved(case: Case) -> None:
    """Raise where a tensor of the teacher is among the method's parameters or in its state."""
    if case.teacher is None:
        return
    held = {tensor.data_ptr() for tensor in (*case.teacher.parameters(), *case.teacher.buffers())}
    saved = [value for value in case.method.state_dict().values() if isinstance(value, Tensor)]
    for tensor in (*case.method.parameters(), *saved):
        if tensor.numel() and tensor.data_ptr() in held:
            raise Broken("teacher-not-saved: the teacher is in the method's parameters or state")


def quiet_perturbation(case: Case, batches: Sequence[Batch]) -> None:
    """Raise where the perturbation of a bout leaves a trace in the student."""
    if not isinstance(case.method, Bout):
        return
    bout = case.method
    bout.train()
    student = bout.student
    before, modes = bits(student), [module.training for module in student.modules()]
    for batch in batches:
        bout.perturb(batch, student, bout.targets)
        if changed := difference(before, bits(student)):
            raise Broken(f"quiet-perturbation: {changed} of the student changed")
        if any(parameter.grad is not None for parameter in student.parameters()):
            raise Broken("quiet-perturbation: the student's parameters were given gradients")
        if modes != [module.training for module in student.modules()]:
            raise Broken("quiet-perturbation: the student is in another mode than before")


def same_seed_same_bits(make: Callable[[], Case], batches: Sequence[Batch], engine: Callable[..., None]) -> None:
    """Raise where two runs from one seed differ."""
    ends = []
    for _ in range(2):
        case = made(make, seed=1)
        trained(case, batches, engine)
        ends.append(everything(case.method))
    if changed := difference(*ends):
        raise Broken(f"same-seed-same-bits: {changed} differs between two runs from one seed")


def resume_anywhere(make: Callable[[], Case], batches: Sequence[Batch], engine: Callable[..., None]) -> None:
    """Raise where stopping after some step and going on in fresh objects ends elsewhere."""
    total = 2 * len(batches)
    whole = made(make, seed=1)
    trained(whole, batches, engine)
    end = everything(whole.method)
    for stop in range(1, total):
        first = made(make, seed=1)
        moves = descents(first.method)
        run(first, moves, batches, engine, start=0, until=stop, total=total)
        file = io.BytesIO()
        torch.save({"method": first.method.state_dict(), "moves": {n: d.state_dict() for n, d in moves.items()}}, file)
        state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        second = made(make, seed=2)  # another seed: whatever is not in the state will differ
        moves = descents(second.method)
        second.method.load_state_dict(state["method"])
        for name, move in moves.items():
            move.load_state_dict(state["moves"][name])
        run(second, moves, batches, engine, start=stop, until=total, total=total)
        if changed := difference(end, everything(second.method)):
            raise Broken(f"resume-anywhere: {changed} differs after stopping at step {stop} and going on")


def made(make: Callable[[], Case], seed: int) -> Case:
    """A fresh case, what it draws when it is made following from `seed`."""
    torch.manual_seed(seed)
    return make()


def trained(case: Case, batches: Sequence[Batch], engine: Callable[..., None], watchers: Sequence[Any] = ()) -> int:
    """Train a case over the batches twice; returns the number of steps."""
    total = 2 * len(batches)
    run(case, descents(case.method), batches, engine, start=0, until=total, total=total, watchers=watchers)
    return total


class Enough(Exception):
    """Stops a run before its end."""


def run(
    case: Case,
    moves: Mapping[str, Descent],
    batches: Sequence[Batch],
    engine: Callable[..., None],
    *,
    start: int,
    until: int,
    total: int,
    watchers: Sequence[Callable[[Moment], None]] = (),
) -> None:
    """The engine, from step `start` up to `until`, of a training that would last `total`."""

    def stop(moment: Moment) -> None:
        if moment.clock.step + 1 == until < total:
            raise Enough

    try:
        engine(
            case.method,
            Few(batches),
            descents=moves,
            total_steps=total,
            compute=Compute(torch.device("cpu")),
            seed=1,
            start=start,
            watchers=[*watchers, stop],
        )
    except Enough:
        return


def descents(method: Method) -> dict[str, Descent]:
    """For each player: its own optimiser, or SGD with momentum; a schedule that moves with the clock."""
    return {
        name: Descent(
            player.module,
            player.optimizer or partial(SGD, lr=0.05, momentum=0.9, weight_decay=5e-4),
            schedule=lambda now: 1.0 - 0.5 * now.progress,
        )
        for name, player in method.players.items()
    }


def clock(step: int, batches: Sequence[Batch], total: int) -> Clock:
    """The clock at a step of these runs."""
    return Clock(step, len(batches), total)


def leaves(net: nn.Module | None) -> list[nn.Module]:
    """The modules of a network that have no modules of their own."""
    return [module for module in net.modules() if not list(module.children())] if net is not None else []


def bits(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights and buffers by name, unsaved buffers included."""
    return {name: t.detach().clone() for name, t in (*module.named_parameters(), *module.named_buffers())}


def everything(method: Method) -> dict[str, Tensor]:
    """Copies of all that a method's state holds."""
    return {name: value.clone() for name, value in method.state_dict().items() if isinstance(value, Tensor)}


def difference(before: Bits, after: Bits) -> str | None:
    """The name of the first tensor that is not the same, bit for bit."""
    for name in before.keys() | after.keys():
        if name not in before or name not in after or not same(before[name], after[name]):
            return name
    return None


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same shape, type and bits (NaN equals NaN)."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
