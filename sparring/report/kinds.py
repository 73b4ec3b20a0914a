"""Kinds of values in the files of a run, and what is common to the forms of these files."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PGD = "pgd-10"  # the score by which runs and trials are judged whose training attacks: right after ten steps of PGD


def _drawable(value: float) -> float:
    if value and not 1e-100 <= abs(value) <= 1e50:  # beyond, sums and ratios of such numbers overflow
        raise ValueError("is so small or so large that nothing can be made of it")
    return value


Number = Annotated[float, AfterValidator(_drawable)]
Amount = Annotated[Number, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Epoch = Annotated[float, Field(ge=0, le=1e9)]
Radius = Annotated[float, Field(ge=0, le=1e9)]


class Form(BaseModel):
    """An object whose known keys are of their kinds; others are as they are."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Of(Form):
    """A measurement that knows whose it is: by the hashes of weights and of the user's files."""

    weights: str | None = None
    files: list[str] = Field([])
