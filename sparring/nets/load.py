"""From what the user wrote to a network with its weights; from a network to a file, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sparring.core import Network, UserError
from sparring.files import ADVICE
from sparring.nets import hf, names, vision, weights
from sparring.nets.dress import dressed
from sparring.nets.exits import exit_asked, only
from sparring.nets.origin import Normalisation, Origin, Shape, checked, network, origin_of, with_class_names
from sparring.nets.spec import LIBRARIES, PRETRAINED, STUDENT, Spec, parse, run_file
from sparring.nets.trial import classes_of
from sparring.nets.userfile import user_body

NOTE = "network"  # the key of a network's origin in the metadata of its weights


@dataclass(frozen=True, slots=True)
class _Made:
    """A body; the normalisation its weights want, if they want one; options to remember beyond the given ones."""

    body: nn.Module
    normalisation: Normalisation | None = None
    options: Mapping[str, Any] | None = None
    trained: bool = False


def load(
    spec: str,
    *,
    classes: int | None = None,
    shape: tuple[int, int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **options: Any,
) -> Network:
    """The network that `spec` names (see `spec.py`), for `classes` and images of `shape` (C, H, W).

    mean, std: the data's normalisation, carried by the network unless its weights were trained with another.
    classes and shape may be left out where the weights come from a run, which knows them.
    """
    if (asked_exit := exit_asked(spec)) is not None:
        name, rest = asked_exit
        return only(load(rest, classes=classes, shape=shape, mean=mean, std=std, **options), name)
    if spec not in names.TABLE and (file := run_file(spec)):  # a folder may happen to be called resnet18
        return _again(file, classes, shape, options)
    asked = parse(spec)
    file = asked.weights_file
    tensors, notes = weights.read(file) if file else ({}, {})
    known = Origin.from_json(notes[NOTE], file) if NOTE in notes else None
    if known:
        _agree(file, known, classes, shape)
        classes, shape = classes or known.classes, shape or known.shape
        options = {**(known.options if known.spec == str(asked) else {}), **options}
    classes, shape = checked(spec, classes, shape)
    made = _make(asked, classes, shape, options)
    if asked.kind != "own":
        _try_out(made.body, asked, classes, shape)
    dress = known.dress if known else {}
    body = dressed(made.body, dress, file)
    if file:
        weights.put(body, tensors, file)
    wanted = (known.mean, known.std) if known else made.normalisation
    mean, std = _normalisation(wanted, mean, std, channels=shape[0])
    origin = Origin(
        spec=str(asked),
        classes=classes,
        shape=shape,
        mean=mean,
        std=std,
        class_names=known.class_names if known else None,
        options={**options, **(made.options or {})},
        dress=dress,
        trained=bool(file) or made.trained,
    )
    return network(body, origin)


def save(net: Network, path: str | Path, *, class_names: Sequence[str] | None = None, advice: str = ADVICE) -> Path:
    """Write the network's body and origin to `path` (in a directory: student.safetensors), whole or not at all.

    `load` makes the same network from it, bit for bit. advice: what to do where it cannot be written.
    """
    path = Path(path) / STUDENT if Path(path).is_dir() else Path(path)
    origin = with_class_names(origin_of(net), class_names)
    weights.write(net.body, path, {NOTE: origin.to_json()}, advice=advice)
    return path


def wrap(module: nn.Module, *, mean: Sequence[float], std: Sequence[float]) -> Network:
    """Any module made in Python, with its normalisation inside; a `Network` is returned as it is."""
    if isinstance(module, Network):
        return module
    if not isinstance(module, nn.Module):
        advice = "call it first" if callable(module) else "wrap it in one"
        raise UserError(f"a network must be a torch.nn.Module, but {type(module).__name__} was given; {advice}")
    return network(module, Origin(None, None, None, tuple(mean), tuple(std)))


def _normalisation(
    wanted: Normalisation | None, mean: Sequence[float] | None, std: Sequence[float] | None, *, channels: int
) -> Normalisation:
    """What the weights were trained with, where that fits the images; else the data's; else none."""
    if wanted is not None and len(wanted[0]) in (1, channels):
        return wanted
    return tuple(mean or (0.0,)), tuple(std or (1.0,))


