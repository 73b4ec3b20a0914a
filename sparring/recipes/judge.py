"""The watcher of a run that judges it at each epoch's end, keeps it safe, and stops it when asked."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FrameType
from typing import Any

from torch import Tensor

from sparring import data as datasets
from sparring.core import Batch, Moment, Network
from sparring.core.signals import stops
from sparring.engine.processes import agreed
from sparring.errors import Interrupted
from sparring.evaluate import answers, score, score_answers
from sparring.evaluate.climb import Climb, withstands
from sparring.evaluate.masking import right_after
from sparring.recipes.build import Prepared
from sparring.recipes.exits import by_exit
from sparring.recipes.fetched import Fetched
from sparring.recipes.keeper import Keeper
from sparring.report.kinds import PGD as WITHSTOOD
from sparring.watch import Meter, NotFinite, speaks

ATTACKED = 1000  # images
STEPS = int(WITHSTOOD.removeprefix("pgd-"))

Exams = Mapping[str, Callable[[], dict[str, float]]]
"""What scores whatever is trained, by the part of the data."""

Hear = Callable[[int, Mapping[str, float]], str | None]
"""What is told an epoch's number, from 1, and its validation scores once that epoch is saved; after a resume it is told
the last one again. An answer is why the training ends there."""


def judged_by(*every: Mapping[str, float]) -> str:
    """The score by which one of several trainings is chosen: accuracy, under attack where all of them attack."""
    return WITHSTOOD if all(WITHSTOOD in scores for scores in every) else "accuracy"


def reached(scores: Mapping[str, float]) -> float:
    """What an epoch or a trial is judged by, from its scores; -1 where nothing of the kind was measured."""
    return float(scores.get(judged_by(scores), -1.0))


class Exam:
    """Scores the student on a part of the data, beside the teacher, whose answers there are asked for once.

    Of a student whose training attacks it, "pgd-10" is the share of (up to) 1,000 images there on which it is right
    still after ten steps of PGD within the same ball.
    """

    def __init__(self, prepared: Prepared, part: datasets.Images) -> None:
        compute = prepared.compute
        self.batches: Iterable[Batch] = datasets.batches(
            part.to(compute.device), batch_size=256, device=compute.device, workers=prepared.config.workers
        )
        self.compute, self.student, self.y, self.shape = compute, prepared.student, part.y, prepared.data.shape
        self.ball, self.attacked = prepared.method.perturb.attacks_within, datasets.some(part, ATTACKED)
        with compute.autocast():
            self.teacher: Tensor | None = answers(prepared.teacher, self.batches) if prepared.teacher else None

    def __call__(self) -> dict[str, float]:
        with self.compute.autocast():
            return score(self.student, self.batches, teacher_logits=self.teacher) | self.under_attack(self.student)

    def under_attack(self, net: Network) -> dict[str, float]:
        """{"pgd-10": …} of the student or the teacher; {} where training does not attack."""
        if self.ball is None:
            return {}
        pick = partial(datasets.picked, self.attacked, device=self.compute.device)
        probe = partial(withstands, net, climb=Climb(self.ball, steps=STEPS))
        return {WITHSTOOD: float(right_after(net, pick, len(self.attacked), WITHSTOOD, probe).mean())}

    def of_exits(self) -> dict[str, dict[str, float]]:
        """The scores there and the costs of each of the student's exits; {} of a student without exits."""
        with self.compute.autocast():
            return by_exit(self.student, self.shape, self.batches)

    def of_teacher(self) -> dict[str, float] | None:
        """The teacher's own scores there, from its answers; None without a teacher."""
        return None if self.teacher is None else score_answers(self.teacher, self.y)


def apart(prepared: Prepared) -> dict[str, Any]:
    """Where classes were omitted, the student's scores on test images of the others, and of them only."""
    data = prepared.data
    if not data.omitted or data.test is None:
        return {}
    others = datasets.only(data.test, [k for k in range(data.classes) if k not in data.omitted])
    parts = {"test_without": others, "test_only": datasets.only(data.test, data.omitted)}
    return {name: Exam(prepared, part)() for name, part in parts.items() if len(part)}


