"""What a run keeps on disk while it goes on: its whole state, and its best student so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from sparring import nets
from sparring.core import Clock
from sparring.engine import Checkpoints, Descent
from sparring.errors import UserError, first_line
from sparring.files import GO_ON
from sparring.recipes.gradients import Gradients
from sparring.recipes.plateau import Plateau
from sparring.recipes.ready import Ready
from sparring.watch import NotFinite

BEST = "best.safetensors"


@dataclass
class Record:
    """What a run remembers of itself beside its weights: how far it is, its best epoch so far, and how long it took.

    step: training steps done; batch: batches used, also by others than the student; epochs: those that were scored;
    seconds: of training, without scoring and saving; waited: those of them in which the device waited for data;
    best_epoch, best_accuracy: on the validation images, attacked ones where training attacks; stopped: the epoch in
    which a plateau, or whoever heard its scores, ended the training before its time, and why.
    """

    step: int = 0
    batch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    best_epoch: int | None = None
    best_accuracy: float = -1.0
    last: dict[str, float] = field(default_factory=dict)
    best_on_test: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, Any] | None = None


@dataclass
class Keeper:
    """A run's whole state, and the folder in which it is kept: what is needed to stop at any step and go on.

    observers: who writes gradients down, by the player. record: made anew, or read from the newest whole checkpoint by
    `restore`. Only the first of several processes writes.
    """

    prepared: Ready
    descents: Mapping[str, Descent]
    checkpoints: Checkpoints
    plateau: Plateau | None = None
    observers: Mapping[str, Gradients] = field(default_factory=dict)
    record: Record = field(default_factory=Record)

    def restore(self) -> None:
        """Take the newest whole state back, where there is one. Raises UserError where it is of another network."""
        state = self.checkpoints.latest()
        if state is None:
            return
        try:
            self.prepared.method.load_state_dict(state["method"])
            for name, descent in self.descents.items():
                descent.load_state_dict(state["descents"][name])
            for name, observer in self.observers.items():
                observer.load_state_dict(state["observers"][name])
            if self.plateau is not None:
                self.plateau.load_state_dict(state["plateau"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"the checkpoints in {self.checkpoints.folder} are of another network or method than this one "
                f"({first_line(error)}); was a file of yours changed? Give another --out to start anew"
            ) from error
        self.record = Record(**state["record"])

    def save(self) -> None:
        """Write the whole state, so that the run can go on from the record's step."""
        if self.prepared.compute.rank == 0:
            state = {
                "method": self.prepared.method.state_dict(),
                "descents": {name: descent.state_dict() for name, descent in self.descents.items()},
                "record": asdict(self.record),
                "observers": {name: observer.state_dict() for name, observer in self.observers.items()},
                "plateau": None if self.plateau is None else self.plateau.state_dict(),
            }
            self.checkpoints.save(self.record.batch, state)

    def save_best(self) -> None:
        """Keep the student of the best epoch so far."""
        if self.prepared.compute.rank == 0 and self.prepared.student is not None:
            nets.save(self.prepared.student, self.checkpoints.folder / BEST, advice=GO_ON)

    def refuse_spoilt_weights(self, clock: Clock) -> None:
        """Raise NotFinite where the last step made a weight, or a statistic such as BatchNorm's, NaN or infinite."""
        states = [player.module.state_dict() for player in self.prepared.method.players.values()]
        moving = [value for state in states for value in state.values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in moving]).all():
            raise NotFinite(clock.step, "the weights are not finite after it")
