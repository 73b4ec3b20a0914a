"""How the papers start their weights, where it is not PyTorch's own way."""

from __future__ import annotations

from torch import nn


def fan_out(net: nn.Module, *, linear_std: float | None = None) -> None:
    """Draw every convolution of `net` from N(0, 2 / (k² · C_out)) and set its bias to zero, in place.

    linear_std: where given, linear layers are drawn from N(0, linear_std²) with zero bias; else they stay as they are.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, 0.0, linear_std)
            nn.init.zeros_(module.bias)
