"""Networks of timm and torchvision, imported only when asked for.

torchvision's compiled part does not load beside a PyTorch built for another device, and then neither torchvision nor
timm can be imported. Their networks need none of it, so the two operators it misses are declared first.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from sparring.core import UserError, did_you_mean
from sparring.errors import first_line
from sparring.nets.origin import Normalisation, Shape

_kept: list[torch.library.Library] = []  # a declaration lives as long as its library object


def mend_torchvision() -> None:
    """Make `import torchvision` work where its compiled operators do not load; does nothing where they do."""
    found = importlib.util.find_spec("torchvision")
    if _kept or found is None or found.origin is None:
        return
    for compiled in sorted(Path(found.origin).parent.glob("_C*")):
        try:
            torch.ops.load_library(str(compiled))
            return
        except (OSError, ImportError):
            continue
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)


def extra(module: str, group: str) -> ModuleType:
    """Import `module`, or say which extra brings it."""
    try:
        mend_torchvision()
        return importlib.import_module(module)
    except ImportError as missing:
        raise UserError(
            f"{module} is needed for this network and could not be imported ({missing}); "
            f"install it with: pip install 'sparring[{group}]'"
        ) from missing


def timm_body(
    name: str, classes: int, shape: Shape, pretrained: bool, options: dict[str, Any], *, head: bool
) -> nn.Module:
    """The timm network `name`. head: a new one for `classes`; without, a pretrained network keeps its own."""
    timm = extra("timm", "vision")
    heads = {"num_classes": classes} if head else {}
    if ":" in name:
        raise UserError(
            f"timm:{name} is not a name in timm; repositories of the hub are not supported here, use hf:NAME"
        )
    if not timm.is_model(name):
        raise UserError(f"timm has no network {name!r}. {did_you_mean(name, timm.list_models())[:200]}")
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:  # a transformer is made for one size: make it for ours
        options.setdefault("img_size", shape[1:])
    try:
        return timm.create_model(name, pretrained=pretrained, in_chans=shape[0], **heads, **options)
    except Exception as wrong:
        raise _not_made(f"timm:{name}", pretrained, wrong) from wrong


def timm_normalisation(body: nn.Module) -> Normalisation | None:
    """The mean and std a pretrained timm network was trained with."""
    config = getattr(body, "pretrained_cfg", None) or {}
    return (tuple(config["mean"]), tuple(config["std"])) if config.get("mean") and config.get("std") else None


def torchvision_body(name: str, classes: int, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    """The torchvision classifier `name`; a pretrained one keeps its own head, whatever `classes` says."""
    models = extra("torchvision.models", "vision")
    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"torchvision has no classifier {name!r}. {did_you_mean(name, known)[:200]}")
    heads = {"weights": "DEFAULT"} if pretrained else {"weights": None, "num_classes": classes}
    try:
        return models.get_model(name, **heads, **options)
    except Exception as wrong:
        raise _not_made(f"torchvision:{name}", pretrained, wrong) from wrong


def torchvision_normalisation(name: str) -> Normalisation | None:
    """The mean and std of torchvision's default weights for `name`."""
    preset = extra("torchvision.models", "vision").get_model_weights(name).DEFAULT.transforms()
    return tuple(preset.mean), tuple(preset.std)


def _not_made(spec: str, pretrained: bool, wrong: Exception) -> UserError:
    told = first_line(wrong)
    if pretrained:
        return UserError(
            f"the pretrained weights of {spec} could not be had ({told}); "
            f"check the network connection, or give a file you have: {spec}@weights.safetensors"
        )
    return UserError(f"{spec} could not be made ({type(wrong).__name__}: {told}); check its name and options")
