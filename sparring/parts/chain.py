"""Perturbations one after the other: each sees the rows that the one before it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor, nn

from sparring.core import Batch, Losses, Moment, Output, Player, UserError
from sparring.parts.part import MIXED, UNMOVED, Part, Perturb, Stage, Targets, Turns, as_part, beside, met

if TYPE_CHECKING:
    from sparring.parts.bout import Bout


class Chain(Part):
    """Perturbations in order, such as Mixup and then HARD's augmentor, as one.

    A link that learns does so on the rows as the links before it made them. Raises UserError where two links decide
    who moves when, two of their players have one name, or one cannot do with labels that another before it mixes.
    """

    def __init__(self, links: Sequence[Perturb]) -> None:
        super().__init__()
        self.parts: Sequence[Part] = [as_part(link) for link in links]
        self.links = nn.ModuleList(self.parts)
        self.needs = frozenset().union(*(part.needs for part in self.parts))
        offers = [part.offers for part in self.parts]
        moved = frozenset({UNMOVED}) - frozenset.intersection(*offers)  # one link that moves the inputs is enough
        self.offers = frozenset().union(*offers) - moved
        self.waivers = frozenset().union(*(part.waivers for part in self.parts))
        for at, part in enumerate(self.parts):
            if part.unmixed is not None and any(MIXED in before.offers for before in self.parts[:at]):
                raise UserError(part.unmixed)
        self.asks_moving = any(part.asks_moving for part in self.parts)
        self.attacks_within = next((part.attacks_within for part in self.parts if part.attacks_within), None)
        self.free: list[str] = []  # players of links that leave the turns to others
        if sum(part.turns is not None for part in self.parts) > 1:
            raise UserError("two links of a chain of perturbations both decide who moves when: leave one of them out")

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Batch:
        return self.upto(len(self.parts), batch, student, targets)

    def upto(self, count: int, batch: Batch, student: nn.Module, targets: Targets) -> Batch:
        """The rows as the first `count` links leave them.

        Targets that are asked about the images as they came are asked about those before the first link.
        """
        rows = batch

        def asked(x: Tensor, shown: Batch) -> Output | None:
            return targets(x, replace(batch, shares=shown.shares))

        for part in self.parts[:count]:
            rows = met(part(rows, student, asked), rows)
        return rows

    def dress(self, student: nn.Module) -> nn.Module:
        for part in self.parts:
            student = part.dress(student)
        return student

    @property
    def companion(self) -> nn.Module | None:
        found = [module for part in self.parts if (module := part.companion) is not None]
        return nn.ModuleList(found) if found else None

    def about(self) -> Sequence[str]:
        return [line for part in self.parts for line in part.about()]

    def players(self, bout: Bout) -> Mapping[str, Player]:
        found: dict[str, Player] = {}
        self.free.clear()  # a chain may be asked by one bout after another
        for before, part in enumerate(self.parts):
            for name, player in part.players(bout).items():
                self.free += () if part.turns else (name,)
                if name in found:
                    raise UserError(f"two links of a chain both bring a player named {name!r}: give one another name")
                found[name] = replace(player, loss=partial(self.later, bout, before, player.loss))
        return found

    def later(self, bout: Bout, before: int, loss: Callable[[Batch], Losses], batch: Batch) -> Losses:
        """A link's own loss, on the rows as the `before` links in front of it leave them."""
        return loss(self.upto(before, batch, bout.student, bout.targets))

    @property
    def turns(self) -> Turns | None:
        decided = next((turns for part in self.parts if (turns := part.turns) is not None), None)
        return None if decided is None else beside(self.free, decided)

    def hear(self, batch: Batch, output: Output, target: Output | None) -> None:
        for part in self.parts:
            part.hear(batch, output, target)

    def after_step(self, moment: Moment) -> None:
        for part in self.parts:
            part.after_step(moment)

    def most_bytes(self, steps: int) -> int:
        return sum(part.most_bytes(steps) for part in self.parts)

    def gauges(self) -> Mapping[str, Tensor]:
        return {name: value for part in self.parts for name, value in part.gauges().items()}

    def remark(self) -> str | None:
        return "; ".join(told for part in self.parts if (told := part.remark()) is not None) or None

    def keepsakes(self) -> Mapping[str, Tensor]:
        """The links' own, each name after its link's number."""
        return {f"{n}.{name}": kept for n, part in enumerate(self.parts) for name, kept in part.keepsakes().items()}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        for part, own in self.shared_out(kept):
            part.recall(own)

    def stages(self, kept: Mapping[str, Tensor]) -> Sequence[Stage]:
        """The links' own, each alone."""
        return [stage for part, own in self.shared_out(kept) for stage in part.stages(own)]

    def shared_out(self, kept: Mapping[str, Tensor]) -> Iterator[tuple[Part, Mapping[str, Tensor]]]:
        """Each link that kept something, and what it kept."""
        for n, part in enumerate(self.parts):
            if own := {name.removeprefix(f"{n}."): value for name, value in kept.items() if name.startswith(f"{n}.")}:
                yield part, own
