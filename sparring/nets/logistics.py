"""Pixels as a discretised mixture of logistics (PixelCNN++, Salimans et al. 2017), written without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 255  # steps between pixel values
LEAST = -7.0  # of a log-scale


def outputs(channels: int, mixtures: int) -> int:
    """How many numbers a pixel's mixture takes: weights, means, log-scales, couplings of red, green and blue."""
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


def split(told: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The numbers of a mixture (B, `outputs`, H, W) as (log-weights (B, M, H, W), means (B, C, M, H, W), log-scales
    likewise, couplings (B, C(C−1)/2, M, H, W) in (−1, 1)), all float32."""
    pairs = channels * (channels - 1) // 2
    told = told.float().unflatten(1, (1 + 2 * channels + pairs, -1))
    weights, means, scales, couplings = told.split([1, channels, channels, pairs], dim=1)
    return weights[:, 0].log_softmax(1), means, scales.clamp(min=LEAST), couplings.tanh()


def coupled(means: Tensor, couplings: Tensor, seen: Tensor | None) -> Tensor:
    """Each channel's mean given the channels before it: `seen` (B, C, 1 or M, H, W), or what is expected of them."""
    found: list[Tensor] = []
    at = 0
    for channel, mean in enumerate(means.unbind(1)):
        for before in range(channel):
            mean = mean + couplings[:, at + before] * (found[before] if seen is None else seen[:, before])
        at += channel
        found.append(mean)
    return torch.stack(found, 1)


def log_likelihood(told: Tensor, x: Tensor) -> Tensor:
    """Log-probability in nats (B,) of images x (B, C, H, W), multiples of 1/255 in [0, 1], under mixtures `told`.

    σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b−a}), so that its logarithm is a sum of three that never cancel.
    """
    weights, means, scales, couplings = split(told, x.shape[1])
    target = (2 * x.float() - 1).unsqueeze(2)
    away, rate = target - coupled(means, couplings, target), (-scales).exp()
    below = F.logsigmoid((away + 1 / LEVELS) * rate)
    above = F.logsigmoid((1 / LEVELS - away) * rate)
    inner = below + above + (-torch.expm1(-2 / LEVELS * rate)).log()
    edge = 1 - 1 / LEVELS  # the outermost values take the tails
    values = torch.where(target < -edge, below, torch.where(target > edge, above, inner))
    return (values.sum(1) + weights).logsumexp(1).sum((1, 2))


def mean(told: Tensor, channels: int) -> Tensor:
    """The mixtures' mean as pixels in [0, 1], (B, C, H, W), differentiable: Σ π_k μ_k, couplings applied, clipped."""
    weights, means, _, couplings = split(told, channels)
    expected = (coupled(means, couplings, None) * weights.exp().unsqueeze(1)).sum(2)
    return (expected.clamp(-1, 1) + 1) / 2
