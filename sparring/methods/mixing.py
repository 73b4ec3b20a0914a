"""Inputs mixed within the batch, and noise: Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).

    x̃ = m ⊙ x + (1 − m) ⊙ x_π,     ỹ = λ y + (1 − λ) y_π

π permutes the rows of the batch. Mixup's m is λ everywhere; CutMix's m is 0 in one box, λ the share of pixels outside
it. λ is drawn once for a batch (in each process for its own rows). HARD distils on either, as a coin falls.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Beta

from sparring.core import Batch, Setting
from sparring.parts.part import MIXED, Perturb, Plain, Targets


def mixup(setting: Setting, *, alpha: float = 1.0) -> Perturb:
    """Blend each image and its label with those of another one.

    alpha: λ ~ Beta(alpha, alpha); the larger, the nearer to one half.
    """
    refuse(alpha=alpha)

    def perturb(batch: Batch, student: nn.Module, targets: Targets) -> Batch:
        return mixed(batch, blend(batch.x, alpha), setting.classes)

    return Plain(perturb, offers=(MIXED,))


def cutmix(setting: Setting, *, alpha: float = 1.0) -> Perturb:
    """Paste a box out of another image into each, and share out the label by area.

    alpha: the share that stays is drawn from Beta(alpha, alpha), before the box is cut off at the border.
    """
    refuse(alpha=alpha)

    def perturb(batch: Batch, student: nn.Module, targets: Targets) -> Batch:
        return mixed(batch, hole(batch.x, alpha), setting.classes)

    return Plain(perturb, offers=(MIXED,))


def mixes(setting: Setting, *, mixup: float = 1.0, cutmix: float = 1.0) -> Perturb:
    """Mixup or CutMix, with chance one half each, for a whole batch.

    mixup, cutmix: the alpha of each.
    """
    refuse(mixup=mixup, cutmix=cutmix)

    def perturb(batch: Batch, student: nn.Module, targets: Targets) -> Batch:
        blended, cut = blend(batch.x, mixup), hole(batch.x, cutmix)  # both are drawn: a coin on the host would wait
        heads = torch.rand((), device=batch.x.device) < 0.5
        return mixed(batch, torch.where(heads, blended, cut), setting.classes)

    return Plain(perturb, offers=(MIXED,))


def noise(setting: Setting, *, sigma: float = 1.0, clamp: Literal["none", "box"] = "none") -> Perturb:
    """Add Gaussian noise to the inputs.

    sigma: its standard deviation in pixels of [0, 1]; clamp: "box" keeps pixels in [0, 1].
    """
    if sigma < 0:
        raise ValueError(f"sigma is {sigma:g}: give a standard deviation of 0 or more")

    def perturb(batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        x = batch.x + sigma * torch.randn_like(batch.x)
        return x.clamp(0, 1) if clamp == "box" else x

    return perturb


def refuse(**alphas: float) -> None:
    """Raise ValueError for an alpha that Beta does not take."""
    for name, alpha in alphas.items():
        if alpha <= 0:
            raise ValueError(f"{name} is {alpha:g}: give a number above 0")


def share(x: Tensor, alpha: float) -> Tensor:
    """λ ~ Beta(alpha, alpha), () on the device of `x`."""
    each = torch.full((), alpha, device=x.device)
    return Beta(each, each, validate_args=False).sample()  # validation would wait for the device


def blend(x: Tensor, alpha: float) -> Tensor:
    """Mixup's mask (H, W): λ everywhere."""
    return share(x, alpha).expand(x.shape[-2:])


def hole(x: Tensor, alpha: float) -> Tensor:
    """CutMix's mask (H, W): 1, and 0 in a box of (1 − λ) of the area around a point anywhere, cut off at the border."""
    part = (1 - share(x, alpha)).sqrt()
    height, width = x.shape[-2:]
    rows, columns = inside(height, part, x), inside(width, part, x)
    return 1 - (rows[:, None] & columns).to(x.dtype)


def inside(count: int, part: Tensor, x: Tensor) -> Tensor:
    """Which of `count` pixels in a line lie within a stretch of `part` of them around one of them: (count,) bool."""
    length = (count * part).floor()
    start = (torch.rand((), device=x.device) * count).floor() - (length / 2).floor()
    place = torch.arange(count, device=x.device)
    return (place >= start) & (place < start + length)


def mixed(batch: Batch, mask: Tensor, classes: int) -> Batch:
    """The batch with each image taken by `mask` (H, W) from itself and otherwise from another row, labels alike."""
    partner = torch.randperm(len(batch), device=batch.x.device)
    labels, kept = F.one_hot(batch.y, classes) if batch.shares is None else batch.shares, mask.mean()
    x = mask * batch.x + (1 - mask) * batch.x[partner]
    return Batch(x, batch.y, batch.index, kept * labels + (1 - kept) * labels[partner])
