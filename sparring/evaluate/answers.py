"""What a network answers to a set of images, without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from sparring.core import Batch, Network, UserError
from sparring.core.mode import mode


@contextmanager
def resting(*nets: nn.Module) -> Iterator[None]:
    """Put networks in eval mode, and give every module in them back the mode it had."""
    with ExitStack() as stack:
        for net in nets:
            stack.enter_context(mode(net, training=False))
        yield


def answers(net: Network, batches: Iterable[Batch], exit: str | None = None) -> Tensor:
    """All logits of `net` over `batches`, in their order: (N, K) float32 on the CPU; of one of its exits, by its tap.

    Keep a teacher's and hand them to :func:`score`, so that it need not look at the same images every epoch.
    Raises UserError where there are no images.
    """
    with resting(net), torch.inference_mode():
        if exit is None:
            logits = [net(batch.x).logits.float() for batch in batches]
        else:
            logits = [net(batch.x, (exit,)).features[exit].float() for batch in batches]
    if not logits:
        raise UserError("There are no images to evaluate: the set of batches is empty.")
    return torch.cat(logits).cpu()  # the one wait for the device
