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
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Afterwards the buffers of `net` are as before, whatever asked it in the block."""
    before = [(buffer, buffer.clone()) for buffer in net.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)
