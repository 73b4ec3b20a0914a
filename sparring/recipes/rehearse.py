"""One batch through a method before training, without a trace: what fails, fails here; what it costs is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparring.core import Batch, UserError
from sparring.recipes.build import Prepared


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one player's loss is on a batch: its terms, and the norm of its gradient."""

    terms: dict[str, float]
    gradient: float


def rehearse(prepared: Prepared, batch: Batch) -> dict[str, Rehearsal]:
    """Each player's loss and gradient on one batch, leaving no trace in the method or in the chance of others.

    Raises UserError where the parts do not work together on this data.
    """
    method, compute = prepared.method, prepared.compute
    batch, found = compute.place(batch), {}
    gpus = [compute.device] if compute.device.type == "cuda" else []
    with untouched(method), torch.random.fork_rng(gpus):
        try:
            for name, player in method.players.items():
                player.module.train()
                with compute.autocast():
                    losses = player.loss(batch)
                moving = [parameter for parameter in player.module.parameters() if parameter.requires_grad]
                gradients = torch.autograd.grad(losses.total(), moving, allow_unused=True)
                norm = torch.stack([g.float().norm() for g in gradients if g is not None]).norm()
                found[name] = Rehearsal({k: float(v) for k, v in losses.values().items()}, float(norm))
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"this method does not work on a first batch of {tuple(batch.x.shape)}: "
                f"{type(error).__name__}: {str(error).splitlines()[0]}"
            ) from error
    return found


@contextmanager
def untouched(method: nn.Module) -> Iterator[None]:
    """Afterwards every parameter, buffer (saved or not), extra state, gradient and mode in `method` is as before."""
    state = {name: value.clone() if isinstance(value, Tensor) else value for name, value in method.state_dict().items()}
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in method.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    gradients = [(parameter, parameter.grad) for parameter in method.parameters()]
    modes = [(module, module.training) for module in method.modules()]
    try:
        yield
    finally:
        for module, name, buffer, value in buffers:
            setattr(module, name, buffer.copy_(value))
        method.load_state_dict(state)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, training in modes:
            module.training = training
