"""Two sides that take turns for as long as it takes: a machine with two states, driven by a threshold for each."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Rules:
    """When the sides change over.

    low, high: the attack ends once the error is above `high`, the defence once it is below `low`, each for `patience`
    batches in a row. attack_cap: after so many batches an attack that does not get there is given up (0: never); what
    follows is a defence of at least `rest` batches. defence_cap: the same for the defence (0: never).
    """

    low: float
    high: float
    patience: int = 5
    attack_cap: int = 200
    defence_cap: int = 0
    rest: int = 0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(
                f"the lower threshold is {self.low:g} and the upper {self.high:g}: the student's phase ends below the "
                "lower and the augmentor's above the upper, so give l_min below l_max"
            )
        if self.patience < 1 or min(self.attack_cap, self.defence_cap, self.rest) < 0:
            raise ValueError(
                f"patience is {self.patience}, cap {self.attack_cap}, student_cap {self.defence_cap} and rest "
                f"{self.rest}: give a patience of 1 or more, and the others as 0 (none) or more"
            )
        if 0 < self.attack_cap < self.patience:
            raise ValueError(
                f"the augmentor's phase is given up after {self.attack_cap} batches and cannot succeed before "
                f"{self.patience}: give a cap of {self.patience} or more (or 0, none), or less patience"
            )


@dataclass(slots=True)
class State:
    """Where the machine is: attacking (1) or defending (0); how many batches in a row were past the threshold, and in
    this phase at all; how many before the defence may end; how often an attack was given up; phases begun."""

    attacking: int = 1
    streak: int = 0
    length: int = 0
    owed: int = 0
    given_up: int = 0
    phases: int = 1


class Phases(nn.Module):
    """The machine, beginning with an attack or a defence. All of it is in the state."""

    def __init__(self, rules: Rules, *, attacking: bool = True) -> None:
        super().__init__()
        self.rules, self.state = rules, State(attacking=int(attacking))

    @property
    def attacking(self) -> bool:
        """Whether it is the attacker's phase."""
        return bool(self.state.attacking)

    def advance(self, error: float, *, enough: bool = False) -> bool:
        """Count a batch on which the error was `error`. Returns whether an attack has just succeeded.

        enough: whether this phase has lasted as long as it may, whatever the error.
        """
        state, rules = self.state, self.rules
        state.length += 1
        past = error > rules.high if state.attacking else error < rules.low
        state.streak = state.streak + 1 if past else 0
        done = state.streak >= rules.patience and state.length >= state.owed
        cap = rules.attack_cap if state.attacking else rules.defence_cap
        given_up = not done and (enough or (bool(cap) and state.length >= max(cap, state.owed)))
        if not (done or given_up):
            return False
        succeeded = bool(state.attacking) and done
        owed = rules.rest if state.attacking and given_up else 0
        lost = state.given_up + (state.attacking and given_up)
        self.state = State(1 - state.attacking, owed=owed, given_up=int(lost), phases=state.phases + 1)
        return succeeded

    def get_extra_state(self) -> Tensor:
        return torch.tensor(astuple(self.state))

    def set_extra_state(self, state: Tensor) -> None:
        self.state = State(*state.tolist())
