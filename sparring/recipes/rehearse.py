"""One batch through a method before training, without a trace: what fails, fails here; what it costs is told."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sparring.core import Batch, Losses, UserError
from sparring.core.mode import mode
from sparring.errors import first_line
from sparring.evaluate.autoattack import attackable
from sparring.evaluate.sound import blind
from sparring.parts.part import met
from sparring.recipes.build import Prepared
from sparring.recipes.ready import Ready

ENOUGH = 10  # images that the teacher must be right on before anything is said of those that it is not
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one player's loss is on a batch: its terms, the norm of its gradient, and the parameters that have none."""

    terms: dict[str, float]
    gradient: float
    idle: tuple[str, ...] = ()

    @property
    def doubt(self) -> str | None:
        """A sentence where the loss does not move some parameters."""
        first, *others = self.idle or (None,)
        if first is None:
            return None
        more = f" and {len(others)} more" if others else ""
        return f"{first}{more}: no gradient on the first batch, so they will stay as they are"


def rehearse(prepared: Ready, batch: Batch, *, finite: bool = True) -> dict[str, Rehearsal]:
    """Each player's loss and gradient on one batch, leaving no trace in the method or in the chance of others.

    finite: whether every loss must be, as it need not be of a network that stands untrained for a trained one. Raises
    UserError where the parts do not work together on this data.
    """
    method, compute = prepared.method, prepared.compute
    batch, found = compute.place(batch), {}
    gpus = [compute.device] if compute.device.type == "cuda" else []
    with untouched(method), mode(method, training=True), torch.random.fork_rng(gpus):
        try:
            for name, player in method.players.items():
                with compute.autocast():
                    losses = player.loss(batch)
                require_losses(name, losses, finite=finite)
                moving = {key: value for key, value in player.module.named_parameters() if value.requires_grad}
                if not moving:
                    raise UserError(f"{name} has no parameter that may move: give a network with trainable weights")
                gradients = torch.autograd.grad(losses.total(), [*moving.values()], allow_unused=True)
                norms = [g.float().norm() for g in gradients if g is not None]
                idle = tuple(key for key, g in zip(moving, gradients, strict=True) if g is None)
                if not norms:
                    raise UserError(
                        f"the loss of {name} does not depend on its parameters, so it would never learn: "
                        "is there a detach() or a no_grad() between them?"
                    )
                norm = float(torch.stack(norms).norm())
                found[name] = Rehearsal({k: float(v) for k, v in losses.values().items()}, norm, idle)
        except UserError:
            raise
        except Exception as error:
            single = len(batch) == 1 and "more than 1 value per channel" in str(error)
            raise UserError(
                f"this method does not work on a first batch of {tuple(batch.x.shape)}: "
                f"{type(error).__name__}: {first_line(error)} ({place_of(error)})"
                + ("; BatchNorm of a row of features needs two images: give --batch-size 2" if single else "")
            ) from error
    return found


@torch.no_grad()
def doubt(prepared: Prepared, batch: Batch) -> str | None:
    """A sentence where the perturbation, as it begins, spoils one batch for the teacher, or where an attack finds no
    gradient of the student to climb; None where all is well.

    Of mixed images nobody knows what would be right; of a teacher's attacked ones `frail` speaks. Leaves no trace, as
    `rehearse`.
    """
    method, teacher, compute = prepared.method, prepared.teacher, prepared.compute
    if method.perturb.attacks_within is not None:
        return unclimbable(prepared, batch)
    if teacher is None or method.targets.asks_clean:
        return None
    batch = compute.place(batch)
    gpus = [compute.device] if compute.device.type == "cuda" else []
    with untouched(method), mode(method, training=True), torch.random.fork_rng(gpus), compute.autocast():
        with torch.enable_grad():
            rows = met(method.perturb(batch, method.student, method.targets), batch)
        if rows.shares is not None:
            return None
        before, after = (int((teacher(x).logits.argmax(1) == batch.y).sum()) for x in (batch.x, rows.x))
    if before < ENOUGH or 2 * after > before:
        return None
    return (
        f"the teacher is right on {before} of {len(batch)} images, and on {after} as they are perturbed at the "
        "beginning: the student will learn from answers to images that are spoilt; was the augmentor (its VAE) trained?"
    )


@torch.enable_grad()
def unclimbable(prepared: Prepared, batch: Batch) -> str | None:
    """A sentence where the student, as it begins, gives an attack little to climb."""
    with untouched(prepared.method), attackable(prepared.student):
        told = blind(prepared.student, prepared.compute.place(batch))
    return f"attacked as it begins, {'; '.join(told)}" if told else None


def place_of(error: Exception) -> str:
    """Where an error comes from: the last line of a file that is neither ours nor a library's, else the last line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and PACKAGE not in Path(f.filename).parents]
    frame = (own or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def require_losses(name: str, losses: Losses, *, finite: bool) -> None:
    """Raise UserError where a player's loss is no `Losses`, or is not finite and must be."""
    if not isinstance(losses, Losses):
        raise UserError(f"the loss of {name} is {type(losses).__name__}: an objective returns term(name, value)")
    terms = {term: float(value) for term, value in losses.values().items()}
    if finite and not all(map(math.isfinite, terms.values())):
        told = ", ".join(f"{term}={value}" for term, value in terms.items())
        raise UserError(f"the loss of {name} is not finite on the first batch ({told}): does a network answer NaN?")


@contextmanager
def untouched(method: nn.Module) -> Iterator[None]:
    """Afterwards every parameter, buffer (saved or not), extra state and gradient in `method` is as before."""
    state = {name: value.clone() if isinstance(value, Tensor) else value for name, value in method.state_dict().items()}
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in method.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    gradients = [(parameter, parameter.grad) for parameter in method.parameters()]
    try:
        yield
    finally:
        for module, name, buffer, value in buffers:
            setattr(module, name, buffer.copy_(value))
        method.load_state_dict(state)
        for parameter, gradient in gradients:
            parameter.grad = gradient
