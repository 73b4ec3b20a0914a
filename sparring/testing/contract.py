"""The rules a method keeps, each checked on real steps of the real engine.

teacher-untouched     the teacher's weights and buffers keep their bits; it answers in eval mode, without gradients
teacher-not-saved     no tensor of the teacher is in the method's parameters or state
batch-untouched       the caller's batch keeps its bits
quiet-perturbation    a perturbation leaves no trace in the student: weights, buffers, modes, gradients
finite                every loss term is a finite scalar
turns-kept            exactly the players whose turn it is change, weights and buffers, and each has a turn
same-seed-same-bits   two runs from one seed end alike, bit for bit
resume-anywhere       stop after any step, save, load into fresh objects, go on: the uninterrupted run, bit for bit

A rule that a method breaks on purpose stands, by its name, in its `waivers`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor

from sparring.core import Batch, Moment
from sparring.engine import fit
from sparring.parts.bout import Bout
from sparring.testing.trial import (
    Case,
    Engine,
    Few,
    bits,
    descents,
    difference,
    everything,
    leaves,
    made,
    run,
    same,
    trained,
)

Make = Callable[[], Case]


class Broken(AssertionError):
    """A rule of the contract is broken; the text begins with its name."""


def check_method(make: Make, batches: Sequence[Batch], *, engine: Engine = fit) -> None:
    """Put a method through the contract. Raises `Broken` with the first broken rule's name and what happened.

    make: a fresh case at each call, weights and all. batches: a few, of the shape that the method takes. engine: the
    loop. A rule that the method waives and does not break is an error too.
    """
    waived = make().method.waivers
    if unknown := sorted(waived - RULES.keys()):
        raise ValueError(f"{unknown[0]!r} is no rule that can be waived; these are: {', '.join(RULES)}")
    for name, rule in RULES.items():
        try:
            rule(make, batches, engine)
        except Broken:
            if name not in waived:
                raise
        else:
            if name in waived:
                raise Broken(f"{name}: is waived, but kept; take the waiver away")


def teacher_untouched(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where the teacher moved, could move, or answered in train mode."""
    case = made(make, seed=1)
    if (teacher := case.teacher) is None:
        return
    before, modes = bits(teacher), list[bool]()
    hooks = [m.register_forward_pre_hook(lambda m, _: modes.append(m.training)) for m in leaves(teacher)]
    trained(case, batches, engine)
    for hook in hooks:
        hook.remove()
    if changed := difference(before, bits(teacher)):
        raise Broken(f"teacher-untouched: {changed} of the teacher changed")
    for name, parameter in teacher.named_parameters():
        if parameter.requires_grad or parameter.grad is not None:
            raise Broken(f"teacher-untouched: {name} of the teacher takes a gradient")
    if any(modes):
        raise Broken("teacher-untouched: the teacher answered in train mode")


