"""Learned augmentors by name: one table, and the functions that make them for the images at hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import torch

from sparring.core import Setting, UserError, did_you_mean
from sparring.errors import first_line
from sparring.nets import autoencoders
from sparring.parts.augmentors.affine import Affine
from sparring.parts.augmentors.augmentor import Augmentor, Composed
from sparring.parts.augmentors.gaussian import Gaussian
from sparring.parts.augmentors.mix import Mix
from sparring.parts.augmentors.vae import VAE
from sparring.userfile import imported


def silence(setting: Setting) -> float:
    """What lies beyond an image's border: black; of a signal (one row), whose 0 is no pixel of 0, its mean."""
    return sum(setting.mean) / len(setting.mean) if setting.shape[1] == 1 else 0.0


def affine(
    setting: Setting,
    *,
    start: float = 0.01,
    covariance: Literal["diagonal", "full"] = "diagonal",
    mean: Literal["learned", "identity"] = "identity",
) -> Augmentor:
    """A learned distribution of affine maps of the image plane (HARD-Affine).

    mean: "identity" learns the spread alone; "learned" is the plainer reading, in which eq. 3 drives the mean to the
    one worst map and the spread dies out (docs/hard.md).
    """
    return Affine(setting.shape, start=start, covariance=covariance, mean=mean, outside=silence(setting))


def gaussian(setting: Setting, *, start: float = 0.01) -> Augmentor:
    """Learned Gaussian noise, one mean and spread for each channel (HARD's toy)."""
    return Gaussian(setting.shape[0], start=start)


def mix(setting: Setting, *, patch: int | None = None, dim: int = 64, group: int = 2, own: float = 6.0) -> Augmentor:
    """Patches of a few images mixed by attention (HARD-Mix)."""
    return Mix(setting.shape, patch=patch, dim=dim, group=group, own=own)


def vae(setting: Setting, *, vae: str, first: int | None = None) -> Augmentor:
    """An image as a trained VAE draws it again (HARD-VAE); only the posteriors of its later decoder blocks are learned.

    vae: the folder of a `sparring train-augmentor` run, or diffusers:NAME_OR_FOLDER; first: the first decoder block
    whose posterior is learned, counted from 0.
    """
    return VAE(autoencoders.load(vae, setting.shape), first)


def vae_affine(
    setting: Setting,
    *,
    vae: str,
    first: int | None = None,
    start: float = 0.01,
    covariance: Literal["diagonal", "full"] = "diagonal",
    mean: Literal["learned", "identity"] = "identity",
) -> Augmentor:
    """A VAE's drawing, seen through a learned affine map (HARD-VAE-Affine)."""
    bent = affine(setting, start=start, covariance=covariance, mean=mean)
    return Composed(VAE(autoencoders.load(vae, setting.shape), first), bent)


MAKERS: dict[str, Callable[..., Augmentor]] = {
    "affine": affine,
    "gaussian": gaussian,
    "mix": mix,
    "vae": vae,
    "vae-affine": vae_affine,
}


def made(setting: Setting, kind: str, **options: Any) -> Augmentor:
    """The augmentor of a name in the table, or of an import path (`mine.py:Blur`, called with the setting).

    options: of all kinds; those that are None are left to the kind. Raises UserError for an unknown kind, and for an
    option that its kind does not take.
    """
    if ".py:" in kind:
        maker = imported(kind)
        if not callable(maker):
            raise UserError(f"{kind} is a {type(maker).__name__}: give a class or function that makes an Augmentor")
    elif kind in MAKERS:
        maker = MAKERS[kind]
    else:
        if kind.endswith(".py"):
            raise UserError(f"{kind} is a file: name the class in it too, as {kind}:NAME")
        raise UserError(f"there is no augmentor {kind!r}. {did_you_mean(kind, MAKERS)}")
    given = {name: value for name, value in options.items() if value is not None}
    known = {p.name: p.default for p in inspect.signature(maker).parameters.values() if p.kind is p.KEYWORD_ONLY}
    if wrong := [name for name in given if name not in known]:
        told = f"it takes {', '.join(known)}" if known else "it takes no options"
        raise UserError(f"perturb.{wrong[0]} is no option of the augmentor {kind}: {told}")
    if lacking := [name for name, default in known.items() if default is inspect.Parameter.empty and name not in given]:
        example = ", a run of sparring train-augmentor" if lacking[0] == "vae" else ""
        raise UserError(f"the augmentor {kind} needs perturb.{lacking[0]}=…{example}")
    try:
        result = maker(setting, **given)
    except (TypeError, RuntimeError, AttributeError) as error:  # of one's own
        raise UserError(f"{kind} could not be made: {first_line(error)}; it is called as {kind}(setting)") from error
    if not isinstance(result, Augmentor):
        raise UserError(f"{kind} made a {type(result).__name__}: an augmentor is a sparring Augmentor, x → x̃")
    if not result.learned():
        raise UserError(f"the augmentor {kind} has no parameter to learn")
    if ".py:" in kind:
        refuse_reshaping(result, kind, setting.shape)
    return result


@torch.no_grad()
def refuse_reshaping(augmentor: Augmentor, kind: str, shape: tuple[int, int, int]) -> None:
    """Raise UserError where one's own augmentor fails on images (C, H, W), or makes something of another shape."""
    x = torch.full((4, *shape), 0.5)
    with torch.random.fork_rng([]):
        try:
            changed = augmentor(x)
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            told = f"{kind} failed on images (4, {', '.join(map(str, shape))}): {first_line(error)}"
            raise UserError(f"{told}; its forward takes (B, C, H, W)") from error
    if not isinstance(changed, torch.Tensor) or changed.shape != x.shape:
        found = tuple(changed.shape) if isinstance(changed, torch.Tensor) else type(changed).__name__
        raise UserError(f"{kind} made {found} of images {tuple(x.shape)}: an augmentor keeps their shape")
