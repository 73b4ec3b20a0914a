"""Earlier selves of a module, kept to be met again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """Snapshots of some parameters, on the CPU, from which one is drawn uniformly.

    cap: how many are kept at most; None for all. Over it, a random older one makes room, so that the pool stays a
    sample of the whole past. Which one is drawn is decided on the host by a generator of its own, alike in all
    processes; snapshots and generator are in the state.
    """

    def __init__(self, cap: int | None = None) -> None:
        super().__init__()
        if cap is not None and cap < 1:
            raise ValueError(f"a pool of {cap} holds nothing: give 1 or more, or leave it out to keep all")
        self.cap = cap
        self.snapshots: list[dict[str, Tensor]] = []
        self.generator = torch.Generator().manual_seed(torch.initial_seed() % 2**63)

    def __len__(self) -> int:
        return len(self.snapshots)

    def add(self, parameters: Mapping[str, Tensor]) -> None:
        """Keep a copy of some parameters."""
        if len(self) == self.cap:
            del self.snapshots[self._number(len(self))]
        self.snapshots.append({name: value.detach().cpu().clone() for name, value in parameters.items()})

    def draw(self, device: torch.device) -> dict[str, Tensor]:
        """One of the snapshots, each as likely, on `device`."""
        snapshot = self.snapshots[self._number(len(self))]
        return {name: value.to(device, non_blocking=True) for name, value in snapshot.items()}

    def _number(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.generator))

    def get_extra_state(self) -> dict[str, Any]:
        return {"snapshots": [dict(snapshot) for snapshot in self.snapshots], "generator": self.generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.snapshots = [dict(snapshot) for snapshot in state["snapshots"]]
        self.generator.set_state(state["generator"])
