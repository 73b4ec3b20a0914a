"""How a player moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core import Clock
from sparring.core.player import MakeOptimizer
from sparring.core.processes import mean, world

Observer = Callable[[Clock, Tensor, Sequence[nn.Parameter]], None]
"""Who looks on at each step: the clock, the loss, and the parameters, whose gradients are those that are descended."""


class Descent:
    """Backward, average over processes, clip, step, for the parameters of one module that may move.

    optimizer: makes the optimiser from them. schedule: clock → what each learning rate is multiplied by. clip: largest
    norm of the whole gradient, or None. observer: who is shown the gradients, averaged and not yet clipped, and must
    leave them as they are. Parameters that do not require a gradient when it is made stay as they are.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: MakeOptimizer,
        *,
        schedule: Callable[[Clock], float],
        clip: float | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimizer = optimizer(self.parameters)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.schedule, self.clip, self.observer = schedule, clip, observer

    def descend(self, loss: Tensor, clock: Clock) -> None:
        """One step down the gradient of the scalar `loss`."""
        factor = self.schedule(clock)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        loss.backward()
        average_over_processes(self.parameters)
        if self.observer is not None:
            self.observer(clock, loss.detach(), self.parameters)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def freeze(self) -> None:
        """No gradients for these parameters, until `unfreeze`."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)

    def unfreeze(self) -> None:
        """Gradients again."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.optimizer.load_state_dict(state)


def average_over_processes(parameters: list[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes, in one message; nothing in a single process."""
    if world() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, whole in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(whole.view_as(gradient))
