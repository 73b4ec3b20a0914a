"""Asking a network about two black images, so that a misfit is told now and not in the first batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.core import Network, NoLogits, Output, UserError
from sparring.core.mode import mode
from sparring.errors import first_line
from sparring.nets.origin import Shape

KINDS = {1: "grey images (1 channel)", 3: "colour images (3 channels)"}
ADVICE = {
    (1, 3): "save them as RGB, or begin its forward with x = x.expand(-1, 3, -1, -1)",
    (3, 1): "save them as grey images, or begin its forward with x = x.mean(1, keepdim=True)",
}
"""What to do, by the channels (of the images, of the network)."""


def classes_of(net: Network, shape: Shape, who: str) -> int:
    """How many classes `net` answers for images of `shape` (C, H, W); nothing in it is changed by the question.

    Raises UserError, with `who` for its subject, where it cannot take such images or gives no logits.
    """
    try:
        logits = _asked(net, shape)
    except NoLogits as wrong:
        raise UserError(f"{who} does not answer with logits: {wrong}") from wrong
    except Exception as wrong:
        reason = _channels(net.body, shape) or _type(net) or _words(wrong, shape)
        raise UserError(f"{who} {reason}") from wrong
    if (logits >= 0).all() and (logits.sum(1) - 1).abs().max() < 1e-4:
        raise UserError(
            f"{who} answers with probabilities (they are positive and sum to 1) where logits are expected: "
            "leave out the softmax at the end of its forward"
        )
    return logits.shape[1]


def _asked(net: nn.Module, shape: Shape) -> Tensor:
    """The logits (2, K) for two black images."""
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    with mode(net, training=False), torch.no_grad(), torch.random.fork_rng(devices=[]):
        return Output.of(net(torch.zeros(2, *shape, device=device))).logits


def _channels(body: nn.Module, shape: Shape) -> str:
    """What is wrong, where images of another number of channels would do; else nothing."""
    given = shape[0]
    for wanted in KINDS:
        if wanted != given and _takes(body, (wanted, *shape[1:])):
            advice = ADVICE.get((given, wanted), f"give a network made for {given} channels")
            these = KINDS.get(given, f"images of {given} channels")
            return f"takes {KINDS[wanted]}, but these are {these}: {advice}"
    return ""


def _takes(body: nn.Module, shape: Shape) -> bool:
    try:
        return _asked(body, shape).shape[1] > 0
    except Exception:  # whatever a foreign forward raises, it does not take them
        return False


def _type(net: nn.Module) -> str:
    odd = next((p.dtype for p in net.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    return "" if odd is None else f"has weights of {odd}, but images are float32: give net.float()"


def _words(wrong: Exception, shape: Shape) -> str:
    return (
        f"does not answer images of shape {tuple(shape)} ({type(wrong).__name__}: {first_line(wrong)}); it must map "
        "(batch, channels, height, width) to (batch, classes): give one that does, or another size="
    )
