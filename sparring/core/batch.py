"""What a training step is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, slots=True)
class View:
    """Which of their views some images are shown in, where an image has views that come back (see `data.stream`).

    number: the view's, from 0; rows: (B,) int64 on the CPU, each image's position in the training part, which with the
    number says all about its pixels.
    """

    number: int
    rows: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Some labelled images, on the device.

    x: (B, C, H, W) float32 in [0, 1]; y: (B,) int64 class numbers; index: (B,) int64, each image's row in
    the training set. shares: (B, K) float, how each image's label is shared out where images were mixed, else None.
    view: which views x shows; None where that cannot be told (drawn for one step alone, or perturbed since).
    Frozen: a step that wants other inputs makes another batch with :meth:`at`.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    shares: Tensor | None = None
    view: View | None = None

    @property
    def labels(self) -> Tensor:
        """What cross-entropy takes: class numbers (B,), or their shares (B, K) where images were mixed."""
        return self.y if self.shares is None else self.shares

    def at(self, x: Tensor) -> Batch:
        """The same labelled rows at inputs `x` (B, C, H, W); other ones than its own are no known view."""
        return replace(self, x=x, view=self.view if x is self.x else None)

    def __len__(self) -> int:
        return len(self.y)
