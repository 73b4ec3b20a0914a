"""Whether what AutoAttack finds of a network can be believed: the checks of its authors' code, as errors."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.core.seeds import chance_restored
from sparring.errors import first_line
from sparring.evaluate.autoattack import VERSIONS, Trial, attackable, logits
from sparring.parts.attack import cross_entropy, margin

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, K) and classes (B,) → a loss for each row (B,)."""

ASKED = 5  # how often the same images are asked for, to see chance
APART = 1e-4  # how far answers of length 1 may lie apart
NEAR = 1e-5  # of probabilities
FLAT = 0.01  # the share of images that may have no gradient at all: dead units happen


@chance_restored()
def require_sound(net: Network, batch: Batch, trial: Trial, labels: Tensor | None = None) -> list[str]:
    """Refuse a network that the attacks would flatter, by its answers to some images; returns what else to say of it.

    labels: those of all images to come, where these are but some.

    Refused with a UserError: too few classes or pixels, labels of classes that it does not know, a module that goes
    into train mode by itself, a forward that changes the network or takes gradients, answers by chance (but for
    "rand"), probabilities, gradients that are zero.
    """
    with attackable(net):
        answer = at_rest(net, batch.x)
        require_classes(answer.shape[1], trial)
        y = batch.y if labels is None else labels
        if int(y.min()) < 0 or int(y.max()) >= answer.shape[1]:
            raise UserError(
                f"the labels are {int(y.min())} to {int(y.max())}, and the network answers for {answer.shape[1]} "
                "classes, 0 upwards: give class numbers as it was trained with"
            )
        side = min(batch.x.shape[-2:])
        if trial.ball.norm == "l2" and side < 5 and "square" in VERSIONS[trial.version]:
            raise UserError(f"Square's l2 windows need images of 5 pixels a side, and these have {side}: use linf")
        require_logits(answer)
        return by_chance(net, batch.x, trial) + flat(net, batch)


def at_rest(net: Network, x: Tensor) -> Tensor:
    """The logits (B, K) at `x`. Raises UserError where asking for them is more than a forward in eval mode."""
    try:
        logits(net, x)  # as anyone asks: what it makes at its first forward is made, and what fails fails plainly
    except Exception as error:
        raise UserError(
            f"the network does not answer images of {tuple(x.shape)}: {type(error).__name__}: {first_line(error)}"
        ) from error
    before = {name: value.clone() for name, value in net.state_dict().items()}
    try:
        with torch.inference_mode():
            answer = logits(net, x).clone()
    except RuntimeError as error:
        raise UserError(
            f"the network cannot be asked without gradients ({first_line(error)}): it seems to adapt to each image, "
            "against which AutoAttack says little; attack the network that it adapts, or in a way of its own"
        ) from error
    if loose := [name or "itself" for name, module in net.named_modules() if module.training]:
        raise UserError(f"{loose[0]} goes into train mode when it is asked: let its forward leave `training` as it is")
    for name, value in net.state_dict().items():
        if not torch.equal(value, before[name]):
            raise UserError(f"asking the network changes its {name}, so no two attacks meet the same one: freeze it")
    return answer


def require_classes(classes: int, trial: Trial) -> None:
    """Refuse too few classes for the losses of the ensemble: the difference of logits ratio needs 3, its targeted form
    4."""
    attacks = VERSIONS[trial.version]
    needed = 4 if "apgd-t" in attacks else 3 if "apgd-dlr" in attacks else 2
    if classes < needed:
        instead = "take few (--attack few), without such losses" if classes > 1 else "there is nothing to attack"
        raise UserError(
            f"AutoAttack {trial.version} needs {needed} classes for its losses, and here are {classes}: {instead}"
        )


def by_chance(net: Network, x: Tensor, trial: Trial) -> list[str]:
    """Refuse answers that differ from one time to the next, but for "rand", where they had better differ."""
    apart = apart_by_chance(net, x)
    if trial.version == "rand":
        return [] if apart else ["the network answers the same every time, so standard is the stronger ensemble here"]
    if apart:
        raise UserError(
            f"the network answers the same images differently each time (by {apart:.2g}, answers being of length 1): "
            "it is randomised; take the version rand (--attack rand), which averages gradients over its chance"
        )
    return []


def apart_by_chance(net: Network, x: Tensor) -> float:
    """How far answers of length 1 to the same images lie apart from one time to the next; 0 where that is rounding."""
    with torch.no_grad():
        answers = [logits(net, x) for _ in range(ASKED)]
    long = [F.normalize(answer, dim=1) for answer in answers]
    apart = max(float((one - long[0]).norm(dim=1).max()) for one in long[1:])
    differ = apart > APART or any(not torch.equal(one.argmax(1), answers[0].argmax(1)) for one in answers[1:])
    return apart if differ else 0.0


def require_logits(answer: Tensor) -> None:
    """Refuse answers (B, K) that are no numbers, or probabilities: their softmax is flat where the network is sure."""
    if not bool(torch.isfinite(answer).all()):
        raise UserError(
            "the network answers NaN or infinity, of which nobody can say what class they name: let its forward give "
            "finite numbers"
        )
    inside = bool((answer > -NEAR).all()) and bool((answer < 1 + NEAR).all())
    if inside and bool(((answer.sum(1) - 1).abs() < NEAR).all()):
        raise UserError(
            "the network's answers look like probabilities (between 0 and 1, of sum 1): take its softmax away, for the "
            "attacks need logits"
        )


def flat(net: Network, batch: Batch, allowed: float = FLAT, loss: Loss = margin) -> list[str]:
    """Refuse a network whose margin, or another loss, has no gradient at more than an allowed share of the images;
    fewer are told."""
    leaf = batch.x.clone().requires_grad_()
    ahead = loss(logits(net, leaf), batch.y).sum()
    try:
        (gradient,) = torch.autograd.grad(ahead, leaf)
    except RuntimeError as error:
        raise UserError(
            f"no gradient of the answers reaches the pixels ({first_line(error)}): give the attack a network that can "
            "be differentiated, or one that stands in for it"
        ) from error
    count = int((gradient.flatten(1).abs().amax(1) == 0).sum())
    told = f"the gradient is exactly zero at {count} of {len(batch)} images"
    if count > allowed * len(batch):
        raise UserError(
            f"{told}, so attacks that climb see nothing (a rounding, a threshold, dead units, logits too far apart?): "
            "give the attack the network without it, or a smooth one that stands in for it"
        )
    return [f"{told}, where attacks that climb see nothing"] if count else []


def blind(net: Network, batch: Batch) -> list[str]:
    """Why PGD by the cross-entropy, which is asked of any network, sees little of one that is `attackable`: places
    without a gradient, or answers by chance; none where it sees well."""
    try:
        told = flat(net, batch, allowed=1.0, loss=cross_entropy)
    except UserError as error:
        told = [f"{error}"]
    return told + tossing(net, batch.x)


def tossing(net: Network, x: Tensor) -> list[str]:
    """A sentence where the network answers by chance, of which a plain attack meets one draw a step."""
    by = apart_by_chance(net, x)
    return [f"the network answers the same images differently each time (by {by:.2g})"] if by else []