class Judge:
    """The watcher of a run: lets the meter hear each step, scores the student at each epoch's end, and sees to it that
    the keeper saves then, every `every` seconds, and before it stops at SIGTERM or Ctrl-C.

    No state is saved whose losses or weights are not finite. exams: "validation" and, with protocol="paper", "test".
    hear: who else is told each epoch's validation scores, and may end the training.
    """

    def __init__(
        self, keeper: Keeper, meter: Meter, fetched: Fetched, exams: Exams, *, every: float, hear: Hear | None = None
    ) -> None:
        self.hear = hear
        self.keeper, self.meter, self.fetched, self.exams = keeper, meter, fetched, exams
        self.compute, self.record = keeper.prepared.compute, keeper.record
        self.every, self.asked_to_stop, self.since = every, 0, time.perf_counter()
        self.saved = self.since

    def __call__(self, moment: Moment) -> bool:
        try:
            self.meter(moment)
            return self.look(moment)
        except NotFinite as spoilt:
            raise NotFinite(spoilt.step, spoilt.what, kept=bool(self.keeper.checkpoints.files())) from None

    def look(self, moment: Moment) -> bool:
        """After a batch: score, save, stop, each where it is due. Returns whether the training has been ended."""
        late = speaks(moment) and time.perf_counter() - self.saved >= self.every
        number = self.told_to_stop(moment)
        if not (moment.ends_epoch or late or number):
            return False
        self.meter.speak(moment)
        self.keeper.refuse_spoilt_weights(moment.clock)
        if moment.ends_epoch:
            self.end_epoch(moment)
        self.save(moment)
        if number:
            raise Interrupted(
                f"stopped after step {moment.step} of {moment.clock.total_steps}, with everything saved in "
                f"{self.keeper.checkpoints.folder.parent}",
                number,
            )
        if moment.ends_epoch:
            self.tell()
        return self.record.stopped is not None

    def tell(self) -> None:
        """Let whoever hears of the epochs hear the last one, and end the training where that is the answer."""
        if self.hear is not None and self.record.epochs and self.record.stopped is None:
            why = self.hear(self.record.epochs, self.record.last)
            self.record.stopped = {"epoch": self.record.epochs, "why": why} if why else None

    def told_to_stop(self, moment: Moment) -> int:
        """The signal to stop at after this step, or 0. Several processes agree on it, whenever the meter speaks."""
        if self.compute.world == 1:
            return self.asked_to_stop
        return agreed(self.asked_to_stop) if speaks(moment) else 0

    def end_epoch(self, moment: Moment) -> None:
        """Score the student, note the best, and tell the sinks."""
        seconds, self.record.epochs = self.time_since(), moment.clock.epoch + 1
        line: dict[str, Any] = {
            "kind": "epoch",
            "step": moment.step,
            "batch": moment.clock.batch + 1,
            "epoch": moment.clock.epoch + 1,
            "seconds": seconds,
        }
        for part, exam in self.exams.items():
            line[part] = exam()
        if found := line.get("validation"):
            self.record.last = found
            accuracy = reached(found)
            better = agreed(int(accuracy > self.record.best_accuracy)) > 0  # lest processes part here
            if better:
                self.record.best_accuracy, self.record.best_epoch = accuracy, moment.clock.epoch + 1
                self.keeper.save_best()
            line |= self.wait(moment.clock.epoch + 1, found, better)
        if found := line.get("test"):
            self.record.best_on_test = max(
                self.record.best_on_test or found, found, key=lambda scores: scores["accuracy"]
            )
        self.meter.tell(line)
        self.since = time.perf_counter()
        self.meter.restart()

    def wait(self, epoch: int, found: Mapping[str, float], better: bool) -> dict[str, Any]:
        """Let the plateau, where there is one, hear an epoch's scores; returns what the journal is told of it."""
        if (plateau := self.keeper.plateau) is None:
            return {}
        if plateau.hear(epoch, found, better=better):
            what = f"accuracy under {WITHSTOOD.upper()}" if WITHSTOOD in found else "accuracy"
            why = f"{plateau.drops} times no better validation {what} in {plateau.optim.patience} epochs"
            self.record.stopped = {"epoch": epoch, "why": why}
        return {"plateau": plateau.told()}

    def time_since(self) -> float:
        """Count the seconds of training since last asked, and return them."""
        self.compute.synchronise()
        now = time.perf_counter()
        seconds, self.since = now - self.since, now
        self.record.seconds += seconds
        self.record.waited += self.fetched.spent()
        return seconds

    def save(self, moment: Moment) -> None:
        """Write the whole state, so that the run can go on from the next batch."""
        self.time_since()
        self.record.step, self.record.batch = moment.step, moment.clock.batch + 1
        self.keeper.save()
        self.saved = self.since = time.perf_counter()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A signal's handler: finish the step, save, stop."""
        self.asked_to_stop = number


def listening(judge: Judge) -> Callable[[], None]:
    """Let SIGTERM, SIGHUP and Ctrl-C stop a run in order; returns what undoes it. Outside the main thread, nothing."""
    try:
        before = {number: signal.signal(number, judge.stop) for number in stops()}
    except ValueError:
        return lambda: None

    def undo() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return undo
