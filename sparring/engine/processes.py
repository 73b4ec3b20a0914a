"""Several processes that train as one: joining, agreeing, and ending together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store, rendezvous  # pyright: ignore[reportPrivateImportUsage]

from sparring.core.processes import rank, world
from sparring.errors import Interrupted, UserError

JOINED = count()  # how often this process has joined others: the same number in all of them
TOLD = "told"  # the key in their common store under which they count who has spoken of an error


@contextmanager
def together() -> Iterator[None]:
    """Join the other processes of a torchrun launch, for as long as the block lasts; nothing without torchrun.

    An error that all of them meet is raised in one of them alone; the others leave with its exit code, silently.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    common, number, size = meeting()
    store = PrefixStore(f"sparring-{next(JOINED)}", common)
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", number)) % torch.cuda.device_count())
    dist.init_process_group(backend, store=store, rank=number, world_size=size)
    try:
        yield
    except UserError:
        if store.add(TOLD, 1) > 1:
            raise SystemExit(2) from None
        raise
    except Interrupted as stopped:
        if store.add(TOLD, 1) > 1:
            raise SystemExit(128 + stopped.signal) from None
        raise
    except RuntimeError:  # so a collective ends when another process has left
        if was_told(store):
            raise SystemExit(2) from None
        raise
    finally:
        time.sleep(0.1)  # torch 2.6 hangs for good if a thread of gloo's lets go of a tensor while the group goes
        dist.destroy_process_group()


@cache
def meeting() -> tuple[Store, int, int]:
    """(the store that all processes share, this one's rank, how many there are).

    They meet once: who came back for a second run while another was still leaving the first would wait for good.
    """
    return next(iter(rendezvous("env://")))


def was_told(store: Store) -> bool:
    """Whether another process has spoken of an error already; a store that is gone went with the one that has."""
    try:
        return store.add(TOLD, 0) > 0
    except RuntimeError:
        return True


def at_first(work: Callable[[], object]) -> None:
    """The first process does `work`; the others wait for it, and end with it where it fails."""
    if rank() == 0:
        work()
    if world() > 1:
        dist.all_reduce(torch.zeros(1))  # on the CPU: a GPU's barrier would outlive a process that has left


def agreed(number: int) -> int:
    """The largest of the processes' numbers."""
    if world() == 1:
        return number
    numbers = torch.tensor(number)
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return int(numbers)


class Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient
