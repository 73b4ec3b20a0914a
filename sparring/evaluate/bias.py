"""The bias trick: a class that a student never saw is named too seldom, so a constant is added to its logit.

Hinton et al. (2015) chose it on the test set; here other images choose it. It is an evaluation of its own, never the
headline: it takes images of the very class that was left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sparring.core import UserError


def best_bias(logits: Tensor, y: Tensor, omitted: Sequence[int]) -> float:
    """The constant that, added to the logits of some classes, makes most of these images right.

    logits: (N, K); y: (N,). Of several as good the middle of the longest stretch; 0 where that is as good. Raises
    UserError where none of the images is of those classes.
    """
    logits, wanted = logits.double(), torch.isin(y, torch.tensor(omitted, device=y.device))
    if not wanted.any():
        raise UserError(
            "none of these images is of an omitted class, so they cannot tell its bias: hold some out (val)"
        )
    inside, outside = (z.max(1) for z in parted(logits, omitted))
    # An image goes over to the omitted classes where the bias exceeds the lead of the others.
    lead, order = (outside.values - inside.values).sort()
    gained = (inside.indices == y)[order].double() - (outside.indices == y)[order].double()
    right = torch.cat([gained.new_zeros(1), gained.cumsum(0)])
    ends = torch.cat([lead[:1].clamp_max(0) - 1, lead, lead[-1:].clamp_min(0) + 1])
    low, high = ends[:-1], ends[1:]
    right = torch.where(high > low, right, -torch.inf)  # between equal leads lies no bias
    best = right == right.max()
    if bool((best & (low < 0) & (high > 0)).any()):
        return 0.0
    at = int(torch.where(best, high - low, -1.0).argmax())
    return float((low[at] + high[at]) / 2)


def parted(logits: Tensor, omitted: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Logits (N, K) with all but the omitted classes' at −∞, and with these there."""
    those = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    those[list(omitted)] = True
    return logits.masked_fill(~those, -torch.inf), logits.masked_fill(those, -torch.inf)


def biased(logits: Tensor, omitted: Sequence[int], bias: float) -> Tensor:
    """Logits (N, K) with a constant added to those of some classes."""
    added = logits.clone()
    added[:, list(omitted)] += bias
    return added
