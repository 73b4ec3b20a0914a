"""What a network answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Output:
    """A network's answer: `logits` (B, K), in float32 whatever the network computes in, and tapped `features`."""

    logits: Tensor
    features: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Any, features: Mapping[str, Tensor] | None = None) -> Output:
        """Read what any module returned: a tensor, a tuple whose first item is one, a dict or a `ModelOutput`.

        Raises TypeError where no (B, K) logits can be found in `answer`.
        """
        if isinstance(answer, Output):
            return answer
        if isinstance(answer, Mapping):  # transformers' ModelOutput is one
            answer = answer["logits"] if "logits" in answer else next(iter(answer.values()), None)
        elif isinstance(answer, tuple | list):
            answer = answer[0] if answer else None
        elif hasattr(answer, "logits"):
            answer = answer.logits
        if not isinstance(answer, Tensor) or answer.ndim != 2:
            got = f"a tensor of shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            raise TypeError(
                f"the network returned {got} where logits of shape (batch, classes) were expected; "
                "let its forward return them first"
            )
        return cls(answer.to(torch.float32) if answer.dtype.itemsize < 4 else answer, features or {})
