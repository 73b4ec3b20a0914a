"""The images of one part of a data set: in memory, or decoded from files when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sparring.data.decode import Encoded, Form, decode

RESIDENT_BYTES = 2 << 30  # sets of at most this many decoded bytes live in memory


@dataclass(frozen=True, slots=True)
class Resident:
    """Images that lie decoded in memory, on any device.

    x: (N, C, H, W) uint8, or float32 in [0, 1]; y: (N,) int64 class numbers; index: (N,) int64, each
    image's row in the split it came from; augment: the augmentation that "default" means for these images.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    augment: str = "none"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.x.shape[1], self.x.shape[2], self.x.shape[3])

    def to(self, device: torch.device | str) -> Resident:
        """The same images on `device`."""
        return replace(self, x=self.x.to(device), y=self.y.to(device), index=self.index.to(device))

    def take(self, rows: np.ndarray) -> Resident:
        """The images at positions `rows` (M,) of this part, which keep their row numbers."""
        at = torch.from_numpy(rows).to(self.y.device)
        return replace(self, x=self.x[at], y=self.y[at], index=self.index[at])


@dataclass(frozen=True, slots=True)
class Streamed:
    """Images that stay encoded in files and are decoded when they are asked for.

    source: the encoded images of the whole split; form: what each is decoded to; y, index: (N,) int64 on the CPU, as
    in `Resident`, where `index` is also the image's place in `source`.
    """

    source: Encoded
    form: Form
    y: Tensor
    index: Tensor
    augment: str = "none"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.form.shape

    def to(self, device: torch.device | str) -> Streamed:
        """Itself: only batches travel."""
        return self

    def take(self, rows: np.ndarray) -> Streamed:
        """The images at positions `rows` (M,) of this part, which keep their row numbers."""
        at = torch.from_numpy(rows)
        return replace(self, y=self.y[at], index=self.index[at])

    def decoded(self, rows: Tensor) -> Tensor:
        """The images at positions `rows` (B,) of this part: (B, C, H, W) uint8. Raises UserError for one that is
        unreadable."""
        out = np.empty((len(rows), *self.shape), dtype=np.uint8)
        for place, row in enumerate(self.index[rows].tolist()):
            out[place] = decode(self.source.read(row), self.source.where(row), self.form)
        return torch.from_numpy(out)


Images = Resident | Streamed


def some(part: Images, count: int) -> Images:
    """Up to `count` images from all over a part: folders lie by class."""
    return part.take(np.linspace(0, len(part) - 1, min(count, len(part))).astype(np.int64))
