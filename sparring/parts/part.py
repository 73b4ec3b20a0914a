"""What fills a slot of the bout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from sparring.core import Batch, Clock, Losses, Moment, Output, Player
from sparring.parts.attack import Ball

if TYPE_CHECKING:
    from sparring.parts.bout import Bout

Turns = Callable[[Clock], Sequence[str]]
"""Who moves when: clock → names of players, in order."""

EVERY = sys.maxsize  # as `ranked`: all of the classes
UNMOVED = "inputs as they come"  # what a perturbation offers that leaves every image as it is
MIXED = "mixed labels"  # what a perturbation offers that mixes images and their labels


class Perturb(Protocol):
    """Which inputs the step learns from.

    batch: the labelled images as they come, x (B, C, H, W) in [0, 1]; student: answers x with an `Output`; targets: the
    bout's own, asked as targets(x, batch). Returns other inputs of the shape of batch.x, out of any graph unless the
    perturbation learns, or a `Batch` where the labels change with them; leaves no trace in the student.
    """

    def __call__(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor | Batch: ...


class Targets(Protocol):
    """What the student should show at the inputs it learns from; None where nothing is asked beyond the label.

    x: the perturbed inputs (B, C, H, W); batch: the rows as they came, labels and all. Returns an `Output` whose logits
    are (B, K).
    """

    def __call__(self, x: Tensor, batch: Batch) -> Output | None: ...


class Objective(Protocol):
    """How the student's answer is scored.

    output: the student's, logits (B, K); target: what `Targets` gave; batch: the rows at the perturbed inputs. Returns
    named scalars beside their weights: 0.1 * term("ce", a) + 0.9 * term("kd", b).
    """

    def __call__(self, output: Output, target: Output | None, batch: Batch) -> Losses: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """What a perturbation was at some time: `change` takes images (B, C, H, W) to what it made of them then.

    joined: the batches and the steps of the training that were over then; None at its end.
    """

    change: Callable[[Tensor], Tensor]
    joined: tuple[int, int] | None = None


class Part(nn.Module):
    """A slot's content that has a state, learns, or needs or offers something; a plain function is enough otherwise.

    Its `forward` has the signature of the slot that it fills: that of `Perturb`, `Targets` or `Objective` above.
    needs, offers: words matched when a bout is built ("target": a teacher's logits).
    waivers: rules of the contract that this part breaks on purpose, by their names there.
    student_taps, target_taps: of an objective: features that the student's answer and the target must hold for it;
    ranked: how many of the target's likeliest classes it tells from the rest.
    unmixed: why it cannot do with images whose labels are mixed, a sentence; None where it can.
    asks_clean: of an objective: it also reads what the student answers at the images as they came (`output.clean`); of
    targets: they are asked there. asks_moving: of a perturbation: it asks the targets about images on their way;
    attacks_within: the ball in which it attacks, by which a run then judges its epochs.
    """

    needs: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    waivers: frozenset[str] = frozenset()
    student_taps: Sequence[str] = ()
    target_taps: Sequence[str] = ()
    ranked: int = 0
    unmixed: str | None = None
    asks_clean: bool = False
    asks_moving: bool = False
    attacks_within: Ball | None = None

    def dress(self, student: nn.Module) -> nn.Module:
        """The student that is trained in this bout, made of the one that was given; usually that one itself."""
        return student

    @property
    def companion(self) -> nn.Module | None:
        """What trains with the student, by the student's own loss and in its turn (adapters); usually nothing."""
        return None

    def listen(self, taps: Sequence[str]) -> None:
        """Of targets that offer "features": from now on these are wanted beside the logits."""

    def about(self) -> Sequence[str]:
        """Lines about how it was fitted to these networks, worth reading before training; usually none."""
        return ()

    def players(self, bout: Bout) -> Mapping[str, Player]:
        """The players this part brings, their losses written against the bout they play in; usually none."""
        return {}

    @property
    def turns(self) -> Turns | None:
        """Who moves when, where this part decides it."""
        return None

    def hear(self, batch: Batch, output: Output, target: Output | None) -> None:
        """What the student answered on its turn, at the rows of `batch` as perturbed, and what was asked for there.

        For those who watch it learn; usually nothing. Called without gradients.
        """

    def after_step(self, moment: Moment) -> None:
        """Gradient-free bookkeeping once everyone has moved; usually none."""

    def most_bytes(self, steps: int) -> int:
        """What its state may grow by, in bytes of the host's memory, over `steps` steps of the student; usually 0."""
        return 0

    def gauges(self) -> Mapping[str, Tensor]:
        """Scalars worth watching, by name, on the device; usually none."""
        return {}

    def keepsakes(self) -> Mapping[str, Tensor]:
        """What is worth keeping beside the student when a run ends (in parts.safetensors), by name; usually nothing."""
        return {}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Be again what it was when the run ended, from its keepsakes; usually there is nothing to be put back."""

    def remark(self) -> str | None:
        """A sentence that whoever reads the run's result must know, told when it ends; usually none."""
        return None

    def stages(self, kept: Mapping[str, Tensor]) -> Sequence[Stage]:
        """What it was over the training, the earliest first and its end last, told from its keepsakes; usually none."""
        return ()

    def censors(self, output: Output, target: Output, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Of an objective: a guide's value for each image, and the share of its teaching that this takes from the
        student who answered so, both (B,) in [0, 1]; usually None."""
        return None


class Plain(Part):
    """A function as a part."""

    def __init__(self, function: Callable[..., Any], *, needs: Sequence[str] = (), offers: Sequence[str] = ()) -> None:
        super().__init__()
        self.function = function
        self.needs, self.offers = (frozenset([each] if isinstance(each, str) else each) for each in (needs, offers))

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def as_part(choice: Perturb | Objective) -> Part:
    """A slot's content as a module: a `Part` as it is, a function wrapped."""
    return choice if isinstance(choice, Part) else Plain(choice)


def beside(free: Sequence[str], turns: Turns) -> Turns:
    """`turns`, where the players `free` of those who leave the turns to others move with the student, before it."""

    def who(clock: Clock) -> Sequence[str]:
        movers = turns(clock)
        return (*free, *movers) if "student" in movers else movers

    return who if free else turns


def met(chosen: Tensor | Batch, batch: Batch) -> Batch:
    """The rows that a perturbation of `batch` chose: those it gave, or the batch's own at the inputs it gave."""
    return chosen if isinstance(chosen, Batch) else batch.at(chosen)
