"""The bout: perturb → targets → student → objective."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from sparring.core import Batch, Clock, Losses, Method, Moment, Output, Player, UserError
from sparring.parts.part import MIXED, UNMOVED, Objective, Part, Perturb, Plain, Targets, Turns, as_part, beside, met

MISSING = {  # what a part needs: what to say where nothing offers it
    "target": "a target, and nothing in this bout offers one; "
    "give a teacher (--teacher) and let the targets ask it (targets=teacher), or choose others that have one",
    UNMOVED: "inputs as they come, since answers are kept (--cache) for the images' own views, and this perturbation "
    "moves them; leave cache out, or give perturb=clean, or under an attack targets.at=clean",
    "features": "a teacher's inner features, and these targets have none; give targets=teacher, which hands them out",
}


class Bout(Method):
    """A distillation method: a student, and a choice for each of three slots.

    perturb: which inputs; targets: what is asked for there; objective: how the answer is scored. Each is a `Part` or
    a plain function. Raises UserError where the choices do not fit together, in a sentence that says why.
    """

    def __init__(
        self,
        student: nn.Module,
        *,
        perturb: Perturb,
        targets: Targets,
        objective: Objective,
    ) -> None:
        super().__init__()
        self.student = student
        self.perturb, self.objective = as_part(perturb), as_part(objective)
        self.targets = targets if isinstance(targets, Part) else Plain(targets, offers=("target",))
        refuse_misfits(perturb=self.perturb, targets=self.targets, objective=self.objective)
        for part in self.parts():
            self.student = part.dress(self.student)
        if wanted := self.objective.target_taps:
            self.targets.listen(wanted)
        companions = [module for part in self.parts() if (module := part.companion) is not None]
        trained = nn.ModuleList([self.student, *companions]) if companions else self.student
        self._players = {"student": Player(trained, self.student_loss)}
        free: list[str] = []
        for part in self.parts():
            players = part.players(self)
            self._admit(players)
            free += players if part.turns is None else ()
        refuse_unmoved(self, self._players)
        self._turns = beside(free, self._only_turns() or _student_always)

    def student_loss(self, batch: Batch) -> Losses:
        """One exchange: what the student loses at the inputs that the perturbation chose."""
        rows, output, target = self.exchange(batch)
        with torch.no_grad():
            for part in self.parts():
                part.hear(rows, output, target)
        return self.objective(output, target, rows)

    def exchange(self, batch: Batch) -> tuple[Batch, Output, Output | None]:
        """The rows as they are perturbed, what the student answers there, and what is asked for."""
        rows = met(self.perturb(batch, self.student, self.targets), batch)
        if rows.shares is not None:
            refuse_mixed(self.targets, self.objective)
        labelled = batch if rows.shares is batch.shares else replace(batch, shares=rows.shares)
        target: Output | None = self.targets(rows.x, labelled)
        taps = self.objective.student_taps
        output: Output = self.student(rows.x, taps) if taps else self.student(rows.x)
        if self.objective.asks_clean:
            output = replace(output, clean=self.student(batch.x))
        return rows, output, target

    def counts(self, moved: Collection[str]) -> bool:
        """Only a batch on which the student moved is a step of its training."""
        return "student" in moved

    def parts(self) -> Iterator[Part]:
        """The three slots' contents, in the order of the bout."""
        yield from (self.perturb, self.targets, self.objective)

    @property
    def players(self) -> Mapping[str, Player]:
        return self._players

    def turns(self, clock: Clock) -> Sequence[str]:
        return self._turns(clock)

    def after_step(self, moment: Moment) -> None:
        for part in self.parts():
            part.after_step(moment)

    def gauges(self) -> Mapping[str, Tensor]:
        return {name: value for part in self.parts() for name, value in part.gauges().items()}

    def most_bytes(self, steps: int) -> int:
        """What its parts' states may grow by, in bytes of the host's memory, over `steps` steps."""
        return sum(part.most_bytes(steps) for part in self.parts())

    def keepsakes(self) -> Mapping[str, Tensor]:
        """What its parts keep beside the student when a run ends, each name after its slot's: "perturb.final.mean"."""
        slots = {"perturb": self.perturb, "targets": self.targets, "objective": self.objective}
        return {f"{slot}.{name}": value for slot, part in slots.items() for name, value in part.keepsakes().items()}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Let its parts be again what they were when a run ended, from what `keepsakes` gave then."""
        for slot, part in {"perturb": self.perturb, "targets": self.targets, "objective": self.objective}.items():
            own = {name.removeprefix(f"{slot}."): value for name, value in kept.items() if name.startswith(f"{slot}.")}
            if own:
                part.recall(own)

    def about(self) -> list[str]:
        """How its parts were fitted to these networks, a line each."""
        return [line for part in self.parts() for line in part.about()]

    def remarks(self) -> list[str]:
        """What its parts have to say when a run ends."""
        return [told for part in self.parts() if (told := part.remark()) is not None]

    @property
    def waivers(self) -> frozenset[str]:
        """The contract's rules that some part breaks on purpose."""
        return frozenset().union(*(part.waivers for part in self.parts()))

    def _admit(self, players: Mapping[str, Player]) -> None:
        if taken := sorted(players.keys() & self._players.keys()):
            raise UserError(f"two players of this bout are both named {taken[0]!r}; give the part's own another name")
        for name, player in players.items():
            refuse_shared(name, player, self._players)
        self._players |= players

    def _only_turns(self) -> Turns | None:
        deciding = [turns for part in self.parts() if (turns := part.turns) is not None]
        if len(deciding) > 1:
            raise UserError(
                "two parts of this bout both decide who moves when: let one leave that to the other (HARD does with "
                "perturb.turns=joint, DiSK with objective.turns=joint), or choose another part"
            )
        return deciding[0] if deciding else None


