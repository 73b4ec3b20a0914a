"""How the slots of a bout become one method, and which choices are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from sparring.core import Batch, Clock, Losses, Output, Player, UserError, term
from sparring.parts.bout import Bout
from sparring.parts.part import Part, Plain, Turns
from sparring.parts.teachers import Teacher
from sparring.testing import tiny_batches, tiny_net


class Mover(Part):
    """Owns a weight, brings the players it is told to, and decides the turns where it is told to."""

    def __init__(self, *names: str, order: Sequence[str] | None = None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()), requires_grad=bool(names))
        self.names, self.order = names, order

    def forward(self, batch: Batch, student: nn.Module, targets: Teacher) -> Tensor:
        return batch.x * self.gain

    def players(self, bout: Bout) -> Mapping[str, Player]:
        return dict.fromkeys(self.names, Player(self, bout.student_loss))

    @property
    def turns(self) -> Turns | None:
        return None if self.order is None else lambda clock: self.order or ()


class Ask(Mover):
    def forward(self, x: Tensor, batch: Batch) -> None: ...


class Scorer(Mover):
    def forward(self, output: Output, target: Output | None, batch: Batch) -> Losses:
        return score(output, target, batch)


def nothing(x: Tensor, batch: Batch) -> None: ...


def score(output: Output, target: Output | None, batch: Batch) -> Losses:
    return term("mean", output.logits.mean())


def bout(perturb: Part, targets: object = nothing, objective: object = score, **more: object) -> Bout:
    return Bout(tiny_net(), perturb=perturb, targets=targets, objective=objective, **more)


def test_everyone_moves_the_student_last_unless_a_part_decides() -> None:
    clock = Clock(0, 6, 12)
    assert bout(Mover("guide")).turns(clock) == ("guide", "student")
    assert bout(Mover("guide", order=["guide"])).turns(clock) == ["guide"]


def test_a_player_whose_part_leaves_the_turns_to_another_moves_with_the_student() -> None:
    clock = Clock(0, 6, 12)
    joined = bout(Mover("augmentor"), objective=Scorer("guide", order=["guide"]))
    assert joined.turns(clock) == ["guide"]
    joined = bout(Mover("augmentor"), objective=Scorer("guide", order=["guide", "student"]))
    assert joined.turns(clock) == ("augmentor", "guide", "student")


def test_the_objective_sees_the_rows_at_the_inputs_that_were_chosen() -> None:
    (batch,) = tiny_batches(1)
    seen: dict[str, Batch] = {}

    def look(output: Output, target: Output | None, batch: Batch) -> Losses:
        seen["batch"] = batch
        return score(output, target, batch)

    part = Mover()
    part.gain.data.fill_(0.5)
    bout(part, objective=look).student_loss(batch)
    assert torch.equal(seen["batch"].x, 0.5 * batch.x)
    assert seen["batch"].index is batch.index


@pytest.mark.parametrize(
    ("slots", "told"),
    [
        (
            {"targets": Plain(nothing), "objective": Plain(score, needs=("target",))},
            "the objective part needs a target, and nothing in this bout",
        ),
        ({"perturb": Mover("student")}, "two players of this bout are both named 'student'"),
        ({"perturb": Mover("guide"), "targets": Ask("guide")}, "two players of this bout are both named 'guide'"),
        (
            {"perturb": Mover(order=["a"]), "targets": Ask(order=["b"])},
            "both decide who moves when: let one leave that to the other",
        ),
    ],
)
def test_choices_that_do_not_fit_are_refused(slots: dict[str, Part], told: str) -> None:
    with pytest.raises(UserError, match=told):
        bout(**{"perturb": Mover(), **slots})
