"""Train or eval mode, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """`module` in train or eval mode while the block lasts; each module inside it gets its own mode back."""
    before = [(inner, inner.training) for inner in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for inner, was in before:
            inner.training = was
