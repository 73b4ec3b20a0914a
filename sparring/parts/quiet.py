"""Asking a network without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.func import functional_call

from sparring.core import Output


def quietly(net: nn.Module, x: Tensor) -> Output:
    """`net`'s answer at `x`, with its buffers on loan: BatchNorm keeps its running statistics, whatever the mode.

    The parameters take part without gradient, so a backward pass reaches the input alone. Nothing is deep-copied.
    """
    loan = {name: buffer.clone() for name, buffer in net.named_buffers()}
    return functional_call(net, detached_parameters(net) | loan, (x,))


def audibly(net: nn.Module, x: Tensor) -> Output:
    """As `quietly`, but BatchNorm in train mode does count this forward, as DA's published table did."""
    return functional_call(net, detached_parameters(net), (x,))


def detached_parameters(net: nn.Module) -> dict[str, Tensor]:
    """The parameters of `net` by name, sharing memory with it and out of any graph."""
    return {name: parameter.detach() for name, parameter in net.named_parameters()}


@contextmanager
def mode(net: nn.Module, *, training: bool) -> Iterator[None]:
    """`net` in train or eval mode for a while; each of its modules gets its own mode back."""
    before = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was
