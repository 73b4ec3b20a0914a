"""Scores on ImageNet's variants: several right answers, answers among some classes, and the mean corruption error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

import torch
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.evaluate.answers import resting

ALEXNET: Mapping[str, float] = {  # its errors in percent, means over five severities (Hendrycks and Dietterich 2019)
    "gaussian_noise": 88.6,
    "shot_noise": 89.4,
    "impulse_noise": 92.3,
    "defocus_blur": 82.0,
    "glass_blur": 82.6,
    "motion_blur": 78.6,
    "zoom_blur": 79.8,
    "snow": 86.7,
    "frost": 82.7,
    "fog": 81.9,
    "brightness": 56.5,
    "contrast": 85.3,
    "elastic_transform": 64.6,
    "pixelate": 71.8,
    "jpeg_compression": 60.7,
}


def allowed_accuracy(net: Network, batches: Iterable[Batch], allowed: Tensor, within: Tensor | None = None) -> float:
    """How often the class that the network names is one of the image's right ones (in [0, 1]).

    allowed: (N, M) int64, the right classes at each batch's `index`, -1 for none; within: (S,) int64, the classes that
    it chooses from, or None for all. Raises UserError where there are no images.
    """
    hits: list[Tensor] = []
    seen = 0
    with resting(net), torch.inference_mode():
        for batch in batches:
            logits = net(batch.x).logits
            if within is None:
                choice = logits.argmax(1)
            else:
                choice = within.to(logits.device)[logits[:, within.to(logits.device)].argmax(1)]
            right = allowed.to(logits.device)[batch.index] == choice[:, None]
            hits.append(right.any(1).sum())
            seen += len(batch)
    if not seen:
        raise UserError("There are no images to evaluate: the set of batches is empty.")
    return int(torch.stack(hits).sum()) / seen


def mean_corruption_error(errors: Mapping[str, Mapping[int, float]]) -> float | None:
    """ImageNet-C's mCE: each corruption's mean error over its severities, as a part of AlexNet's, and their mean.

    errors: by corruption and severity, in [0, 1]. Only ImageNet-C's fifteen count; None where one of them, or of its
    five severities, is missing, since a mean over fewer is another number.
    """
    if any(len(errors.get(name, {})) < 5 for name in ALEXNET):
        return None
    return fmean(fmean(errors[name].values()) / (alexnet / 100) for name, alexnet in ALEXNET.items())
