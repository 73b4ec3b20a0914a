"""The command line's `show`: what a run's perturbation makes of images, drawn; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Literal


def show(
    run: Path,
    /,
    *,
    out: Path | None = None,
    images: int = 8,
    part: Literal["test", "validation"] = "test",
    device: str | None = None,
) -> None:
    """Draw images beside what a run's perturbation makes of them, and how the phases of a learned augmentor went.

    Parameters
    ----------
    run
        A run directory, or a folder with runs below it, of which those with a learned augmentor are drawn.
    out
        The picture, a .png (by default augmentor.png in the run); its arrays lie beside it, as .npz.
    images
        How many.
    part
        Which images.
    device
        Where, in place of the run's own.
    """
    from sparring import verbs

    for picture in verbs.show(run, out=out, images=images, part=part, device=device):
        print(f"The picture: {picture}, its arrays: {picture.with_suffix('.npz')}")
    print(f"Next: sparring report {quote(str(run))}")
