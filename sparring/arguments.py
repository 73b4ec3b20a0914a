"""What the verbs of the command line are given, and the one configuration that it makes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from sparring.errors import UserError
from sparring.recipes.config import Config, overrides


def whole(kind: Any, tokens: Sequence[Token]) -> int:
    """A whole number as it is written: 2, or 2.0 (cyclopts alone rounds 1.5). Raises UserError for any other."""
    (token,) = tokens
    if not re.fullmatch(r"[+-]?\d{1,18}(\.0*)?", token.value):
        raise UserError(f"{token.keyword} {token.value} will not do: give a whole number such as 20")
    return int(token.value.partition(".")[0])


Keys = Annotated[str, Parameter(help="Any key of the schema as key=value: optim.lr=0.1 perturb.alpha=0.02 …")]
Settings = Annotated[Config | None, Parameter(name="*")]
File = Annotated[Path | None, Parameter(name=["--config", "-c"], help="A config.yaml to start from.")]
Number = Parameter(converter=whole)
Seeds = Annotated[int, Number, Parameter(help="How many runs of each method, with seeds from --seed on.")]
Resume = Annotated[bool, Parameter(help="Go on with what that folder holds.")]
On = Annotated[
    str | None,
    Parameter(
        help="Where several runs are carried out: local (as many at once as this machine has room for; local:N for N),"
        " ray, ray://HOST:PORT or slurm (slurm:partition=gpu,timeout_min=600; slurm:local tries it without Slurm);"
        " by default what SPARRING_ON says."
    ),
]
Cpus = Annotated[int | None, Number, Parameter(help="CPU threads of each of several runs.")]
Gpus = Annotated[float | None, Parameter(help="Of ray and slurm: how much of a GPU each run is given.")]
Several = Parameter(consume_multiple=True, negative=())


def gathered(
    file: Path | None, settings: Config | None, keys: tuple[str, ...], *, start: Config | None = None
) -> Config:
    """One configuration from a file (or `start`), the flags given, and key=value words, the later over the earlier."""
    from sparring.recipes import config as schema
    from sparring.recipes.settle import laid_over

    return laid_over(schema.read(file) if file else start or Config(), flags(settings) | overrides(keys))


def flags(settings: Config | None) -> dict[str, Any]:
    """The flags that were given, and no defaults."""
    return settings.model_dump(exclude_unset=True) if settings is not None else {}


def first() -> bool:
    """Whether this is the process that speaks, of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def words(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names, given as a b c or a,b,c."""
    return tuple(word for each in given for word in each.split(",") if word)


def image_shape(text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width, given as 3x32x32 or 3,32,32. Raises UserError where it is something else."""
    if text is None:
        return None
    if not (found := re.fullmatch(r"([1-9]\d{0,3})[x,]([1-9]\d{0,3})[x,]([1-9]\d{0,3})", text)):
        raise UserError(f"--shape {text} is no shape of images: give channels, height and width, as 3x32x32")
    channels, height, width = map(int, found.groups())
    return channels, height, width
