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
    processes; snapshots, when each joined and generator are in the state.
    """

    def __init__(self, cap: int | None = None) -> None:
        super().__init__()
        if cap is not None and cap < 1:
            raise ValueError(f"a pool of {cap} holds nothing: give 1 or more, or leave it out to keep all")
        self.cap = cap
        self.snapshots: list[dict[str, Tensor]] = []
        self.joined: list[tuple[int, int]] = []
        self.generator = torch.Generator().manual_seed(torch.initial_seed() % 2**63)

    def __len__(self) -> int:
        return len(self.snapshots)

    def add(self, parameters: Mapping[str, Tensor], joined: tuple[int, int]) -> None:
        """Keep a copy of some parameters. joined: how many batches and how many steps of the training are over."""
        if len(self) == self.cap:
            goes = self._number(len(self))
            del self.snapshots[goes], self.joined[goes]
        self.joined.append(joined)
        self.snapshots.append({name: value.detach().cpu().clone() for name, value in parameters.items()})

    def draw(self, device: torch.device) -> dict[str, Tensor]:
        """One of the snapshots, each as likely, on `device`."""
        snapshot = self.snapshots[self._number(len(self))]
        return {name: value.to(device, non_blocking=True) for name, value in snapshot.items()}

    def keepsakes(self, most: int, most_bytes: int) -> dict[str, Tensor]:
        """Some of the snapshots, in the order in which they joined, as tensors by name: "0.NAME", …, "1.NAME", ….

        most, most_bytes: all of them where they are no more than these, else as many as these allow, evenly spaced,
        the first and the last always. Beside each "0.joined" (2,) int64: the batches and steps that were over then.
        """
        each = sum(value.numel() * value.element_size() for value in self.snapshots[0].values()) if len(self) else 1
        count = min(len(self), max(2, min(most, most_bytes // each)))
        chosen = torch.linspace(0, len(self) - 1, count, dtype=torch.float64).round().long().tolist()
        kept = {f"{n}.{name}": value for n, at in enumerate(chosen) for name, value in self.snapshots[at].items()}
        return kept | {f"{n}.joined": torch.tensor(self.joined[at]) for n, at in enumerate(chosen)}

    def _number(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.generator))

    def get_extra_state(self) -> dict[str, Any]:
        return {
            "snapshots": [dict(snapshot) for snapshot in self.snapshots],
            "joined": list(self.joined),
            "generator": self.generator.get_state(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.snapshots = [dict(snapshot) for snapshot in state["snapshots"]]
        self.joined = [(batch, step) for batch, step in state["joined"]]
        self.generator.set_state(state["generator"])
