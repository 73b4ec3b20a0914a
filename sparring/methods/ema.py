"""Mean teacher (Tarvainen & Valpola 2017): the teacher is the running average of the student itself.

    θ̄ ← d θ̄ + (1 − d) θ   after each step of the student,     d = min(decay, (1 + n) / (10 + n)) after n steps

so that the average is not held back by how the student began. Nothing but the label is asked of anyone else: no teacher
is given. The paper shows student and teacher two noisy views of an image; here both see the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sparring.core import Batch, Moment, Output, Player, Setting
from sparring.core.mode import mode
from sparring.parts.bout import Bout
from sparring.parts.part import Part


class Ema(Part):
    """Ask for what the student's own moving average answers, in eval mode; no teacher is needed.

    decay: how much of the average stays in a step; warmup: less in the first steps, min(decay, (1 + n) / (10 + n));
    buffers: BatchNorm's statistics are averaged too ("average") or the student's own ("copy").
    """

    offers = frozenset({"target"})

    def __init__(
        self,
        setting: Setting,
        *,
        decay: float = 0.999,
        warmup: bool = True,
        buffers: Literal["average", "copy"] = "average",
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay:g}: give the part of the average that stays, from 0 to below 1")
        self.decay, self.warmup, self.copies = decay, warmup, buffers == "copy"
        self.average = nn.Module()  # of buffers: they move with the method and are saved with it, and nobody descends
        self._followed: tuple[nn.Module, ...] = ()  # in a tuple, so that the student is not registered again

    def players(self, bout: Bout) -> Mapping[str, Player]:
        """None; but here the part learns whom it follows, and begins as a copy."""
        self._followed = (bout.student,)
        for name, value in weights(bout.student).items():
            self.average.register_buffer(plain(name), value.clone())
        return {}

    def forward(self, x: Tensor, batch: Batch) -> Output:
        """The average's answer at x (B, C, H, W), by the student's own forward with the averaged weights on loan."""
        (student,) = self._followed
        averaged = {name: getattr(self.average, plain(name)) for name in weights(student)}
        with mode(student, training=False):
            return functional_call(student, averaged, (x,))

    def after_step(self, moment: Moment) -> None:
        """Move the average towards the student, where it has just moved."""
        if not moment.counted:
            return
        (student,) = self._followed
        parameters = {name for name, _ in student.named_parameters()}
        pairs: list[tuple[Tensor, Tensor]] = []
        for name, value in weights(student).items():
            average = getattr(self.average, plain(name))
            if not value.is_floating_point() or (self.copies and name not in parameters):
                average.copy_(value)
            else:
                pairs.append((average, value))
        if pairs:
            averages, values = map(list, zip(*pairs, strict=True))
            get_ema_multi_avg_fn(self.rate(moment.step))(averages, values, torch.tensor(moment.step))

    def rate(self, n: int) -> float:
        """d after the student's n-th step."""
        return min(self.decay, (1 + n) / (10 + n)) if self.warmup else self.decay


def weights(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a network by name, out of any graph."""
    return {name: value.detach() for name, value in (*net.named_parameters(), *net.named_buffers())}


def plain(name: str) -> str:
    """A tensor's name as one that a buffer may have."""
    return name.replace(".", "/")
