"""What fills a slot of the bout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from sparring.core import Batch, Clock, Losses, Moment, Output, Player

if TYPE_CHECKING:
    from sparring.parts.bout import Bout

Turns = Callable[[Clock], Sequence[str]]
"""Who moves when: clock → names of players, in order."""


class Perturb(Protocol):
    """Which inputs the step learns from: (B, C, H, W) → (B, C, H, W), leaving no trace in the student."""

    def __call__(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor: ...


class Targets(Protocol):
    """What the student should show at `x`; None where nothing is asked beyond the label."""

    def __call__(self, x: Tensor, batch: Batch) -> Output | None: ...


class Objective(Protocol):
    """How the student's answer is scored."""

    def __call__(self, output: Output, target: Output | None, batch: Batch) -> Losses: ...


class Part(nn.Module):
    """A slot's content that has a state, learns, or needs or offers something; a plain function is enough otherwise.

    needs, offers: words matched when a bout is built ("target": a teacher's logits).
    waivers: rules of the contract that this part breaks on purpose, by their names there.
    """

    needs: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    waivers: frozenset[str] = frozenset()

    def players(self, bout: Bout) -> Mapping[str, Player]:
        """The players this part brings, their losses written against the bout they play in; usually none."""
        return {}

    @property
    def turns(self) -> Turns | None:
        """Who moves when, where this part decides it."""
        return None

    def after_step(self, moment: Moment) -> None:
        """Gradient-free bookkeeping once everyone has moved; usually none."""

    def gauges(self) -> Mapping[str, Tensor]:
        """Scalars worth watching, by name, on the device; usually none."""
        return {}


class Plain(Part):
    """A function as a part."""

    def __init__(self, function: Callable[..., Any], *, needs: Sequence[str] = (), offers: Sequence[str] = ()) -> None:
        super().__init__()
        self.function = function
        self.needs, self.offers = frozenset(needs), frozenset(offers)

    def forward(self, *args: Any) -> Any:
        return self.function(*args)
