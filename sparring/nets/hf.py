"""Image classifiers of transformers, by the name of a repository or the path of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from sparring.core import UserError
from sparring.nets.origin import Normalisation
from sparring.nets.vision import extra
from sparring.nets.weights import other_classes


def hf_body(name: str, classes: int) -> nn.Module:
    """The trained classifier `name`, head included; refused where any of its weights would be made up."""
    transformers = extra("transformers", "hf")
    spec = f"hf:{name}"
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        if config.num_labels != classes:
            raise other_classes(spec, config.num_labels, classes)
        body, told = transformers.AutoModelForImageClassification.from_pretrained(
            name, config=config, trust_remote_code=False, output_loading_info=True
        )
    except UserError:
        raise
    except Exception as wrong:
        raise _not_made(spec, name, wrong) from wrong
    made_up = [*told["missing_keys"], *(key[0] for key in told["mismatched_keys"])]
    if made_up:
        raise UserError(
            f"{spec} lacks {len(made_up)} of the weights an image classifier needs ({', '.join(sorted(made_up)[:3])}), "
            "so they would be random; fine-tune it for classification first"
        )
    return body


def hf_empty(config: dict[str, Any]) -> nn.Module:
    """The untrained classifier that `config` (its `to_dict`) describes; what a saved network is made from again."""
    transformers = extra("transformers", "hf")
    try:
        known = transformers.AutoConfig.for_model(**config)
        return transformers.AutoModelForImageClassification.from_config(known, trust_remote_code=False)
    except Exception as wrong:
        raise UserError(
            f"this transformers cannot make the saved {config.get('model_type')!r} network "
            f"({type(wrong).__name__}: {str(wrong)[:200]}); try the version it was saved with"
        ) from wrong


def hf_told(name: str, classes: int) -> dict[str, Any]:
    """The configuration kept under `name`, for `classes`; no weights are read."""
    try:
        return _plain(extra("transformers", "hf").AutoConfig.from_pretrained(name, num_labels=classes))
    except UserError:
        raise
    except Exception as wrong:
        raise _not_made(f"hf:{name}", name, wrong) from wrong


def hf_config(body: nn.Module) -> dict[str, Any]:
    """The configuration of a transformers network, as JSON can hold it."""
    return _plain(body.config)


def _plain(config: Any) -> dict[str, Any]:
    return json.loads(config.to_json_string(use_diff=False))


def hf_normalisation(name: str) -> Normalisation | None:
    """The mean and std of the image processor kept beside the network; None where there is no processor."""
    mixin = extra("transformers.image_processing_base", "hf").ImageProcessingMixin
    try:
        told, _ = mixin.get_image_processor_dict(name)
    except OSError:
        return None
    if not told.get("do_normalize", True):
        return (0.0,), (1.0,)
    mean, std = told.get("image_mean"), told.get("image_std")
    return (tuple(mean), tuple(std)) if mean and std else None


def _not_made(spec: str, name: str, wrong: Exception) -> UserError:
    told = " ".join(str(wrong).split())[:250]
    if Path(name).is_dir():
        return UserError(f"the folder {name} is no image classifier that transformers can read ({told}); check it")
    return UserError(
        f"{spec} could not be had ({told}); check the name and the network connection, or give a local folder: hf:path"
    )
