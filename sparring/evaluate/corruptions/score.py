"""How often a network is right on corrupted images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.evaluate.answers import resting
from sparring.evaluate.corruptions.table import corrupted

CLEAN = ("clean", 0)


def corruption_accuracies(
    net: Network, batches: Iterable[Batch], wanted: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], float]:
    """The accuracy (in [0, 1]) at each wanted (corruption, severity), and at ("clean", 0).

    The images are gone through once. Raises UserError for a corruption that does not exist or cannot be made here,
    and where there are no images.
    """
    hits: dict[tuple[str, int], list[Tensor]] = {key: [] for key in (CLEAN, *wanted)}
    seen = 0
    with resting(net), torch.inference_mode():
        for batch in batches:
            seen += len(batch)
            for key, right in hits.items():
                x = batch.x if key == CLEAN else corrupted(batch.x, *key, rows=batch.index)
                right.append((net(x).logits.argmax(1) == batch.y).sum())
    if not seen:
        raise UserError("There are no images to evaluate: the set of batches is empty.")
    return {key: int(torch.stack(right).sum()) / seen for key, right in hits.items()}
