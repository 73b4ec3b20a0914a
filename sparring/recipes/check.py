"""What a run would do, looked at first: the teacher on trial, one batch through the losses, time, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparring import data as datasets
from sparring.core import Batch, Clock, Method, Player
from sparring.core.seeds import chance_restored
from sparring.engine import fit
from sparring.engine.device import peak_memory
from sparring.evaluate import macs, parameters
from sparring.parts.bout import Bout
from sparring.recipes.augmentation import explained
from sparring.recipes.build import Given, Prepared, prepare
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.earlier import earlier, prepared_for_later
from sparring.recipes.folder import claim_folder
from sparring.recipes.optim import descents
from sparring.recipes.rehearse import Rehearsal, doubt, rehearse, untouched
from sparring.recipes.run import training_stream
from sparring.recipes.teacher import on_trial, other_size, refuse_weak_teacher, tried_images
from sparring.report.units import duration
from sparring.watch import require_tracker

STEPS = 8  # steps that are timed


@dataclass(frozen=True, slots=True, repr=False)
class Check:
    """What was found.

    teacher: accuracy of the teacher on held-out images by the name of its preprocessing, "own" first, or None; chance:
    the share of the commonest class there. rehearsals: loss terms and gradient norm of each player on one batch;
    doubt: what is odd about the images that it is perturbed to, or None. first: the method by which an earlier self is
    trained before, to be the teacher, or None.
    seconds: estimated for the whole training; shares: of a step's time, by what takes it. memory: bytes at the peak.
    """

    prepared: Prepared
    teacher: dict[str, float] | None
    chance: float
    rehearsals: dict[str, Rehearsal]
    doubt: str | None
    seconds: float
    images_per_second: float
    shares: dict[str, float]
    memory: int
    first: str | None = None

    @property
    def better(self) -> str | None:
        """The name of a preprocessing with which the teacher is better than with its own, by more than a point."""
        tried = self.teacher or {"own": 0.0}
        best = max(tried, key=tried.__getitem__)
        return best if tried[best] > tried["own"] + 0.01 else None

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The findings, a line each."""
        config, data, student = self.prepared.config, self.prepared.data, self.prepared.student
        compute = self.prepared.compute
        lines = [
            f"data        {described(config, data)}",
            f"augment     {explained(config, data)}",
            f"student     {student.name}: {parameters(student):,} parameters, {macs(student, data.shape):,} MACs",
            f"method      {config.method}: " + " · ".join(str(getattr(config, s)["name"]) for s in SLOTS),
            f"device      {compute.device}, {'bf16' if compute.bf16 else 'float32'}"
            + (", channels last" if compute.channels_last else ""),
        ]
        if self.teacher is not None:
            own, *others = self.teacher.items()
            lines.append(
                f"teacher     {own[1]:.2%} right on {tried_images(self.prepared)} (naming one class: {self.chance:.2%})"
            )
            lines.append("            with other preprocessing: " + ", ".join(f"{n} {a:.1%}" for n, a in others))
            if self.better:
                lines.append(f"            → it is better with {self.better}: teacher_normalise={self.better}")
        elif config.teacher and self.first is None:
            lines.append(f"teacher     {config.method} asks none: {config.teacher} is left out")
        if self.first is not None:
            lines.append(
                f"teacher     an earlier self, trained first by {self.first} for as many epochs, which come on top"
            )
        lines += [f"            → {line}" for line in other_size(self.prepared)]
        lines += [f"set up      {line}" for line in self.prepared.method.about()]
        for name, found in self.rehearsals.items():
            terms = ", ".join(f"{term} {value:.4g}" for term, value in found.terms.items())
            lines.append(f"{name:<11} {terms}; gradient norm {found.gradient:.3g}")
            lines += [f"            → {found.doubt}"] if found.doubt else []
        if self.doubt:
            lines.append(f"            → {self.doubt}")
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        lines.append(f"time        about {duration(self.seconds)} ({self.images_per_second:,.0f} images/s: {shares})")
        if any(part.turns is not None for part in self.prepared.method.parts()):
            lines.append("            batches on which others than the student move come on top, as many as they take")
        lines.append(f"memory      {self.memory / 2**30:.2f} GiB at the peak so far")
        return lines