def _student_always(clock: Clock) -> Sequence[str]:
    return ("student",)


def movable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a module that may move, by name."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def refuse_shared(name: str, player: Player, others: Mapping[str, Player]) -> None:
    """Raise UserError where a player would move what another player moves too, each by its own loss."""
    own = {id(weight): path for path, weight in movable(player.module).items()}
    for other, taken in others.items():
        if both := [path for path, weight in movable(taken.module).items() if id(weight) in own]:
            raise UserError(
                f"the players {name!r} and {other!r} would both move {both[0]}, each by its own loss: give Player the "
                "module that holds only what it moves"
            )


def refuse_unmoved(bout: nn.Module, players: Mapping[str, Player]) -> None:
    """Raise UserError where a part has parameters that no player moves, so that they would stay as chance made them."""
    moved = {id(weight) for player in players.values() for weight in movable(player.module).values()}
    if left := [name for name, weight in movable(bout).items() if id(weight) not in moved]:
        raise UserError(
            f"nobody moves {left[0]}: return its module from the part's `companion` (it trains with the student) or "
            "in a player of its own, or freeze it with requires_grad_(False)"
        )


def refuse_misfits(**slots: Part) -> None:
    """Raise UserError where one slot needs what no slot offers."""
    offered = frozenset().union(*(part.offers for part in slots.values()))
    for name, part in slots.items():
        needs = part.needs | ({"features"} if part.target_taps else frozenset())
        if missing := sorted(needs - offered):
            told = MISSING.get(missing[0], f"a {missing[0]}, and nothing in this bout offers one")
            raise UserError(f"the {name} part needs {told}")
    if slots["perturb"].asks_moving and slots["targets"].asks_clean:
        raise UserError(
            "this perturbation asks the teacher about images on their way (as da, HARD's augmentors and "
            "perturb.teacher=moving do), and targets.at=clean about the images as they came: leave out one of the two"
        )
    if MIXED in offered:
        refuse_mixed(*slots.values())


def refuse_mixed(*parts: Part) -> None:
    """Raise UserError where a part cannot do with images whose labels are mixed."""
    for part in parts:
        if part.unmixed is not None:
            raise UserError(part.unmixed)
