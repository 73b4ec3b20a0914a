"""The command line's verb for learned augmentors; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from sparring.arguments import File, Keys, Resume, Settings, first, gathered
from sparring.files import plain_name

Net = Annotated[str | None, Parameter(help="vdvae-mnist (28 pixels), vdvae-small or vdvae-cifar10 (32 pixels).")]


def train_augmentor(
    *keys: Keys,
    net: Net = None,
    out: Path | None = None,
    resume: Resume = False,
    config: File = None,
    settings: Settings = None,
) -> None:
    """Train the variational autoencoder that HARD's VAE augmentor starts from, on a data set's images.

    Unless told otherwise: 3 epochs, batches of 64, AdamW at a rate of 0.002 falling by a cosine, no augmentation.

    Parameters
    ----------
    out
        The folder to fill (by default runs/DATA-NET).
    """
    from sparring import verbs
    from sparring.recipes.autoencoder import DEFAULTS

    chosen = gathered(config, settings, keys, start=DEFAULTS)
    chosen = chosen.model_copy(update={"student": net or chosen.student})
    place = out or Path("runs") / f"{plain_name(chosen.data)}-{plain_name(chosen.student)}"
    done = verbs.train_augmentor(config=chosen, out=place, resume=resume)
    if not first():
        return
    for part in ("validation", "test"):
        if found := done.metrics[part]:
            told = "{bits_per_dim:.4f} bits per pixel and channel, squared error {mse:.5f}".format(**found)
            print(f"{part:<11} {told}")
    print(f"The pictures: {done.out / 'reconstructions.png'}")
    print(f"Next: look at them; the folder {quote(str(done.out))} is what an augmentor's vae= takes")
