"""What is kept of a network's answer, as bytes: all of it, half its precision, or the highest logits alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, prod
from typing import Literal

import torch
from torch import Tensor

from sparring.core import Output, UserError

TAP = "tap "  # begins the name of what is a feature
Keep = Literal["full", "half"] | int
"""How much of an answer is kept: "full" for every bit, "half" in half precision, K for the K highest logits in half."""


@dataclass(frozen=True, slots=True)
class Field:
    """One tensor of an answer: its type and its shape without the batch, and whether its memory is channels-last."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    channels_last: bool = False

    @classmethod
    def of(cls, value: Tensor) -> Field:
        """That of a tensor (B, ...)."""
        last = value.ndim == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        return cls(value.dtype, tuple(value.shape[1:]), last)

    @property
    def width(self) -> int:
        """Bytes for one row."""
        return self.dtype.itemsize * prod(self.shape)

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} {self.shape}"


class Form:
    """How answers alike to `example` become bytes and answers again.

    Of the highest K logits alone, what is left of the probability at temperature 1 is spread evenly over the other
    classes. Raises UserError where K is not below the number of classes.
    """

    def __init__(self, keep: Keep, example: Output) -> None:
        self.keep, self.classes = keep, example.logits.shape[1]
        if isinstance(keep, int) and keep >= self.classes:
            raise UserError(
                f"cache_keep={keep} of {self.classes} classes leaves none to spread the rest over: give a number below "
                f"{self.classes}, or half"
            )
        self.original = {name: Field.of(value) for name, value in named(example).items()}
        self.fields = {name: Field.of(value) for name, value in self._shortened(example).items()}
        self.width = sum(field.width for field in self.fields.values())

    @property
    def taps(self) -> list[str]:
        """The features that are kept."""
        return [name.removeprefix(TAP) for name in self.original if name.startswith(TAP)]

    def packed(self, answer: Output) -> Tensor:
        """An answer to B images as bytes (B, width) uint8, on its device."""
        parts = [value.contiguous().view(len(value), -1) for value in self._shortened(answer).values()]
        return torch.cat([part.view(torch.uint8) for part in parts], 1)

    def unpacked(self, packed: Tensor) -> Output:
        """The answer that bytes (B, width) hold: in full, the very one that was packed."""
        cut = packed.split([field.width for field in self.fields.values()], 1)
        kept = {
            name: laid_out(part.contiguous().view(field.dtype).view(-1, *field.shape), field)
            for part, (name, field) in zip(cut, self.fields.items(), strict=True)
        }
        logits = kept.pop("logits") if "logits" in kept else self._spread(kept)
        kept = {name: value.to(self.original[name].dtype) for name, value in kept.items() if name in self.original}
        features = {name.removeprefix(TAP): value for name, value in kept.items()}
        return Output(logits.to(self.original["logits"].dtype), features)

    def floats(self, packed: Tensor) -> dict[str, Tensor]:
        """What bytes (B, width) hold in numbers with a point: small errors leave them nearly the same."""
        cut = packed.split([field.width for field in self.fields.values()], 1)
        pairs = zip(cut, self.fields.items(), strict=True)
        return {
            name: part.contiguous().view(field.dtype).float()
            for part, (name, field) in pairs
            if field.dtype.is_floating_point
        }

    def _shortened(self, answer: Output) -> dict[str, Tensor]:
        values = named(answer)
        if self.keep == "full":
            return values
        logits = values.pop("logits")
        features = {name: halved(value) for name, value in values.items()}
        if self.keep == "half":
            return {"logits": halved(logits), **features}
        top, which = logits.float().topk(int(self.keep), dim=1)
        rest = logits.float().scatter(1, which, -torch.inf).logsumexp(1, keepdim=True)
        rest = rest - log(self.classes - int(self.keep))
        numbers = torch.int16 if self.classes <= 2**15 else torch.int32
        return {"top": halved(top), "rest": halved(rest), **features, "which": which.to(numbers)}

    def _spread(self, kept: dict[str, Tensor]) -> Tensor:
        """Logits (B, K) of which all but the highest are alike."""
        top, rest, which = kept["top"].float(), kept["rest"].float(), kept["which"].long()
        return rest.expand(-1, self.classes).scatter(1, which, top)


def named(answer: Output) -> dict[str, Tensor]:
    """The tensors of an answer by name."""
    return {"logits": answer.logits, **{f"{TAP}{name}": value for name, value in answer.features.items()}}


def halved(value: Tensor) -> Tensor:
    """Numbers in half precision, those beyond it at its ends."""
    most = torch.finfo(torch.half).max
    return value.float().clamp(-most, most).half()


def laid_out(value: Tensor, field: Field) -> Tensor:
    """A tensor in the memory layout that it was made in."""
    return value.contiguous(memory_format=torch.channels_last) if field.channels_last else value


def described(fields: Mapping[str, Field]) -> dict[str, str]:
    """Each field's type and shape, in words."""
    return {name: str(field) for name, field in fields.items()}