def described(config: Config, data: datasets.Data) -> str:
    """A data set in a line: its name, its parts, its images and its classes."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    sizes = ", ".join(f"{len(part)} {name}" for name, part in parts.items() if part is not None)
    cut = f", scaled to {config.size} pixels on the shorter side and cut square" if config.size else ""
    shown = ", ".join(data.class_names[:8]) + (", …" if data.classes > 8 else "")
    return f"{data.name}: {sizes}; images {data.shape}{cut}; {data.classes} classes: {shown}"


@chance_restored()
def inspect(config: Config, given: Given, out: Path | None = None) -> Check:
    """Look at what `config` would do. Raises UserError for whatever would stop the run, a weak teacher included."""
    if out is not None:
        claim_folder(out, resume=False)
    if config.track:
        require_tracker(config.track)
    first = earlier(config) if given.teacher is None else None
    prepared = prepare(config, given) if first is None else prepared_for_later(config, given)
    teacher, chance = on_trial(prepared) if first is None else (None, 0.0)
    if teacher is not None:
        others = {name: accuracy for name, accuracy in teacher.items() if name != "own"}
        refuse_weak_teacher(prepared, teacher["own"], chance, others)
    stream = training_stream(prepared)
    batch = next(iter(stream(0)))
    rehearsals = rehearse(prepared, batch)
    with untouched(prepared.method):
        per_step, shares = timed(prepared, stream)
    return Check(
        prepared,
        teacher,
        chance,
        rehearsals,
        doubt(prepared, batch),
        seconds=per_step * stream.steps_per_epoch * prepared.config.epochs,
        images_per_second=prepared.config.batch_size / per_step,
        shares=shares,
        memory=peak_memory(prepared.compute.device),
        first=None if first is None else first.method,
    )


class StudentAlone(Method):
    """A method's student, which moves on every batch: what a step of its training takes, whoever else has turns."""

    def __init__(self, method: Bout) -> None:
        super().__init__()
        self.method = method

    @property
    def players(self) -> Mapping[str, Player]:
        return self.method.players

    def turns(self, clock: Clock) -> Sequence[str]:
        return ("student",)


def timed(prepared: Prepared, stream: datasets.Stream) -> tuple[float, dict[str, float]]:
    """(seconds a step, the parts of it by what takes them), measured on a few real steps."""
    clocked: dict[str, float] = {}
    compute, method = prepared.compute, prepared.method
    moves = descents(prepared.config.optim, method.players)
    taking_turns = any(part.turns is not None for part in method.parts())
    moved = StudentAlone(method) if taking_turns else method

    def steps(count: int) -> None:
        fit(moved, stream, descents=moves, total_steps=count, compute=compute, seed=prepared.config.seed)

    steps(2)
    whole = lap(prepared, lambda: steps(STEPS)) / STEPS
    batches = iter(stream(0))

    def fetch() -> None:
        for _ in range(STEPS):
            next(batches)

    clocked["data"] = lap(prepared, fetch) / STEPS
    batch = compute.place(next(batches))
    clocked |= slots(prepared, batch)
    whole = max(whole, sum(clocked.values()))  # each was timed alone, and the machine may have been slower then
    clocked["student"] = whole - sum(clocked.values())
    return whole, {name: seconds / whole for name, seconds in clocked.items()}


def slots(prepared: Prepared, batch: Batch) -> dict[str, float]:
    """Seconds a step in perturbation and teacher, each timed alone."""
    bout = prepared.method

    def perturb() -> None:
        for _ in range(STEPS):
            bout.perturb(batch, bout.student, bout.targets)

    def targets() -> None:
        for _ in range(STEPS):
            bout.targets(batch.x, batch)

    bout.train()
    with prepared.compute.autocast():
        return {
            "perturb": lap(prepared, perturb) / STEPS,
            "teacher": lap(prepared, targets) / STEPS,
        }


def lap(prepared: Prepared, work: Callable[[], None]) -> float:
    """How long `work()` takes, in seconds."""
    prepared.compute.synchronise()
    began = time.perf_counter()
    work()
    prepared.compute.synchronise()
    return time.perf_counter() - began
