"""What HARD is held against: the same kind of change to the images, learned by nobody."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.core import Batch, Setting
from sparring.methods.augmentors import silence
from sparring.parts.augmentors.affine import Affine
from sparring.parts.part import Part, Targets


class GaussianAffine(Part):
    """See each image through a random affine map that nobody learns: ϑ = identity + spread · ε, ε ~ N(0, I₆).

    The control for HARD-Affine: how much of its gain is left where the augmentor is fixed.
    """

    def __init__(self, setting: Setting, *, spread: float = 0.15) -> None:
        super().__init__()
        if spread < 0:
            raise ValueError(f"spread is {spread:g}: give a standard deviation of 0 or more")
        self.augmentor = Affine(setting.shape, start=spread, outside=silence(setting)).requires_grad_(False)

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        return self.augmentor(batch.x)
