"""What an attack on a finished run's student is held to: how far images may move, which images, whose weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparring import data as datasets
from sparring.core import Batch, Network
from sparring.errors import UserError
from sparring.files import atomic
from sparring.keys import number
from sparring.parts import attack
from sparring.parts.attack import Ball
from sparring.recipes.examine import part_of
from sparring.recipes.manifest import identity
from sparring.recipes.run import say
from sparring.report.stored import stored


@dataclass(frozen=True, slots=True)
class Threat:
    """A ball around some images of a run's student, as it was after its last epoch or its best."""

    ball: Ball
    student: Network
    images: datasets.Images
    part: str
    fingerprint: str
    best_epoch: bool = False

    @property
    def rows(self) -> np.ndarray:
        """Each image's row in the split it came from (N,)."""
        return self.images.index.cpu().numpy()

    @property
    def labels(self) -> np.ndarray:
        """Each image's class number (N,)."""
        return self.images.y.cpu().numpy()

    @property
    def key(self) -> str:
        """What its files and entries are called by: "linf-0.03-test-1000"."""
        which = "-best" if self.best_epoch else ""
        return f"{self.ball.norm}-{self.ball.eps!r}-{self.part}-{len(self.images)}{which}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a measurement must share to be this one's."""
        told = {"norm": self.ball.norm, "eps": self.ball.eps, "part": self.part, "images": len(self.images)}
        told |= {"epoch": "best"} if self.best_epoch else {}
        return told | identity(self.student) | {"data": self.fingerprint}

    def pick(self, positions: np.ndarray) -> Batch:
        """The images at some positions (B,), on the student's device."""
        return datasets.picked(self.images, positions, self.student.mean.device)


def threat(
    data: datasets.Data,
    student: Network,
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    images: int | None = None,
    part: str = "test",
    best_epoch: bool = False,
) -> Threat:
    """The ball and the images that were asked for.

    eps: as "8/255" too; images: how many, evenly spread over the part (all where it has fewer, or for None);
    best_epoch: whether the student is that of its best epoch (`examine.at_best`). Raises UserError for mistakes, and
    where eps must be given.
    """
    if images is not None and images < 1:
        raise UserError(f"--images {images}: give 1 or more")
    ball = within(eps, norm, data.shape[0])
    if ball.eps == 0:
        say("--eps 0 lets nothing move: what stands is what was right to begin with")
    whole = part_of(data, part)
    chosen = whole if images is None else datasets.some(whole, images)
    return Threat(ball, student, chosen, part, data.fingerprint, best_epoch)


def within(eps: float | str | None, norm: str, channels: int) -> Ball:
    """The ball that a command line asks for, its radius as "8/255" too. Raises UserError for mistakes."""
    try:
        return attack.ball(radius(eps) if isinstance(eps, str) else eps, norm, channels, called="--eps")
    except ValueError as error:
        raise UserError(f"{error}") from error


def radius(text: str, flag: str = "--eps") -> float:
    """0.1 or 8/255. Raises UserError, naming the flag, for anything else."""
    if (found := number(text)) is None:
        raise UserError(f"{flag} {text} is no distance: give a number such as 0.1 or 8/255")
    return found


def kept(file: Path, settings: str, names: Iterable[str]) -> dict[str, np.ndarray] | None:
    """Arrays out of a file; None where it is not there, cannot be read or is of other settings."""
    found = stored(file, ("settings", *names))
    return found if found is not None and str(found["settings"]) == settings else None


def keep(file: Path, settings: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays whole, with the settings that they are of; the same arrays make the same file."""
    whole: dict[str, Any] = {"settings": np.array(settings), **arrays}
    with atomic(file) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **whole)
