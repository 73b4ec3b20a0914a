"""A classifier that carries its own preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sparring.core.output import Output

ASKED: ContextVar[bool | None] = ContextVar("ASKED", default=None)  # bf16 or not, where `computing` says it
INPUT = ":input"  # ends a tap's path where what goes into the submodule is meant, not what comes out


class Network(nn.Module):
    """Any classifier, made to eat pixels in [0, 1]: it normalises them itself and answers with an `Output`.

    body: the user's module, called on normalised images (B, C, H, W).
    mean, std: per channel, in [0, 1] units; buffers that move with the network but are not part of its weights.
    taps: names for the body's inner features, {tap: path of a submodule in the body}; "fc:input" is what goes into fc.
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
        self._heard: dict[str, Tensor] | None = None
        self.register_buffer("mean", torch.tensor(tuple(mean), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tuple(std), dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor, taps: Sequence[str] = ()) -> Output:
        """Answer at `x` (B, C, H, W) in [0, 1]; `taps` names the features to hand out beside the logits."""
        seen: dict[str, Tensor] = {} if self._heard is None else self._heard
        with ExitStack() as listening:
            for tap in taps if self._heard is None else ():
                listening.enter_context(self._listen(tap, seen))
            if self.bf16 is not None and ASKED.get() is None:
                listening.enter_context(torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16))
            answer = self.body((x - self.mean) / self.std)
        features = {tap: seen[tap] for tap in taps}
        if self._heard is not None:
            self._heard.clear()  # nothing of a batch outlives it
        return Output.of(answer, features)

    def compile_with(self, taps: Sequence[str] = ()) -> None:
        """torch.compile the body. `taps`: all that will ever be asked for, since what a compiled body hands out is
        fixed when it is compiled."""
        if taps:
            self._heard = {}
            for tap in taps:
                self._listen(tap, self._heard)
        self.body.compile()

    def _listen(self, tap: str, seen: dict[str, Tensor]) -> RemovableHandle:
        """From now on `seen[tap]` is what the tap's submodule returned last, or was given."""
        path = self.taps.get(tap, tap)
        if path.endswith(INPUT):
            module = self.body.get_submodule(path.removesuffix(INPUT))
            return module.register_forward_pre_hook(partial(_note_input, seen, tap))
        return self.body.get_submodule(path).register_forward_hook(partial(_note, seen, tap))


@contextmanager
def computing(device: str, *, bf16: bool) -> Iterator[None]:
    """Every network in bfloat16 or float32 on that type of device, also one that has a precision of its own."""
    before = ASKED.set(bf16)
    try:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            yield
    finally:
        ASKED.reset(before)


Precision = Literal["auto", "float32", "bf16"]


def asking(device: str, precision: Precision) -> Callable[[], AbstractContextManager[object]]:
    """What networks are asked inside of, once float32 rules around them: in the precision that rules now ("auto", each
    network's own where it has one), or all in the one that is named."""
    if precision == "auto":
        return partial(torch.autocast, device, torch.bfloat16, torch.is_autocast_enabled(device))
    return partial(computing, device, bf16=precision == "bf16")


def _note(seen: dict[str, Tensor], tap: str, module: nn.Module, args: Any, answer: Any) -> None:
    """Write what `module` returned into `seen[tap]`."""
    seen[tap] = answer[0] if isinstance(answer, tuple | list) else answer


def _note_input(seen: dict[str, Tensor], tap: str, module: nn.Module, args: Any) -> None:
    """Write what `module` was given into `seen[tap]`."""
    seen[tap] = args[0]
