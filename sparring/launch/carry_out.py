"""The one loop over many tasks, whoever carries them out: what may begin begins, what is lost begins again."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sparring.core.processes import world
from sparring.core.signals import stops
from sparring.errors import Interrupted, UserError
from sparring.launch.progress import Progress
from sparring.launch.tasks import Errand, Task
from sparring.launch.where import HERE, Launcher, Lost, Pending, Where, launcher

TRIES = 5  # how often a task is begun that is lost again and again without having come any further
GRACE = 120.0  # seconds that those at work have to save, once they were asked to stop


@dataclass(slots=True)
class Course:
    """How far a grid of tasks has come: those that wait, those under way, how often each was lost where it stood, and
    what those that cannot be done were refused for."""

    waiting: list[Task]
    under_way: dict[str, tuple[Task, Pending]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    refused: dict[str, UserError] = field(default_factory=dict)
    without: int = 0  # those that wait no longer, since they needed one of these
    many: int = 0

    def __post_init__(self) -> None:
        self.many = len(self.waiting)

    def ready(self) -> list[Task]:
        """Those that can begin, since what they need has ended."""
        open_ones = {task.name for task in self.waiting} | set(self.under_way)
        return [task for task in self.waiting if not task.needs & open_ones]

    def refuse(self, task: Task, error: UserError) -> None:
        """Give a task up, and those that need it; the others go on."""
        self.refused[task.name] = error
        without = {task.name}
        for each in list(self.waiting):
            if each.needs & without:
                without.add(each.name)
                self.waiting.remove(each)
                self.without += 1

    def account(self) -> None:
        """Raise UserError where any was refused, once the others have ended: its own words, and whose they are."""
        if not self.refused:
            return
        if self.many == 1:
            raise next(iter(self.refused.values()))
        whose: dict[str, list[str]] = {}
        for name, error in self.refused.items():
            whose.setdefault(alike(name, error), []).append(name)
        told = [f"{', '.join(names)}: {self.refused[names[0]]}" for names in whose.values()]
        others = "; `sparring report` shows the others" if len(self.refused) + self.without < self.many else ""
        raise UserError("\n".join([f"{len(self.refused)} of {self.many} could not be done{others}:", *told]))


def alike(name: str, error: UserError) -> str:
    """What tasks are refused for, without the folder of the one by the name: the same for all on a full disk."""
    return str(error).replace(str(Path(name).absolute()), "").replace(name, "")


def carry_out(tasks: Sequence[Task], where: Where, *, memory: int | None = None) -> None:
    """Do all tasks: here and one after the other with local:1 (and under torchrun), else side by side where they find
    room, each once what it needs has ended. Returns when all have ended.

    tasks: those that others need before these. memory: bytes of a GPU that one takes, where they compute on one. Where
    one cannot be done, the others are, and then UserError is raised; Interrupted where a signal asked all to stop, with
    everything saved.
    """
    if one_by_one(where):
        here(tasks, where)
        return
    carrier = launcher(where, tasks, memory)
    course = Course(list(tasks))
    try:
        with Progress(len(tasks)) as progress, listening() as asked:
            go_on(course, carrier, progress, asked)
    finally:
        carrier.close()
    course.account()


def one_by_one(where: Where) -> bool:
    """Whether tasks are done in this process, one after the other: as asked for, or by several that train as one."""
    return where.on == HERE.on or world() > 1 or "WORLD_SIZE" in os.environ


def here(tasks: Sequence[Task], where: Where) -> None:
    """Do all tasks in this process. Those that train as one with others end at the first that cannot be done."""
    course = Course(list(tasks))
    with threads(where.cpus):
        while course.waiting:
            task = course.waiting.pop(0)
            try:
                task.work()
            except UserError as error:
                if world() > 1:
                    raise
                known = {alike(name, before) for name, before in course.refused.items()}
                course.refuse(task, error)
                if course.waiting and alike(task.name, error) not in known:
                    print(f"{task.name}: {str(error).rstrip('.')}. The others go on.", file=sys.stderr)
    course.account()


@contextmanager
def threads(many: int | None) -> Iterator[None]:
    """Compute with so many threads, then with as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(many or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def go_on(course: Course, carrier: Launcher, progress: Progress, asked: Callable[[], int]) -> None:
    """Begin what can begin and hear what has ended, until nothing is left."""
    while course.waiting or course.under_way:
        for task in course.ready()[: max(0, carrier.room - len(course.under_way))]:
            begin(task, course, carrier, progress)
        try:
            for task, pending in [each for each in course.under_way.values() if each[1].done()]:
                hear(task, pending, course, progress, asked)
            if number := asked():
                raise Interrupted("stopped; what the runs had saved is kept", number)
        except (Exception, Interrupted):
            halt(course, carrier, progress)
            raise
        progress.look()
        time.sleep(carrier.pause)


def begin(task: Task, course: Course, carrier: Launcher, progress: Progress) -> None:
    """Hand a task over."""
    course.waiting.remove(task)
    progress.begin(task)
    errand = Errand(task.work, task.log.absolute(), carrier.threads)
    course.under_way[task.name] = (task, carrier.submit(errand))


def hear(task: Task, pending: Pending, course: Course, progress: Progress, asked: Callable[[], int]) -> None:
    """Hear how a task ended; one that was lost, or stopped by somebody else than the user, waits to begin again."""
    del course.under_way[task.name]
    try:
        ended = pending.result()
        why = ended.stopped
    except Lost:
        ended, why = None, "its worker is gone"
    except Exception as error:  # of a user's own network, or ours
        error.add_note(f"in {task.name}")
        raise
    if ended is not None and not why:
        if ended.refused:
            course.refuse(task, UserError(ended.refused))
            progress.say(task, ended.refused)
        progress.end(task)
        return
    course.lost[task.name] = 1 if progress.came_on(task) else course.lost.get(task.name, 0) + 1
    if course.lost[task.name] < TRIES:
        if not asked():
            progress.say(task, f"{why}; it goes on from its checkpoint")
        course.waiting.insert(0, task)
    else:
        told = f"{why}, {TRIES} times without coming any further; {task.log} tells how far it came"
        course.refuse(task, UserError(told))
        progress.say(task, told)
        progress.end(task)


def halt(course: Course, carrier: Launcher, progress: Progress) -> None:
    """Ask all that are at work to stop, and wait until they have saved."""
    carrier.stop()
    until = time.monotonic() + GRACE
    while time.monotonic() < until and not all(pending.done() for _, pending in course.under_way.values()):
        progress.look()
        time.sleep(carrier.pause)


@contextmanager
def listening() -> Iterator[Callable[[], int]]:
    """The number of the signal that asked to stop, or 0; the second one is not waited for. Outside the main thread
    nobody asks."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return

    def note(number: int, frame: object) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    before = {number: signal.signal(number, note) for number in stops()}
    try:
        yield lambda: heard[0] if heard else 0
    finally:
        for number, handler in before.items():
            if handler is not None:  # which Python did not set, and cannot set again
                signal.signal(number, handler)
