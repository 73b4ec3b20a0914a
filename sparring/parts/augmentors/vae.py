"""HARD-VAE: a variational autoencoder as a learned augmentor (Nix, Burg & Sinz 2023).

    z ~ q_θ(z | x),     x̃ = E[x | z].

It starts as a reconstruction. Of a very deep VAE only the posteriors of the later decoder blocks are learnt, so that
what is drawn stays an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn

from sparring.parts.augmentors.augmentor import Augmentor


class Autoencoder(Protocol):
    """What the augmentor is made of; a module; `sparring.nets.autoencoders` has them."""

    def reconstruct(self, x: Tensor, sample: bool = True) -> Tensor: ...

    def tunable(self, first: int | None) -> Iterator[nn.Parameter]: ...

    def requires_grad_(self, requires_grad: bool = True) -> object: ...


class VAE(Augmentor):
    """x (B, C, H, W) in [0, 1] → x̃, the same shape and range: encoded, the latent drawn, decoded, differentiable.

    autoencoder: a trained one, used itself. first: the first decoder block whose posterior is learnt, counted from 0;
    by default the autoencoder's own choice. What is learnt requires a gradient, and nothing else in it does. Raises
    ValueError where `first` does not fit.
    """

    rate = 1e-4

    def __init__(self, autoencoder: Autoencoder, first: int | None = None) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        autoencoder.requires_grad_(False)
        for parameter in autoencoder.tunable(first):
            parameter.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.autoencoder.reconstruct(x)
