"""The learning rate that falls when validation accuracy no longer rises, until training ends."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from sparring.core import Clock
from sparring.recipes.config import Optim


class Plateau:
    """The schedule of Orbit's code, with which HARD's students learn MNIST and CIFAR-10.

    Whenever `optim.patience` epochs have brought no better validation accuracy, the learning rate is multiplied by
    `optim.decay` and the student is given back the weights of its best epoch; the optimiser keeps its moments. At the
    drop of number `optim.decays` training ends, and so the rate of that drop is never used. Epochs of the warm-up are
    not counted, but may be the best. Orbit's code has this loop and, beside it, torch's ReduceLROnPlateau with the
    same patience and factor; what is here is the loop alone.

    As a schedule it answers, at any clock, with what the rate is multiplied by now.
    """

    def __init__(self, optim: Optim, student: nn.Module) -> None:
        self.optim, self.student = optim, student
        self.waited, self.drops = 0, 0
        self.best: dict[str, Any] = {}  # weights and statistics of the best epoch
        self.scores: dict[str, float] = {}  # on the validation part, of that epoch

    def __call__(self, clock: Clock) -> float:
        return self.optim.decay**self.drops

    def hear(self, epoch: int, scores: Mapping[str, float], *, better: bool) -> bool:
        """After epoch `epoch`, counted from 1: its validation scores, and whether they are the best so far. Returns
        whether training is over."""
        if better:
            self.best, self.scores = copy.deepcopy(self.student.state_dict()), dict(scores)
            self.waited = 0
        elif epoch > self.optim.warmup:
            self.waited += 1
        if self.waited == self.optim.patience:
            self.waited, self.drops = 0, self.drops + 1
            self.restore_best()
        return self.drops == self.optim.decays

    def restore_best(self) -> None:
        """Give the student the weights of its best epoch."""
        self.student.load_state_dict(self.best)

    def told(self) -> dict[str, float]:
        """Where it stands, for the journal."""
        return {"waited": self.waited, "drops": self.drops, "factor": self.optim.decay**self.drops}

    def state_dict(self) -> dict[str, Any]:
        """All that it goes on from. The best weights are in it, since best.safetensors may be of a later epoch than the
        state: it is written before."""
        return {"waited": self.waited, "drops": self.drops, "best": self.best, "scores": self.scores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.waited, self.drops = state["waited"], state["drops"]
        self.best, self.scores = state["best"], state["scores"]
