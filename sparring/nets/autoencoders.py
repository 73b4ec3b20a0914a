"""Autoencoders kept in files: those that `sparring train-augmentor` trains; nothing in a file is executed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from sparring.core import UserError
from sparring.nets import weights
from sparring.nets.diffused import Diffused, diffused
from sparring.nets.origin import Shape
from sparring.nets.spec import AUGMENTOR, STUDENT
from sparring.nets.vdvae import VDVAE, Plan

DIFFUSERS = "diffusers:"  # begins the spec of an autoencoder of that library
NOTE = "autoencoder"  # the key, in a weights file's metadata, of what its autoencoder is


def save(vae: VDVAE, path: Path) -> None:
    """Write weights and plan of a very deep VAE to `path`, whole or not at all; `load` makes it again, bit for bit."""
    weights.write(vae, path, {NOTE: json.dumps({"kind": "vdvae", "plan": asdict(vae.plan), "shape": vae.shape})})


def load(spec: str | Path, shape: Shape | None = None) -> VDVAE | Diffused:
    """The trained autoencoder that `spec` names, for images of `shape` (C, H, W), in eval mode.

    spec: the folder of a `sparring train-augmentor` run, its augmentor.safetensors, or diffusers:NAME_OR_FOLDER.
    Raises UserError where there is none, or it was trained for other images.
    """
    if str(spec).startswith(DIFFUSERS):
        return diffused(str(spec).removeprefix(DIFFUSERS), shape).eval()
    file = kept_in(Path(spec).expanduser())
    tensors, notes = weights.read(file)
    try:
        told = json.loads(notes[NOTE])
        plan, made_for = Plan(**told["plan"]), told["shape"]
        vae = VDVAE(plan, (int(made_for[0]), int(made_for[1]), int(made_for[2])))
    except (KeyError, TypeError, ValueError, IndexError) as wrong:
        raise UserError(f"{file} does not say which autoencoder its weights are of; give a run's folder") from wrong
    if shape is not None and tuple(shape) != vae.shape:
        raise UserError(
            f"the autoencoder in {file} was trained on images of {tell(vae.shape)}, and these are {tell(shape)}: "
            "train one on this data with `sparring train-augmentor`"
        )
    weights.put(vae, tensors, file)
    return vae.eval()


def kept_in(path: Path) -> Path:
    """The weights file of the autoencoder in a run's folder, or `path` itself where it is one."""
    advice = "give the folder of a `sparring train-augmentor` run, or diffusers:NAME"
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"there is no autoencoder at {path}: {advice}")
    if (path / STUDENT).exists():
        raise UserError(f"{path} holds a run that trained a student and no autoencoder: {advice}")
    if (path / "config.yaml").exists() and not (path / AUGMENTOR).exists():
        raise UserError(f"the run in {path} is not finished: go on with it, with --resume")
    if not (path / AUGMENTOR).exists():
        raise UserError(f"the folder {path} holds no {AUGMENTOR}: {advice}")
    return path / AUGMENTOR


def tell(shape: Shape) -> str:
    """A shape (C, H, W) in words."""
    channels, height, width = shape
    return f"{height}×{width} pixels and {channels} channel{'s' if channels > 1 else ''}"
