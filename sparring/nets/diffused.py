"""Autoencoders of diffusers (AutoencoderKL, VQModel), by the name of a repository or the path of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.core import UserError
from sparring.nets.origin import Shape
from sparring.nets.vision import extra

KINDS = ("AutoencoderKL", "VQModel")


class Diffused(nn.Module):
    """An autoencoder of diffusers with noise of a learnt size, one a channel, added to its latent.

    Of AutoencoderKL the latent is drawn from the posterior; of VQModel it is quantised, the gradient passing straight
    through, which leaves none for the codebook. Both are asked at the side they were trained at: other images are
    scaled there and back (HARD on ImageNet: 224 ↔ 256 pixels).
    """

    def __init__(self, model: Any, sigma: float = 0.01) -> None:
        super().__init__()
        self.model = model
        self.quantises = type(model).__name__ == "VQModel"
        told = model.config
        self.side = int(told.sample_size)
        channels = (told.vq_embed_dim if self.quantises else None) or told.latent_channels
        self.sigma = nn.Parameter(torch.full((channels, 1, 1), sigma))

    def tunable(self, first: int | None) -> Iterator[nn.Parameter]:
        """All that gets a gradient, the noise's size included. Raises ValueError where `first` is given."""
        if first is not None:
            raise ValueError(f"first is {first}, but an autoencoder of diffusers is learnt whole: leave it out")
        yield self.sigma
        for name, parameter in self.model.named_parameters():
            if not (self.quantises and name.startswith("quantize.")):
                yield parameter

    def reconstruct(self, x: Tensor, sample: bool = True) -> Tensor:
        """x (B, C, H, W) in [0, 1] encoded and decoded again, the same shape and range, float32, differentiable.

        sample: draw the latent and the noise, from torch's own chance; else neither.
        """
        sides = x.shape[-2:]
        seen = scaled(2 * x - 1, (self.side, self.side))
        z = self.latent(seen, sample)
        if sample:
            z = z + self.sigma * torch.randn_like(z)
        made = self.model.decode(z, **({"force_not_quantize": True} if self.quantises else {})).sample
        return (scaled(made.float(), tuple(sides)).clamp(-1, 1) + 1) / 2

    def latent(self, x: Tensor, sample: bool) -> Tensor:
        """The latent (B, Z, h, w) of x (B, C, side, side) in [−1, 1], without the added noise."""
        if self.quantises:
            return self.model.quantize(self.model.encode(x).latents)[0]
        told = self.model.encode(x).latent_dist
        return told.sample() if sample else told.mode()


def scaled(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """x (B, C, H, W) scaled to `sides`, bilinearly; as it is where it has them."""
    if tuple(x.shape[-2:]) == sides:
        return x
    return F.interpolate(x, size=sides, mode="bilinear", antialias=True, align_corners=False)


def diffused(name: str, shape: Shape | None) -> Diffused:
    """The trained autoencoder in a folder, or of that name on the hub, for images of `shape` (C, H, W).

    Its weights must be safetensors, which hold no code. Raises UserError where it cannot be had or is not complete.
    """
    diffusers = extra("diffusers", "diffusers")
    place = Path(name).expanduser()
    here = place.is_dir()
    where = {"pretrained_model_name_or_path": str(place) if here else name, "local_files_only": here}
    try:
        kind = diffusers.AutoencoderKL.load_config(**where).get("_class_name")
        if kind not in KINDS:
            raise UserError(f"diffusers:{name} is no {' or '.join(KINDS)} ({kind}): give one of these")
        model, told = getattr(diffusers, kind).from_pretrained(use_safetensors=True, output_loading_info=True, **where)
    except UserError:
        raise
    except Exception as wrong:  # the library, the hub and damaged files fail in many ways
        said = " ".join(str(wrong).split())[:200]
        advice = "check the folder" if here else "check the name and the network, or give a local folder"
        raise UserError(f"diffusers:{name} could not be had ({said}); {advice}") from wrong
    if lacking := [*told["missing_keys"], *told["mismatched_keys"]]:
        raise UserError(f"diffusers:{name} lacks {len(lacking)} of its weights ({lacking[0]}, …): take a complete one")
    channels = {int(model.config.in_channels), int(model.config.out_channels)}
    if shape is not None and channels != {shape[0]}:
        raise UserError(
            f"diffusers:{name} is for images of {max(channels)} channels, and these have {shape[0]}: take another"
        )
    return Diffused(model)
