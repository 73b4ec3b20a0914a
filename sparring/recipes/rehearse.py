"""One batch through a method before training, without a trace: what fails, fails here; what it costs is told."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sparring.core import Batch, UserError
from sparring.recipes.build import Prepared


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one player's loss is on a batch: its terms, and the norm of its gradient."""

    terms: dict[str, float]
    gradient: float


def rehearse(prepared: Prepared, batch: Batch) -> dict[str, Rehearsal]:
    """Each player's loss and gradient on one batch; weights, buffers and coins are put back as they were.

    Raises UserError where the parts do not work together on this data.
    """
    method, compute = prepared.method, prepared.compute
    before = {
        name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in method.state_dict().items()
    }
    batch, found = compute.place(batch), {}
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
    finally:
        method.load_state_dict(before)
    return found
