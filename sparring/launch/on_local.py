"""Runs as processes of this machine, by loky: a script needs no `if __name__ == "__main__"`, and a lost one is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import loky
import torch
from loky.process_executor import BrokenProcessPool

from sparring.core.signals import stops
from sparring.launch.tasks import Ended, Errand, leave_with
from sparring.launch.where import Lost, Where

CONTEXT = 700 * 2**20  # bytes of a GPU's memory that a process takes before it computes anything


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rooms(where: Where, many: int, memory: int | None) -> tuple[int, int, int]:
    """(how many of `many` tasks are done at a time here, threads of each, GPUs they share).

    memory: bytes of a GPU that one task takes; None where they compute on the CPU, of which each gets a share.
    """
    threads = where.cpus or 0
    gpus = 0 if memory is None else torch.cuda.device_count()
    if where.rest:
        room = int(where.rest)
    elif memory is not None:
        each = min(torch.cuda.mem_get_info(gpu)[0] // (CONTEXT + memory) for gpu in range(gpus))  # for they take turns
        room = max(1, min(gpus * each, cores()))
    else:
        room = max(1, cores() // max(1, threads))
    room = min(room, many)
    return room, threads or max(1, cores() // room), gpus


@contextmanager
def held() -> Iterator[None]:
    """Processes that are started in here hear of no signal before they listen for it (`leave_with`)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Waiting:
    """A task in a worker of this machine."""

    def __init__(self, future: Future[Ended]) -> None:
        self.future = future

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Ended:
        try:
            return self.future.result()
        except BrokenProcessPool as error:  # one was killed, and loky ends the others with it
            raise Lost from error


class OnGPU:
    """An errand on one GPU of several."""

    def __init__(self, errand: Errand, gpu: int) -> None:
        self.errand, self.gpu = errand, gpu

    def __call__(self) -> Ended:
        torch.cuda.set_device(self.gpu)
        return self.errand()


class Local:
    """So many processes at a time, each with so many threads. gpus: how many GPUs they take turns on."""

    pause = 0.05

    def __init__(self, room: int, threads: int, gpus: int) -> None:
        self.room, self.threads, self.gpus = room, threads, gpus
        self.sent: list[Waiting] = []
        self.before = set(multiprocessing.active_children())
        self.pool: loky.ProcessPoolExecutor | None = None

    def submit(self, errand: Errand) -> Waiting:
        work = OnGPU(errand, len(self.sent) % self.gpus) if self.gpus else errand
        with held():
            try:
                future = self.alive().submit(work)
            except BrokenProcessPool:  # since the last errand
                self.pool = None
                future = self.alive().submit(work)
        self.sent.append(Waiting(future))
        return self.sent[-1]

    def alive(self) -> loky.ProcessPoolExecutor:
        """The pool, made anew after one that broke."""
        if self.pool is None:
            environment = {"OMP_NUM_THREADS": str(self.threads)}
            self.pool = loky.ProcessPoolExecutor(
                self.room, initializer=leave_with, initargs=(os.getpid(),), env=environment
            )
        return self.pool

    def stop(self) -> None:
        for child in set(multiprocessing.active_children()) - self.before:
            with suppress(ProcessLookupError):
                if child.pid:
                    os.kill(child.pid, signal.SIGTERM)

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, kill_workers=not all(each.done() for each in self.sent))
