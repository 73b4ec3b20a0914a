"""What every run has, whatever it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sparring.core import Method, Network
from sparring.data import Data
from sparring.engine import Compute
from sparring.parts.layers import Layer
from sparring.recipes.config import Config


class Ready(Protocol):
    """All that a run needs, made and checked. student: the classifier it trains, where it trains one; layers: those of
    it whose gradients are to be written down."""

    @property
    def config(self) -> Config: ...

    @property
    def data(self) -> Data: ...

    @property
    def teacher(self) -> Network | None: ...

    @property
    def student(self) -> Network | None: ...

    @property
    def method(self) -> Method: ...

    @property
    def layers(self) -> Sequence[Layer]: ...

    @property
    def compute(self) -> Compute: ...
