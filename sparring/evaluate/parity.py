"""Whether what a network was written as answers what the network answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.core import Batch

TOLERANCE = 1e-4  # of the largest logit: see docs/export.md for what was seen
ALONE = 8  # images that are also asked about one at a time


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the answers of two networks lie apart, on `images` images in batches of the sizes `batches`.

    error: the largest difference of two logits; largest: the largest logit (both without their signs); same: images on
    which both name one class; accuracy, expected: the part of the images on which the one that was written is right,
    and the one that it was written from.
    """

    images: int
    batches: tuple[int, ...]
    error: float
    largest: float
    same: int
    accuracy: float
    expected: float

    @property
    def kept(self) -> bool:
        """Whether they answer alike; not where a logit is no number."""
        return self.error <= TOLERANCE * self.largest


@torch.inference_mode()
def parity(net: Callable[[Tensor], Tensor], written: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> Parity:
    """Ask a network and what it was written as the same images: each batch, and the first images one at a time.

    net, written: pixels (B, C, H, W) in [0, 1] → logits (B, K). Both are asked with the same batches, since answers of
    one network differ a little by the size of the batch.
    """
    errors, largest, sizes = [0.0], [0.0], set[int]()
    images = same = right = expected = 0
    for number, batch in enumerate(batches):
        for x in [*(() if number else batch.x[:ALONE].split(1)), batch.x]:
            one, other = net(x), written(x)
            errors.append(float((other - one).abs().max()))
            largest.append(float(one.abs().max()))
            sizes.add(len(x))
        images += len(batch.y)
        same += int((one.argmax(1) == other.argmax(1)).sum())
        right += int((other.argmax(1) == batch.y).sum())
        expected += int((one.argmax(1) == batch.y).sum())
    error = float(torch.tensor(errors).max())  # which keeps what is no number, as Python's max does not
    return Parity(images, tuple(sorted(sizes)), error, max(largest), same, right / images, expected / images)
