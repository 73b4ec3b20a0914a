"""What a training step is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Some labelled images, on the device.

    x: (B, C, H, W) float32 in [0, 1]; y: (B,) int64 class numbers; index: (B,) int64, each image's row in
    the training set. shares: (B, K) float, how each image's label is shared out where images were mixed, else None.
    Frozen: a step that wants other inputs makes another batch with :meth:`at`.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    shares: Tensor | None = None

    @property
    def labels(self) -> Tensor:
        """What cross-entropy takes: class numbers (B,), or their shares (B, K) where images were mixed."""
        return self.y if self.shares is None else self.shares

    def at(self, x: Tensor) -> Batch:
        """The same labelled rows at other inputs `x` (B, C, H, W)."""
        return replace(self, x=x)

    def __len__(self) -> int:
        return len(self.y)