def teacher_not_saved(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where a tensor of the teacher is among the method's parameters or in its state."""
    case = make()
    if case.teacher is None:
        return
    held = {tensor.data_ptr() for tensor in (*case.teacher.parameters(), *case.teacher.buffers())}
    saved = [value for value in case.method.state_dict().values() if isinstance(value, Tensor)]
    for tensor in (*case.method.parameters(), *saved):
        if tensor.numel() and tensor.data_ptr() in held:
            raise Broken("teacher-not-saved: the teacher is in the method's parameters or state")


def batch_untouched(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where a step edits the batch that it was given."""

    def look(moment: Moment) -> None:
        here, given = moment.batch, batches[moment.clock.batch % len(batches)]
        if not (same(here.x, given.x) and same(here.y, given.y) and same(here.index, given.index)):
            raise Broken(f"batch-untouched: step {moment.clock.step} changed the caller's batch in place")

    trained(made(make, seed=1), batches, engine, look)


def quiet_perturbation(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where the perturbation of a bout leaves a trace in the student."""
    bout = made(make, seed=1).method
    if not isinstance(bout, Bout):
        return
    bout.train()
    student = bout.student
    before, modes = bits(student), [module.training for module in student.modules()]
    for batch in islice(Few(batches)(0), len(batches)):
        bout.perturb(batch, student, bout.targets)
        if changed := difference(before, bits(student)):
            raise Broken(f"quiet-perturbation: {changed} of the student changed")
        if any(parameter.grad is not None for parameter in student.parameters()):
            raise Broken("quiet-perturbation: the student's parameters were given gradients")
        if modes != [module.training for module in student.modules()]:
            raise Broken("quiet-perturbation: the student is in another mode than before")


def finite(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where a loss term is no finite scalar."""

    def look(moment: Moment) -> None:
        for name, terms in moment.moved.items():
            for term, value in terms.items():
                if value.ndim or not torch.isfinite(value):
                    raise Broken(f"finite: term {term!r} of {name} is {value} at step {moment.clock.step}")

    trained(made(make, seed=1), batches, engine, look)


def turns_kept(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where a player changes off its turn, has turns and never changes, or has none at all."""
    case = made(make, seed=1)
    players = case.method.players
    before = {name: bits(player.module) for name, player in players.items()}
    expected: set[str] = set()
    ever: set[str] = set()

    def look(moment: Moment) -> None:
        expected.update(moment.moved)
        for name, player in players.items():
            after = bits(player.module)
            if changed := difference(before[name], after):
                if name not in moment.moved:
                    raise Broken(f"turns-kept: {name} is off turn at step {moment.clock.step}, yet {changed} changed")
                ever.add(name)
            before[name] = after

    trained(case, batches, engine, look)
    if still := sorted(expected - ever):
        raise Broken(f"turns-kept: {still[0]} had turns and never changed")
    if idle := sorted(players.keys() - expected):
        raise Broken(
            f"turns-kept: {idle[0]} had no turn in two epochs of the student, so nothing was seen of it: shorten its "
            "period in the case"
        )


def same_seed_same_bits(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where two runs from one seed differ."""
    ends = []
    for _ in range(2):
        case = made(make, seed=1)
        trained(case, batches, engine)
        ends.append(everything(case.method))
    if changed := difference(*ends):
        raise Broken(f"same-seed-same-bits: {changed} differs between two runs from one seed")


def resume_anywhere(make: Make, batches: Sequence[Batch], engine: Engine) -> None:
    """Raise where going on in fresh objects from what was saved after some step ends elsewhere."""
    whole = made(make, seed=1)
    moves = descents(whole.method)
    total, saved = 2 * len(batches), list[tuple[int, int, bytes]]()

    def save(moment: Moment) -> None:
        file = io.BytesIO()
        torch.save({"method": whole.method.state_dict(), "moves": {n: d.state_dict() for n, d in moves.items()}}, file)
        saved.append((moment.step, moment.clock.batch + 1, file.getvalue()))

    run(whole, moves, batches, engine, total=total, watchers=[save])
    end = everything(whole.method)
    for step, batch, file in saved[:-1]:
        state = torch.load(io.BytesIO(file), weights_only=True)
        fresh = made(make, seed=2)  # another seed: whatever is not in the state will differ
        moves = descents(fresh.method)
        fresh.method.load_state_dict(state["method"])
        for name, move in moves.items():
            move.load_state_dict(state["moves"][name])
        run(fresh, moves, batches, engine, start=step, first_batch=batch, total=total)
        if changed := difference(end, everything(fresh.method)):
            raise Broken(f"resume-anywhere: {changed} differs after stopping at batch {batch} and going on")


RULES: dict[str, Callable[[Make, Sequence[Batch], Engine], None]] = {
    "teacher-untouched": teacher_untouched,
    "teacher-not-saved": teacher_not_saved,
    "batch-untouched": batch_untouched,
    "quiet-perturbation": quiet_perturbation,
    "finite": finite,
    "turns-kept": turns_kept,
    "same-seed-same-bits": same_seed_same_bits,
    "resume-anywhere": resume_anywhere,
}
