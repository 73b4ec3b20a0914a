"""What a network answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


class NoLogits(TypeError):
    """A network answered with something in which no (B, K) logits can be found; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Output:
    """A network's answer: `logits` (B, K), in float32 whatever the network computes in, and tapped `features`.

    clean: of a student in a bout whose objective asks for it, its answer at the images as they came, unperturbed.
    """

    logits: Tensor
    features: Mapping[str, Tensor] = field(default_factory=dict)
    clean: Output | None = None

    @classmethod
    def of(cls, answer: Any, features: Mapping[str, Tensor] | None = None) -> Output:
        """Read what any module returned: a tensor, a tuple whose first item is one, a dict with "logits" or a
        `ModelOutput`.

        Raises NoLogits where no (B, K) logits can be found in `answer`.
        """
        if isinstance(answer, Output):
            return answer
        if isinstance(answer, Mapping):  # transformers' ModelOutput is one
            if "logits" not in answer:
                keys = f"the keys {', '.join(map(str, answer))}" if answer else "no keys"
                raise NoLogits(
                    f"the network returned a {type(answer).__name__} with {keys}; "
                    "let its forward return them as 'logits', or alone"
                )
            answer = answer["logits"]
        elif isinstance(answer, tuple | list):
            answer = answer[0] if answer else None
        elif hasattr(answer, "logits"):
            answer = answer.logits
        if not isinstance(answer, Tensor) or answer.ndim != 2:
            got = f"a tensor of shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            raise NoLogits(
                f"the network returned {got} where logits of shape (batch, classes) were expected; "
                "let its forward return them first"
            )
        if not answer.is_floating_point():
            raise NoLogits(
                f"the network returned logits of {answer.dtype}, through which nothing can be learned or attacked; "
                "let its forward return real numbers, as of torch.float32"
            )
        return cls(answer.to(torch.float32) if answer.dtype.itemsize < 4 else answer, features or {})
