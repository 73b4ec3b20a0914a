"""How many train together, and which of them this is."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def world() -> int:
    """How many processes train together; 1 outside torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among those that train together, from 0."""
    return dist.get_rank() if world() > 1 else 0


def mean(values: Tensor) -> Tensor:
    """`values` averaged over the processes, the same in each."""
    if world() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / world()
