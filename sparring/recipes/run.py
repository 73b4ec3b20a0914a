"""One run: from a configuration to a run directory."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sparring import data as datasets
from sparring import nets
from sparring.core import Network
from sparring.core.processes import mean
from sparring.core.seeds import chance_restored
from sparring.engine import Checkpoints, fit, synchronised
from sparring.engine.processes import at_first, together
from sparring.errors import Interrupted
from sparring.files import read_json, write_json
from sparring.nets import weights
from sparring.parts.schedules import constant
from sparring.recipes.augmentation import tell
from sparring.recipes.build import Given, Prepared, prepare
from sparring.recipes.config import Config
from sparring.recipes.doubts import doubts
from sparring.recipes.earlier import seconds_before
from sparring.recipes.facts import facts, size
from sparring.recipes.fetched import Fetched
from sparring.recipes.folder import begun, claim_folder, refuse_other_run
from sparring.recipes.gradients import observers, written
from sparring.recipes.judge import Exam, Exams, Hear, Judge, apart, listening
from sparring.recipes.keeper import BEST, Keeper, Record
from sparring.recipes.keepsakes import keep
from sparring.recipes.manifest import manifest, weights_hash
from sparring.recipes.optim import descents
from sparring.recipes.paths import anchored
from sparring.recipes.plateau import Plateau
from sparring.recipes.ready import Ready
from sparring.recipes.rehearse import doubt, rehearse
from sparring.recipes.rows import Claim
from sparring.recipes.teacher import frail, judge_teacher, other_code, other_size
from sparring.watch import Bar, Journal, Meter, Sink, require_tracker, tracker

UNTESTED = "a trial of a search, which is judged on validation images alone: its finalists read the test set"


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """What a run leaves: `.student`, ready to answer; `.metrics`, the contents of result.json; `.out`, its folder."""

    student: Network
    metrics: Mapping[str, Any]
    out: Path

    def __repr__(self) -> str:
        return f"Result({self.metrics['method']}, seed {self.metrics['seed']}, in {self.out})"

    def report(self) -> Path:
        """Write report.html into the run's folder, and return its path."""
        from sparring.report import page

        return page([self.out], self.out / "report.html")

    def export(self, **how: Any) -> Any:
        """Write the student into files for use elsewhere, as `sparring.recipes.export.export`, which `how` is given to,
        and return what it does."""
        from sparring.recipes.export import export

        return export(self, **how)


def run(
    config: Config,
    out: Path | str,
    *,
    given: Given | None = None,
    resume: bool = False,
    claim: Claim | None = None,
    hear: Hear | None = None,
    checkpoint_seconds: float = 30.0,
) -> Result:
    """Train one student as `config` says and fill the run directory `out`.

    given: a teacher, student or data set handed over from Python. resume: go on with the run that `out` holds; a
    finished one is only read. claim: a published number to keep beside ours. hear: of a trial of a search, who is told
    each epoch's validation scores and may end it; such a run never reads the test set. checkpoint_seconds: how often to
    save within an epoch. The caller's own chance (torch's generators) is left as it was. Raises UserError for every
    mistake that a user can mend, before any training; Interrupted where a signal stopped it.
    """
    with together(), saying_what_is_kept(Path(out)), chance_restored():
        return _run(anchored(config), Path(out), given or Given(), resume, claim, hear, checkpoint_seconds)


@contextmanager
def saying_what_is_kept(out: Path) -> Iterator[None]:
    """Ctrl-C where nobody listens for it (scoring, saving) is told as any other stop, if there is a checkpoint."""
    try:
        yield
    except KeyboardInterrupt:
        if not list(out.glob("checkpoints/step-*")):
            raise
        raise Interrupted(f"stopped; what {out} had saved is kept", signal.SIGINT) from None


def _run(
    config: Config, out: Path, given: Given, resume: bool, claim: Claim | None, hear: Hear | None, every: float
) -> Result:
    at_first(lambda: claim_folder(out, resume))
    if config.track:
        require_tracker(config.track)
    prepared = prepare(config, given)
    origin = manifest(prepared)
    refuse_other_run(out, prepared.config, origin)
    if resume and (out / "result.json").exists():
        at_first(Checkpoints(out / "checkpoints").clear)
        return finished(out, prepared)
    if prepared.compute.world > 1:
        for player in prepared.method.players.values():
            synchronised(player.module)
    at_first(lambda: tell(prepared.config, prepared.data))
    stream = training_stream(prepared)
    exams = {"validation": Exam(prepared, prepared.data.validation)} if prepared.data.validation else {}
    judge_teacher(prepared, exams)
    first = next(iter(stream(0)))
    for name, rehearsed in rehearse(prepared, first).items():
        if rehearsed.doubt:
            at_first(partial(say, f"the {name}'s {rehearsed.doubt}"))
    if told := doubt(prepared, first):
        at_first(lambda: say(told))
    if config.teacher and prepared.teacher is None:
        at_first(lambda: say(f"{config.method} asks no teacher: {config.teacher} is left out"))
    for line in [*other_size(prepared), *other_code(prepared), *frail(prepared, exams), *prepared.method.about()]:
        at_first(partial(say, f"{config.method}: {line}"))
    if prepared.config.protocol == "paper" and prepared.data.test and hear is None:
        exams["test"] = Exam(prepared, prepared.data.test)
    with ExitStack() as held:
        at_first(lambda: held.enter_context(begun(out, prepared, origin, resume=resume)))
        record = train(prepared, stream, out, exams, every, hear)
        result = conclude(prepared, record, exams, out, claim, tested=hear is None)
        at_first(Checkpoints(out / "checkpoints").clear)
    return result


