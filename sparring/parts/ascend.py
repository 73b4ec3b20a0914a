"""Climbing on the input: one function, from which Disagreement Augmentation and PGD differ in objective and step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]
"""(position, gradient of what is climbed) → next position, both of the position's shape."""


def ascend(start: Tensor, objective: Callable[[Tensor], Tensor], step: Step, steps: int) -> Tensor:
    """Move `start` `steps` times up the gradient of a scalar `objective`, and return the last position, detached.

    Only the input's gradient is computed: no parameter's `.grad` is touched and nothing is copied.
    start: any shape, float. objective: position → scalar. Raises ValueError for negative `steps`.
    """
    if steps < 0:
        raise ValueError(f"steps is {steps}: give 0 or more")
    position = start.detach()
    for _ in range(steps):
        leaf = position.clone().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(objective(leaf), leaf)
        position = step(position, gradient)
    return position


def adam(alpha: float, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Step:
    """Adam on the input, for one trajectory: make a new one for each batch, since it remembers its moments.

    Its first step is alpha · g / (|g| + eps), element by element: for |g| well above `eps` a sign step.
    """
    moments: tuple[Tensor, Tensor] | None = None
    taken = 0

    def step(position: Tensor, gradient: Tensor) -> Tensor:
        nonlocal moments, taken
        taken += 1
        mean, square = moments or (torch.zeros_like(gradient),) * 2  # made on its device: no copy to wait for
        mean = torch.lerp(mean, gradient, 1 - betas[0])
        square = torch.lerp(square, gradient.square(), 1 - betas[1])
        moments = mean, square
        first, second = mean / (1 - betas[0] ** taken), square / (1 - betas[1] ** taken)
        return position + alpha * first / (second.sqrt() + eps)

    return step


def plain(alpha: float) -> Step:
    """Plain gradient ascent with learning rate `alpha`."""
    return lambda position, gradient: position + alpha * gradient


def sign(alpha: float) -> Step:
    """A step of exactly `alpha` in each coordinate, in the direction that climbs (FGSM's)."""
    return lambda position, gradient: position + alpha * gradient.sign()


STEPS: dict[str, Callable[[float], Step]] = {"adam": adam, "plain": plain, "sign": sign}
