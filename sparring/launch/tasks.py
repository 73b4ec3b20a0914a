"""A piece of work that any process on any machine can do, and how one that was handed it does it."""

from __future__ import annotations

import errno
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch

from sparring.core.signals import stops
from sparring.errors import Busy, Interrupted, UserError
from sparring.recipes.augmentation import told

LOG = ".log"  # in a run's folder: what it had to say, for whoever watches from elsewhere
PATIENCE = 30.0  # seconds for which a task waits for another process that is still leaving its folder


@dataclass(frozen=True, slots=True)
class Task:
    """Something that goes on where it stopped, so that it can be done again anywhere with nothing lost.

    work: picklable, a partial of a function and plain data. log: the file into which it says what it has to say. needs:
    the names of tasks that must have ended before.
    """

    work: Callable[[], object]
    name: str
    log: Path
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended, in words that any engine can carry. refused: what a user can mend; signal: what stopped it, and
    0 where it came to its end."""

    refused: str = ""
    stopped: str = ""
    signal: int = 0


@dataclass(frozen=True, slots=True)
class Errand:
    """A task as it is handed to a worker: called there, it does the work and tells how that ended.

    threads: the CPU threads it is given. command, folder: what the user typed, for the manifest, and where. told: what
    the user was told already and is told once.
    """

    work: Callable[[], object]
    log: Path
    threads: int
    command: Sequence[str] = field(default_factory=lambda: tuple(sys.argv))
    folder: Path = field(default_factory=Path.cwd)
    told: frozenset[str] = field(default_factory=lambda: frozenset(told))

    def __call__(self) -> Ended:
        sys.argv = list(self.command)
        told.update(self.told)
        torch.set_num_threads(self.threads)
        try:
            os.chdir(self.folder)
        except OSError:
            seen = f"{platform.node()} does not see {self.folder}"
            return Ended(refused=f"{seen}: work in a folder that all machines share")
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            log = self.log.open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            return Ended(refused=f"{platform.node()} cannot write {self.log}: {error.strerror}; give another place")
        with log, redirect_stderr(log):
            try:
                with stoppable():
                    patiently(self.work)
            except UserError as error:
                return Ended(refused=str(error))
            except Interrupted as error:
                return Ended(stopped=str(error), signal=error.signal)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                return Ended(refused=f"{self.log.parent}: {error.strerror}; make room there and go on with --resume")
        return Ended()


def patiently(work: Callable[[], object]) -> None:
    """Do some work; where another process still holds its folder (one that is just being stopped), wait a while."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            work()
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(1)
        else:
            return


heard: list[int] = []  # the signal that this process was asked to stop by while no task was at work, if it was


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM, SIGHUP and Ctrl-C raise Interrupted where a run does not listen for them itself, also one that
    came before the task began: a worker imports for seconds. Outside the main thread, nothing is changed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted("stopped; what it had saved is kept", number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in stops():
        signal.signal(number, stop)
    try:
        if heard:
            stop(heard.pop(), None)
        yield
    finally:
        remember()


def remember() -> None:
    """Between two tasks a signal ends no worker; the next task, should there be one, is told of it."""

    def note(number: int, frame: FrameType | None) -> None:
        heard[:] = [number]

    for number in stops():
        signal.signal(number, note)


def leave_with(parent: int) -> None:
    """Let this worker stop in order, everything saved, once the process that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)

    remember()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stops())
    threading.Thread(target=watch, daemon=True).start()
