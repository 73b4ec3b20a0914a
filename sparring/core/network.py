"""A classifier that carries its own preprocessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core.output import Output

ASKED: ContextVar[bool | None] = ContextVar("ASKED", default=None)  # bf16 or not, where `computing` says it


class Network(nn.Module):
    """Any classifier, made to eat pixels in [0, 1]: it normalises them itself and answers with an `Output`.

    body: the user's module, called on normalised images (B, C, H, W).
    mean, std: per channel, in [0, 1] units; buffers that move with the network but are not part of its weights.
    taps: names for the body's inner features, {tap: path of a submodule in the body}.
    name: what people call it; by default the body's class.
    bf16: whether it computes in bfloat16, where it does not follow the precision around it (None, as it is made).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        *,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        taps: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.name = name or type(body).__name__
        self.taps = dict(taps or {})
        self.bf16: bool | None = None
        self.register_buffer("mean", torch.tensor(tuple(mean), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tuple(std), dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor, taps: Sequence[str] = ()) -> Output:
        """Answer at `x` (B, C, H, W) in [0, 1]; `taps` names the features to hand out beside the logits."""
        seen: dict[str, Tensor] = {}
        with ExitStack() as listening:
            for tap in taps:
                module = self.body.get_submodule(self.taps.get(tap, tap))
                listening.enter_context(module.register_forward_hook(partial(_note, seen, tap)))
            if self.bf16 is not None and ASKED.get() is None:
                listening.enter_context(torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16))
            return Output.of(self.body((x - self.mean) / self.std), seen)


@contextmanager
def computing(device: str, *, bf16: bool) -> Iterator[None]:
    """Every network in bfloat16 or float32 on that type of device, also one that has a precision of its own."""
    before = ASKED.set(bf16)
    try:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            yield
    finally:
        ASKED.reset(before)


def _note(seen: dict[str, Tensor], tap: str, module: nn.Module, args: Any, answer: Any) -> None:
    """Write what `module` returned into `seen[tap]`."""
    seen[tap] = answer[0] if isinstance(answer, tuple | list) else answer
