"""Targets that a network gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from sparring.core import Batch, Network, Output
from sparring.parts.part import Part


class Frozen(nn.Module):
    """A network that only answers: always in eval mode, without gradients of its own, and absent from `parameters()`
    and `state_dict()`; it moves with `.to()`. Gradients do flow through it to its input."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        net.eval().requires_grad_(False)
        self._held = (net,)  # in a tuple, so that it is not registered as a submodule

    @property
    def net(self) -> nn.Module:
        """The network inside."""
        return self._held[0]

    def forward(self, x: Tensor, taps: Sequence[str] = ()) -> Output:
        return self.net(x, taps) if taps else self.net(x)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Frozen:
        self.net._apply(fn, recurse)
        return super()._apply(fn, recurse)


At = Literal["perturbed", "clean"]
"""Where targets are asked: at the inputs that the student sees, or at the images as they came."""


NO_CLEAN = (
    "this perturbation mixes images and their labels, so behind each of them is no one clean image to be asked about: "
    "choose another perturbation, or do without it (targets.at=perturbed, an objective that looks at no clean image)"
)


class Teacher(Part):
    """Targets of a frozen network: what it answers at the very inputs the student sees, features too where asked.

    at: "clean" asks it about the images as they came instead, whatever became of them.
    """

    offers = frozenset({"target", "features"})

    def __init__(self, net: Network, at: At = "perturbed") -> None:
        super().__init__()
        self.frozen, self.asks_clean = Frozen(net), at == "clean"
        self.unmixed = NO_CLEAN if self.asks_clean else None
        self.taps: Sequence[str] = ()

    def listen(self, taps: Sequence[str]) -> None:
        self.taps = tuple(taps)

    def forward(self, x: Tensor, batch: Batch) -> Output:
        return self.frozen(batch.x if self.asks_clean else x, self.taps)
