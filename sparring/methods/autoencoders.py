"""The VAE augmentor by name: where `vae=` on the command line becomes a module."""

from __future__ import annotations

from sparring.core import Setting
from sparring.nets import autoencoders
from sparring.parts.augmentors.vae import VAE


def vae(setting: Setting, *, vae: str, first: int | None = None) -> VAE:
    """HARD's VAE augmentor, ready to learn.

    vae: the folder of a `sparring train-augmentor` run, or diffusers:NAME_OR_FOLDER; first: the first decoder block
    whose posterior is learnt (of a very deep VAE). Raises UserError where there is none for these images, and
    ValueError for a wrong `first`.
    """
    return VAE(autoencoders.load(vae, setting.shape), first)
