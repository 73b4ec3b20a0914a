"""Multi-layer perceptrons: images flattened, linear layers, ReLU (the students of MNIST-sized experiments)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU (and dropout) between them: (B, C, H, W) → (B, K).

    widths: units of each hidden layer; last_bias: whether the output layer has a bias.
    """

    def __init__(
        self, *, inputs: int, widths: Sequence[int], classes: int, dropout: float = 0.0, last_bias: bool = True
    ) -> None:
        super().__init__()
        extra = [nn.Dropout(dropout)] if dropout else []
        self.hidden = nn.Sequential(
            *(nn.Sequential(nn.Linear(a, b), nn.ReLU(), *extra) for a, b in pairwise((inputs, *widths)))
        )
        self.head = nn.Linear(widths[-1], classes, bias=last_bias)
        self.taps = {f"hidden{i + 1}": f"hidden.{i}" for i in range(len(widths))}
        self.taps |= {"features": f"hidden.{len(widths) - 1}"}

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(x.flatten(1)))


def mlp(
    classes: int,
    shape: tuple[int, int, int],
    *,
    widths: Sequence[int] = (32,),
    dropout: float = 0.0,
    last_bias: bool = True,
) -> MLP:
    """A perceptron for images of `shape` with hidden layers of `widths`."""
    return MLP(inputs=math.prod(shape), widths=widths, classes=classes, dropout=dropout, last_bias=last_bias)
