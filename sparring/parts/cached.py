"""A teacher whose answers are kept, so that it is asked once for each view of an image, by whichever run is first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sparring.core import Batch, Moment, Output, UserError, View
from sparring.parts.forms import Form
from sparring.parts.part import UNMOVED, Part
from sparring.parts.shelf import Shelf
from sparring.parts.teachers import Teacher

ROUNDING = {True: 0.05, False: 0.01}  # bf16 or not: by what part of the largest number the same answer may differ


class CachedTeacher(Part):
    """A teacher's answers from the shelf, where those to all rows of a batch are there; else the teacher's own.

    Only the rows of a batch in a known view (`Batch.view`), at the batch's own inputs, are looked up or kept. About a
    batch that lacks a row the teacher is asked as a whole, so that its answers have the bits they would have without a
    shelf; they are written once the step is over. About the first batch that is found it is asked all the same, and
    what was kept is held against that. asked, read: on how many steps so far. A teacher that is asked about the clean
    images goes with any perturbation.
    """

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher
        self.offers, self.asks_clean, self.unmixed = teacher.offers, teacher.asks_clean, teacher.unmixed
        self.needs = frozenset(() if teacher.asks_clean else (UNMOVED,))
        self.shelf: Shelf | None = None
        self.asked = self.read = 0
        self._found = False
        self._begin: Callable[[], None] | None = None
        self._waiting: tuple[View, Tensor, torch.cuda.Event | None] | None = None
        self._trusted = False

    def open(self, shelf: Shelf, form: Form, begin: Callable[[], None] | None, *, bf16: bool = False) -> None:
        """Use a shelf from now on. begin: called before the first record is written; bf16: how the teacher computes."""
        self.shelf, self.form, self._begin, self._rounding = shelf, form, begin, ROUNDING[bf16]

    def listen(self, taps: Sequence[str]) -> None:
        """From now on these features are wanted beside the logits."""
        self.teacher.listen(taps)

    def forward(self, x: Tensor, batch: Batch) -> Output:
        if self.shelf is None or batch.view is None or not (self.asks_clean or x is batch.x):
            return self.teacher(x, batch)
        kept = self.shelf.read(batch.view.number, batch.view.rows.numpy())
        if kept is not None:
            packed = to_device(torch.from_numpy(kept), x.device)
            if not self._trusted:
                self._compare(packed, self.form.packed(self.teacher(x, batch)))
            self._found, self._waiting = True, None
            return self.form.unpacked(packed)
        answer: Output = self.teacher(x, batch)
        packed = self.form.packed(answer)
        self._found, self._waiting = False, (batch.view, *to_host(packed))
        return answer if self.form.keep == "full" else self.form.unpacked(packed)

    def after_step(self, moment: Moment) -> None:
        """Write what the teacher was asked in this step; the device, which is busy with the rest of it, is not waited
        for beyond the teacher's answer."""
        self.read, self._found = self.read + self._found, False
        if self._waiting is None or self.shelf is None:
            return
        self.asked += 1
        (view, packed, copied), self._waiting = self._waiting, None
        if copied is not None:
            copied.synchronize()
        if self._begin is not None:
            self._begin()
            self._begin = None
        self.shelf.write(view.number, view.rows.numpy(), packed.numpy())

    def about(self) -> Sequence[str]:
        """Where the answers are kept, what they take, and for how many views there are some."""
        if self.shelf is None:
            return ()
        room, begun = f"{self.shelf.bytes_of_view / 2**20:.1f} MiB a view", f"{self.shelf.begun} views begun"
        return (f"the teacher's answers are kept in {self.shelf.folder}, {room}, {begun}",)

    def gauges(self) -> Mapping[str, Tensor]:
        """The part of the steps so far on which the teacher was asked."""
        return {"teacher asked": torch.tensor(self.asked / max(1, self.asked + self.read))}

    def remark(self) -> str | None:
        if self.shelf is None:
            return None
        told = [f"the teacher's answers were not kept any more: {self.shelf.full}"] if self.shelf.full else []
        if self.shelf.damaged:
            told.append(f"{self.shelf.damaged} answers in {self.shelf.folder} were damaged, and asked for again")
        return "; ".join(told) or None

    def _compare(self, kept: Tensor, fresh: Tensor) -> None:
        """Raise UserError where answers that were kept are not those that the teacher gives now, to rounding."""
        now = self.form.floats(fresh)
        for name, values in self.form.floats(kept).items():
            refuse_strangers(values, now[name], self._rounding, self.shelf.folder if self.shelf else Path())
        self._trusted = True


def refuse_strangers(kept: Tensor, now: Tensor, rounding: float, folder: Path) -> None:
    """Raise UserError where two answers to the same images differ by more than rounding explains."""
    apart, largest = float((kept - now).abs().max()), float(now.abs().max())
    if not apart <= rounding * largest:
        raise UserError(
            f"the answers kept in {folder} are not those that the teacher gives now (they differ by up to {apart:.2g}, "
            f"where the largest is {largest:.2g}), though all that they are known by is the same: was a file of the "
            "network, or a version, changed? Give another folder with --cache"
        )


def to_host(packed: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Bytes on the host, and what to wait for before they are read: nothing waits here."""
    if packed.device.type != "cuda":
        return packed.cpu(), None
    host = torch.empty(packed.shape, dtype=packed.dtype, pin_memory=True)
    host.copy_(packed, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()
    return host, copied


def to_device(packed: Tensor, device: torch.device) -> Tensor:
    """Bytes from the host on the device, which is not waited for."""
    return packed.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else packed.to(device)
