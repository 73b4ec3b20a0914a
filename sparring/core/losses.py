"""How a step is scored: named terms beside their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from sparring.errors import UserError


@dataclass(frozen=True, slots=True)
class Losses:
    """Named scalar losses beside their weights; only the descent sums them.

    Write ``0.1 * term("ce", a) + 0.9 * term("kd", b)``: the log shows a and b, the gradient is that of the sum.
    """

    terms: Mapping[str, tuple[float, Tensor]]

    def __add__(self, other: Losses) -> Losses:
        if twice := self.terms.keys() & other.terms.keys():
            raise ValueError(f"two loss terms are both named {sorted(twice)[0]!r}: give each its own name")
        return Losses({**self.terms, **other.terms})

    def __rmul__(self, weight: float) -> Losses:
        return Losses({name: (weight * w, value) for name, (w, value) in self.terms.items()})

    def total(self) -> Tensor:
        """The weighted sum (), which is what is descended. Raises UserError where there is no term."""
        if not self.terms:
            raise UserError("the objective returned no term, so there is nothing to descend: return term(name, value)")
        weighted = [weight * value for weight, value in self.terms.values()]
        return sum(weighted[1:], start=weighted[0])

    def values(self) -> dict[str, Tensor]:
        """Each term as it is, without weight or graph, for the log."""
        return {name: value.detach() for name, (_, value) in self.terms.items()}


def term(name: str, value: Tensor) -> Losses:
    """One named scalar loss of weight 1."""
    if value.ndim != 0:
        raise ValueError(f"loss term {name!r} has shape {tuple(value.shape)}: reduce it to a scalar first")
    return Losses({name: (1.0, value)})