def _again(file: Path, classes: int | None, shape: Shape | None, options: Mapping[str, Any]) -> Network:
    """The network a weights file tells of, made again."""
    tensors, notes = weights.read(file)
    if NOTE not in notes:
        raise UserError(f"{file} does not say which network its weights belong to; give NAME@{file}")
    origin = Origin.from_json(notes[NOTE], file)
    if origin.spec is None:
        raise UserError(
            f"{file} holds the weights of a module made in Python, whose class it cannot know; "
            f"give it as path/to/file.py:callable@{file}"
        )
    if options:
        raise UserError(f"{file} knows its network's options, but {', '.join(options)} was given; leave it out")
    _agree(file, origin, classes, shape)
    asked = parse(origin.spec)
    if asked.kind == "file" and not Path(asked.name).is_file():
        raise UserError(
            f"{file} was trained with {origin.spec}, which is no longer there; "
            f"give path/to/file.py:{asked.callable}@{file}"
        )
    classes, own_shape = checked(str(file), origin.classes, origin.shape)
    made = _make(asked, classes, own_shape, origin.options)
    if asked.kind != "own" or shape not in (None, own_shape):  # layers of a user's own may be lazy: unmade until asked
        _try_out(made.body, asked, classes, shape or own_shape)
    body = dressed(made.body, origin.dress, file)
    weights.put(body, tensors, file)
    return network(body, origin)


def _agree(file: Path | None, known: Origin, classes: int | None, shape: Shape | None) -> None:
    """Refuse data that a trained network cannot be for."""
    if classes is not None and known.classes is not None and classes != known.classes:
        raise weights.other_classes(file, known.classes, classes)
    if shape is not None and known.shape is not None and shape[0] != known.shape[0]:
        raise UserError(
            f"{file} was trained on images of {known.shape[0]} channels, but these have {shape[0]}; "
            "give it data with as many channels"
        )


def _make(asked: Spec, classes: int, shape: Shape, options: Mapping[str, Any]) -> _Made:
    """The module of each kind, with a library's own weights where these are asked for."""
    if asked.kind == "own":
        return _Made(names.body(asked.name, classes, shape, options))
    if asked.kind == "file":
        return _Made(user_body(Path(asked.name), asked.callable, classes, options))
    if asked.kind == "hf":
        return _make_hf(asked, classes, options)
    if taken := set(options) & {"pretrained", "weights", "checkpoint_path", "num_classes", "in_chans"}:
        raise UserError(f"{asked} was given {sorted(taken)[0]}=; name weights after an @ instead: {asked}@{PRETRAINED}")
    if asked.kind == "timm":
        own_weights = asked.pretrained or asked.backbone
        body = vision.timm_body(asked.name, classes, shape, own_weights, dict(options), head=not asked.pretrained)
        own = vision.timm_normalisation(body) if own_weights else None
    else:
        body = vision.torchvision_body(asked.name, classes, asked.pretrained, dict(options))
        own = vision.torchvision_normalisation(asked.name) if asked.pretrained else None
    return _Made(body, own, trained=asked.pretrained)


def _make_hf(asked: Spec, classes: int, options: Mapping[str, Any]) -> _Made:
    if set(options) - {"config"}:
        raise UserError(f"{asked} takes no options, but {', '.join(options)} was given; set them in its config.json")
    if "config" in options:  # saved by us: the architecture is known without asking anyone
        return _Made(hf.hf_empty(options["config"]))
    if asked.weights:
        return _hf_made(hf.hf_empty(hf.hf_told(asked.name, classes)))
    return _hf_made(hf.hf_body(asked.name, classes), hf.hf_normalisation(asked.name), trained=True)


def _hf_made(body: nn.Module, normalisation: Normalisation | None = None, trained: bool = False) -> _Made:
    return _Made(body, normalisation, {"config": hf.hf_config(body)}, trained)


def _try_out(body: nn.Module, asked: Spec, classes: int, shape: Shape) -> None:
    """Ask a foreign network about its images, and refuse it where it answers other classes."""
    answered = classes_of(Network(body), shape, str(asked))
    if answered != classes:
        if asked.kind in LIBRARIES:
            raise weights.other_classes(asked, answered, classes)
        raise UserError(f"{asked} answers {answered} classes, but {classes} are asked for; let it take num_classes=")
