"""Batch normalisation over the whole batch when several processes share it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparring.core import UserError
from sparring.engine.processes import Sum

KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Synchronised(_BatchNorm):
    """BatchNorm that takes mean and variance over all processes' rows in train mode; weights and names are the same.

    torch's own SyncBatchNorm needs a GPU. Gradients pass through the statistics to every process, so that a climb on
    the input sees the whole batch too. The variance is that around the common mean: two messages, no cancellation.
    """

    def _check_input_dim(self, input: Tensor) -> None: ...

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        over, shape = [0, *range(2, input.ndim)], (1, -1, *[1] * (input.ndim - 2))
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        here = wide.new_full((1,), input.numel() / input.shape[1])
        *sums, n = Sum.apply(torch.cat([wide.sum(over), here])).split([input.shape[1], 1])
        mean = sums[0] / n
        centred = wide - mean.view(shape)
        variance = Sum.apply(centred.square().sum(over)) / n
        self.remember(mean.detach(), (variance * n / (n - 1)).detach())
        answer = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            answer = answer * self.weight.view(shape) + self.bias.view(shape)
        return answer.to(input.dtype)

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards these (C,), as BatchNorm does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        part: Any = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
        self.running_mean.mul_(1 - part).add_(mean * part)
        self.running_var.mul_(1 - part).add_(variance * part)


def synchronised(module: nn.Module) -> nn.Module:
    """`module` with each BatchNorm in it, in place, exchanged for one that shares its weights and buffers.

    Raises UserError for a kind of BatchNorm of which it is not known what else its forward does.
    """
    kind = type(module)
    if kind in KINDS:
        return twin(module)
    if issubclass(kind, _BatchNorm) and kind is not Synchronised:
        raise UserError(
            f"a network has a {kind.__name__}, whose statistics several processes cannot share: "
            "train it in one process, or give a network whose batch normalisation is torch's own BatchNorm"
        )
    for name, child in module.named_children():
        setattr(module, name, synchronised(child))
    return module


def twin(norm: Any) -> Synchronised:
    """A synchronised BatchNorm with the very parameters and buffers of `norm`."""
    result = Synchronised(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    result.weight, result.bias = norm.weight, norm.bias
    result.running_mean, result.running_var = norm.running_mean, norm.running_var
    result.num_batches_tracked = norm.num_batches_tracked
    return result.train(norm.training)