def training_stream(prepared: Ready) -> datasets.Stream:
    """The training batches of a run: the same for the same seed, whatever the method."""
    config, compute = prepared.config, prepared.compute
    return datasets.stream(
        prepared.data.train,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.augment,
        views=config.views,
        device=compute.device,
        rank=compute.rank,
        world=compute.world,
        workers=config.workers,
    )


def train(
    prepared: Ready, stream: datasets.Stream, out: Path, exams: Exams, every: float, hear: Hear | None = None
) -> Record:
    """From the newest checkpoint, or the beginning, to the last step, or to where a plateau or `hear` ended it."""
    config, compute = prepared.config, prepared.compute
    student = prepared.student if config.optim.schedule == "plateau" else None
    plateau = None if student is None else Plateau(config.optim, student)
    watching = observers(prepared)
    moves = descents(config.optim, prepared.method.players, plateau or constant, watching)
    keeper = Keeper(prepared, moves, Checkpoints(out / "checkpoints", warn=say), plateau, watching)
    keeper.restore()
    if compute.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(compute.device)
    fetched = Fetched(stream)
    total = config.epochs * stream.steps_per_epoch
    with ExitStack() as stack:
        sinks = listeners(config, out, total, keeper.record) if compute.rank == 0 else []
        for sink in sinks:
            stack.callback(sink.close)
        meter = Meter(sinks, prepared.method.gauges, batch_size=config.batch_size, mean=mean)
        judge = Judge(keeper, meter, fetched, exams, every=every, hear=hear)
        judge.tell()
        stack.callback(listening(judge))
        if keeper.record.stopped is None:
            fit(
                prepared.method,
                fetched,
                descents=keeper.descents,
                total_steps=total,
                compute=compute,
                seed=config.seed,
                start=keeper.record.step,
                first_batch=keeper.record.batch,
                watchers=[judge],
            )
    if plateau is not None:
        plateau.restore_best()
        keeper.record.last = plateau.scores
    at_first(lambda: written(watching, out, warn=say))
    return keeper.record


def listeners(config: Config, out: Path, total: int, record: Record) -> list[Sink]:
    """Who is told of a run that goes on from where its record is: the journal, the bar, a tracker by choice."""
    step = record.step
    sinks: list[Sink] = [Journal(out / "metrics.jsonl", batch=record.batch)]
    if config.track:
        sinks.append(tracker(config.track, out, config.model_dump(mode="json"), batch=record.batch))
    return [*sinks, Bar(f"{config.method} {out.name}", total, step=step)]


def conclude(
    prepared: Prepared, record: Record, exams: Mapping[str, Exam], out: Path, claim: Claim | None, *, tested: bool
) -> Result:
    """Read the test set, once, unless it is not to be `tested`, and write down what came of the run."""
    config, data, student = prepared.config, prepared.data, prepared.student
    result: dict[str, Any] = facts(prepared, record) | seconds_before(config, out)
    if not tested:
        result["untested"] = UNTESTED
    elif data.test is not None:
        exam = exams.get("test") or Exam(prepared, data.test)
        exams = {**exams, "test": exam}
        result["test"] = exam()
        result |= apart(prepared)
        if exits := exam.of_exits():
            result["exits"] = exits
        if record.best_on_test:
            result["test_best"] = record.best_on_test
    result |= {"weights": weights_hash(student)} | at_best_epoch(prepared, record, exams, out)
    if prepared.teacher is not None:
        scores = {part: exam.of_teacher() for part, exam in exams.items()}
        result["teacher_facts"] = {"name": prepared.teacher.name} | scores | size(prepared.teacher, prepared)
    if claim is not None:
        result["claim"] = claim.as_dict()
    remarks = prepared.method.remarks()
    if exam := exams.get("test") or exams.get("validation"):
        remarks += doubts(prepared, exam, result["test"] if "test" in exams else record.last)
    if remarks:
        result["remarks"] = remarks

    def write() -> None:
        nets.save(student, out / "student.safetensors", class_names=data.class_names)
        keep(prepared, out, warn=say)
        write_json(out / "result.json", result)

    at_first(write)
    for remark in remarks:
        at_first(partial(say, f"{config.method}: {remark}"))
    return Result(student.eval(), result, out)


def at_best_epoch(prepared: Prepared, record: Record, exams: Exams, out: Path) -> dict[str, Any]:
    """The hash of the weights that were best on validation images, where they were kept; and, where they are not those
    of the last epoch, what they get on the test set."""
    config, student, best = prepared.config, prepared.student, out / "checkpoints" / BEST
    if not best.exists():
        return {}
    last = {name: value.clone() for name, value in student.state_dict().items()}
    weights.put(student.body, weights.read(best)[0], best)
    found: dict[str, Any] = {"best_weights": weights_hash(student)}
    last_is_best = config.optim.schedule == "plateau" or record.best_epoch in (None, config.epochs)
    if "test" in exams and not last_is_best:
        found["test_at_best_validation"] = exams["test"]()
    student.load_state_dict(last)
    return found


def finished(out: Path, prepared: Prepared) -> Result:
    """A run that is over, as it was left."""
    file = out / "student.safetensors"
    weights.put(prepared.student.body, weights.read(file)[0], file)
    return Result(prepared.student.eval(), read_json(out / "result.json"), out)


def say(text: str) -> None:
    """A word to the user, beside the progress bar."""
    print(text, file=sys.stderr)
