"""Endless training batches that depend on nothing but the seed and the step; and evaluation batches in order."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from sparring.core import Batch, UserError, View
from sparring.core.seeds import seed_for
from sparring.data.augment import augmented, pieces
from sparring.data.images import Images, Resident, Streamed
from sparring.data.piece import Piece, as_float

_MMAP_THRESHOLD = -3  # glibc's M_MMAP_THRESHOLD
_DRAWN_BYTES = 1 << 30  # at most this much chance is drawn for one view of all images


def stream(
    part: Images,
    *,
    batch_size: int,
    seed: int,
    augment: str = "default",
    device: torch.device | str = "cpu",
    rank: int = 0,
    world: int = 1,
    workers: int = 2,
    views: int | None = None,
) -> Stream:
    """Training batches of `part` on `device`, shuffled anew every epoch and augmented, from any step on.

    batch_size: images per step over all `world` processes, of which this one, `rank`, gets its equal share; augment:
    names from `augment.names` joined by "+", or "default" for the data set's own; workers: decoding processes, for
    streamed parts alone. Batch k is a pure function of (seed, k), and the ranks' batches laid end to end are the
    one-process batch. views: how many augmented versions an image has, shown epoch by epoch and then again; whatever
    the seed they are the same, and so are the few images that each epoch leaves out. None: new ones for ever. Raises
    UserError for a batch that does not divide by `world` or is larger than the part, and for an augmentation that is
    unknown or not for such images, or too large to draw for a whole part at once.
    """
    if batch_size < 1 or world < 1 or not 0 <= rank < world or workers < 0:
        raise UserError(f"Cannot stream with batch_size={batch_size}, rank={rank}, world={world}, workers={workers}.")
    if batch_size % world:
        raise UserError(f"A batch of {batch_size} cannot be shared by {world} processes: choose a multiple of {world}.")
    if len(part) < batch_size:
        raise UserError(
            f"The training part has {len(part)} images, fewer than the batch of {batch_size}: "
            f"choose batch_size <= {len(part)}."
        )
    changes = pieces(part.augment if augment == "default" else augment, part.shape)
    if views is not None:
        refuse_large_draws(changes, part)
    return Stream(part.to(device), batch_size, seed, changes, torch.device(device), rank, world, workers, views)


@dataclass(frozen=True, slots=True)
class Stream:
    """Calling it with a step gives the endless batches from that step on; see `stream`."""

    part: Images
    batch_size: int
    seed: int
    changes: tuple[Piece, ...]
    device: torch.device
    rank: int
    world: int
    workers: int
    views: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the part; an incomplete last one is left out, other images every epoch."""
        return len(self.part) // self.batch_size

    def __call__(self, start: int = 0) -> Iterator[Batch]:
        """Batches `start`, `start` + 1, … without end: x (B / world, C, H, W) float32 in [0, 1], contiguous."""
        if isinstance(self.part, Resident):
            pictures = self._resident(self.part, start)
        else:
            pictures = self._streamed(self.part, start)
        chance = self._by_step(start) if self.views is None else self._by_view(start, self.views)
        for (x, y, index), (drawn, view) in zip(pictures, chance, strict=False):
            yield Batch(augmented(x, self.changes, drawn), y, index, view=view)

    def _by_step(self, start: int) -> Iterator[tuple[tuple[Tensor, ...], None]]:
        """What each change draws for this rank's images, step after step, by the run's own seed."""
        share, generator = self._share(), Generator(self.device)
        for step in count(start):
            generator.manual_seed(seed_for(self.seed, "augment", step))
            yield tuple(c.draw(self.batch_size, self.part.shape, generator)[share] for c in self.changes), None

    def _by_view(self, start: int, views: int) -> Iterator[tuple[tuple[Tensor, ...], View]]:
        """What each change draws for this rank's images, step after step, by their rows in the view of the epoch."""
        number, drawn = -1, ()
        for step, rows in enumerate(self._rows(start, "cpu"), start):
            if (now := view_of(step // self.steps_per_epoch, views) if self.changes else 0) != number:
                number, drawn = now, drawn_for(self.part, self.changes, now, self.device)
            at = rows.to(self.device, non_blocking=True)
            yield tuple(each[at] for each in drawn), View(number, rows)

    def _share(self) -> slice:
        size = self.batch_size // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def _rows(self, start: int, device: torch.device | str) -> Iterator[Tensor]:
        """This rank's positions in the part, (B / world,), step after step."""
        share, epoch = self._share(), start // self.steps_per_epoch
        step = start % self.steps_per_epoch
        while True:
            order = self._order(epoch).to(device)
            for at in range(step * self.batch_size, self.steps_per_epoch * self.batch_size, self.batch_size):
                yield order[at + share.start : at + share.stop]
            epoch, step = epoch + 1, 0

    def _order(self, epoch: int) -> Tensor:
        """The rows of `epoch` in order, all of them or all that are not left out; drawn on the CPU, so that they are
        the same on every device."""
        chance = Generator().manual_seed(seed_for(self.seed, "order", epoch))
        if self.views is None:
            return torch.randperm(len(self.part), generator=chance)
        kept = torch.randperm(len(self.part), generator=Generator().manual_seed(seed_for("view", "rows", epoch)))
        kept = kept[: self.steps_per_epoch * self.batch_size]
        return kept[torch.randperm(len(kept), generator=chance)]

    def _resident(self, part: Resident, start: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for rows in self._rows(start, self.device):
            yield part.x.index_select(0, rows), part.y[rows], part.index[rows]

    def _streamed(self, part: Streamed, start: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return _decoded(part, self._rows(start, "cpu"), self.device, self.workers)


def view_of(epoch: int, views: int) -> int:
    """The view that an epoch shows: one after the other, where they are even in number begun one later each time round,
    so that whoever moves in some of the epochs alone, in turns with others, comes to see all of them."""
    return (epoch + (epoch // views if views % 2 == 0 else 0)) % views


def drawn_for(
    part: Images, changes: tuple[Piece, ...], view: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, ...]:
    """What each change draws for all images of `part` in one of their views, on `device`: the same in every run."""
    chances = (Generator().manual_seed(seed_for("view", view, number)) for number in range(len(changes)))
    return tuple(
        change.draw(len(part), part.shape, chance).to(device) for change, chance in zip(changes, chances, strict=True)
    )


def refuse_large_draws(changes: tuple[Piece, ...], part: Images) -> None:
    """Raise UserError where one view of all images would take more chance than fits comfortably into memory."""
    drawn = sum(change.draw(1, part.shape, Generator()).nbytes for change in changes) * len(part)
    if drawn > _DRAWN_BYTES:
        raise UserError(
            f"The augmentation draws {drawn / 2**30:.1f} GiB of chance for one view of the {len(part)} images, which "
            "is too much to be drawn at once, as views that come back are: choose another one, or leave views out."
        )


@dataclass(frozen=True, slots=True)
class batches:
    """Evaluation batches of `part` on `device`: every image once, in order, as it is; the last batch may be short.

    Can be walked any number of times. workers: decoding processes, for streamed parts alone.
    """

    part: Images
    batch_size: int = 256
    device: torch.device | str = "cpu"
    workers: int = 2

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"batch_size={self.batch_size} is no size for a batch: choose 1 or more.")

    def __len__(self) -> int:
        return -(-len(self.part) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        part, device = self.part, torch.device(self.device)
        if isinstance(part, Resident):
            for at in range(0, len(part), self.batch_size):
                here = slice(at, at + self.batch_size)
                x, y, index = (tensor[here].to(device) for tensor in (part.x, part.y, part.index))
                yield Batch(as_float(x), y, index)
        else:
            rows = torch.arange(len(part)).split(self.batch_size)
            for x, y, index in _decoded(part, rows, device, self.workers):
                yield Batch(as_float(x), y, index)


def picked(part: Images, rows: np.ndarray, device: torch.device | str) -> Batch:
    """The images at positions `rows` (B,) of a part, as they are, as one batch on `device`."""
    return next(iter(batches(part.take(rows), batch_size=len(rows), device=device)))


class _Pictures(Dataset):
    """What a decoding process holds: asked for positions, it answers with images, or with what is wrong."""

    def __init__(self, part: Streamed) -> None:
        self.part = part

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, str]:
        try:
            return self.part.decoded(rows), self.part.y[rows], self.part.index[rows], ""
        except UserError as error:  # told by the main process, without a worker's traceback
            return torch.empty(0, dtype=torch.uint8), rows, rows, str(error)


def steady_memory() -> None:
    """Let the C library give large blocks back as soon as they are freed; only glibc needs to be told.

    Left alone it raises its own threshold for that with every large block it sees freed, and a run that streams large
    batches creeps upwards for some hundred steps.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_MMAP_THRESHOLD, 1 << 20)


def _apart(worker: int) -> None:
    """In a decoding process: leave the group, so that Ctrl-C or `timeout` stop only the run, which wants a last batch
    before it saves and ends its processes itself."""
    os.setpgrp()


def _told_of_deaths(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor, Tensor, str]]:
    """What `loader` yields. Raises UserError where one of its processes was killed.

    torch's own handler of dying children would raise in the midst of whatever this process is doing then, a
    checkpoint perhaps; it is put out, and the death found when the next batch is waited for.
    """
    before = signal.getsignal(signal.SIGCHLD)
    pictures = iter(loader)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
    try:
        yield from pictures
    except (RuntimeError, OSError, EOFError) as error:
        if not re.search(r"DataLoader worker \(pid|in pin memory thread", str(error)):
            raise
        raise UserError(
            "A process that reads the images was killed, as happens where memory runs out: try fewer workers= "
            f"(there were {loader.num_workers}; 0 starts none), with --resume where a run had begun."
        ) from error


def _decoded(
    part: Streamed, rows: Iterable[Tensor], device: torch.device, workers: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(x uint8, y, index) on `device` for each tensor of positions, decoded ahead by `workers` processes, in order."""
    steady_memory()
    pinned = device.type == "cuda"  # so that no copy to the device is waited for
    loader = DataLoader(
        _Pictures(part), batch_size=None, sampler=rows, num_workers=workers, pin_memory=pinned, worker_init_fn=_apart
    )
    for x, y, index, problem in _told_of_deaths(loader):
        if problem:
            raise UserError(problem)
        yield (
            x.to(device, non_blocking=pinned),
            y.to(device, non_blocking=pinned),
            index.to(device, non_blocking=pinned),
        )
