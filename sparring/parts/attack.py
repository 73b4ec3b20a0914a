"""Attacks: images moved, within a small ball and inside the pixel box, to where a loss is largest.

    x′₀ = Π(x + start),    x′ₜ₊₁ = Π(x′ₜ + η d(∇ loss(x′ₜ)))    (Madry et al. 2018: PGD; one step from x: FGSM)

Π is onto the ball around x, then onto [0, 1]; d(g) is sign(g) in ℓ∞ and g / ‖g‖₂ in ℓ2. x: (B, C, H, W) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.parts.ascend import ascend

Norm = Literal["linf", "l2"]
Start = Literal["uniform", "gaussian", "none"]
Keep = Literal["last", "best"]
Rows = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) → a loss for each of them (B,)."""

NORMS: tuple[Norm, ...] = ("linf", "l2")
COLOUR = 8 / 255  # how far colour images are moved by custom, in linf
PART = 4  # a step is this part of eps where its size is not told: 2/255 of 8/255
NO_CUSTOM: dict[Norm, str] = {  # where there is none
    "linf": "grey images (many take 0.3 for MNIST, 0.1 for Fashion-MNIST)",
    "l2": "l2 (many take 0.5 for CIFAR-10)",
}
TINY = 1e-12  # a gradient shorter than this points nowhere
JITTER = 1e-3  # RSLAD's start: x + 0.001 · N(0, 1)


@dataclass(frozen=True, slots=True)
class Ball:
    """All images that are within `eps` of given ones, in pixels of [0, 1], and inside the pixel box."""

    eps: float
    norm: Norm = "linf"

    def step(self, size: float, *, called: str = "size") -> float:
        """A step's length as it is given. Raises ValueError, in which it is called what its user calls it, for none."""
        if self.norm == "linf" and 1 < size < float("inf"):
            raise ValueError(f"{called} is {size:g}, and pixels lie in [0, 1]: did you mean {size:g}/255?")
        if not 0 <= size < float("inf"):
            raise ValueError(f"{called} is {size:g}: give 0 or more, in pixels of [0, 1]")
        return size

    def onto(self, moved: Tensor, x: Tensor) -> Tensor:
        """The images `moved` brought into the ball around `x`, then into the box."""
        if self.norm == "linf":
            near = torch.minimum(torch.maximum(moved, x - self.eps), x + self.eps)
        else:
            away = moved - x
            near = x + away * (self.eps / length(away).clamp_min(TINY)).clamp_max(1)
        return near.clamp(0, 1)

    def direction(self, gradient: Tensor) -> Tensor:
        """Where a step of length 1 goes."""
        return gradient.sign() if self.norm == "linf" else gradient / length(gradient).clamp_min(TINY)

    def start(self, x: Tensor, kind: Start) -> Tensor:
        """Where a climb from `x` begins: anywhere in the ball, a little beside `x`, or at `x` itself."""
        if kind == "none":
            return x
        if kind == "gaussian":
            return self.onto(x + JITTER * torch.randn_like(x), x)
        if self.norm == "linf":
            return self.onto(x + self.eps * (2 * torch.rand_like(x) - 1), x)
        way = torch.randn_like(x)
        radius = self.eps * torch.rand_like(x[:, :1, :1, :1]) ** (1 / x[0].numel())  # uniform in the ball
        return self.onto(x + radius * way / length(way).clamp_min(TINY), x)


def ball(eps: float | None, norm: str, channels: int, *, called: str = "eps") -> Ball:
    """The ball of radius `eps`, in pixels of [0, 1], in a norm; of None that of custom, 8/255 for colour in linf.

    Raises ValueError, in which eps is called what its user calls it, for what is no radius, and without a custom.
    """
    if norm not in NORMS:
        raise ValueError(f"norm {norm} does not exist: choose {' or '.join(NORMS)}")
    by: Norm = "l2" if norm == "l2" else "linf"
    if eps is None and not (by == "linf" and channels == 3):
        raise ValueError(f"there is no one radius for {NO_CUSTOM[by]}: give {called}, in pixels of [0, 1]")
    eps = COLOUR if eps is None else eps
    if by == "linf" and 1 < eps < float("inf"):
        raise ValueError(f"{called} is {eps:g}, and pixels lie in [0, 1]: did you mean {eps:g}/255?")
    if not 0 <= eps < float("inf"):
        raise ValueError(f"{called} is {eps:g}: give 0 or more, in pixels of [0, 1]")
    return Ball(float(eps), by)


def length(x: Tensor) -> Tensor:
    """The ℓ2 norm of each image, (B, 1, 1, 1)."""
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))


def pgd(
    x: Tensor, loss: Rows, ball: Ball, *, size: float, steps: int, start: Start = "uniform", keep: Keep = "last"
) -> Tensor:
    """Projected gradient ascent on a loss of each image, from `x`, in `steps` steps of length `size`.

    keep: the "last" iterate, or for each image the one of "best" (largest) loss, which takes one more forward.
    Returns images of x's shape in the ball, out of any graph.
    """
    best = Best(x) if keep == "best" else None

    def objective(moved: Tensor) -> Tensor:
        values = loss(moved)
        if best is not None:
            best.hear(moved.detach(), values.detach())
        return values.sum()  # images do not share pixels, so each gets its own gradient

    def step(moved: Tensor, gradient: Tensor) -> Tensor:
        return ball.onto(moved + size * ball.direction(gradient), x)

    end = ascend(ball.start(x, start), objective, step, steps)
    if best is None:
        return end
    with torch.no_grad():
        best.hear(end, loss(end))
    return best.x


class Best:
    """For each image the position of the largest loss so far."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.values = x, x.new_full((len(x),), -torch.inf)

    def hear(self, x: Tensor, values: Tensor) -> None:
        """Positions (B, C, H, W) and their losses (B,)."""
        better = values > self.values
        self.x = torch.where(better.view(-1, *[1] * (x.ndim - 1)), x, self.x)
        self.values = torch.where(better, values, self.values)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of each row of logits (B, K); labels: class numbers (B,), or their shares (B, K)."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """How far the best wrong class is ahead of the right one, (B,): above 0 where a row is wrong. y: (B,)."""
    right = F.one_hot(y, logits.shape[1]).bool()
    return logits.masked_fill(right, -torch.inf).amax(1) - logits[right]


def fooling(ask: Callable[[Tensor], Tensor], labels: Tensor, y: Tensor, kind: Literal["ce", "margin"]) -> Rows:
    """The loss of images by their labels: cross-entropy, or the margin. ask: images → logits (B, K)."""
    by = partial(cross_entropy, labels=labels) if kind == "ce" else partial(margin, y=y)
    return lambda x: by(ask(x))
