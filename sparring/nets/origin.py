"""Where a network came from: what must be known, beside its weights, to make it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from sparring.core import Network, UserError

Shape = tuple[int, int, int]
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""(mean, std), each per channel or one for all, in [0, 1] units."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The recipe of a network.

    spec: what was asked for, without weights ("resnet18", "timm:resnet18", "/home/me/net.py:tiny"); None for a module
    made in Python. classes, shape (C, H, W): what it was made for. mean, std: the normalisation it carries.
    options: further arguments of its factory. dress: what it was dressed in for its training, or nothing (`dress.py`).
    trained: whether weights were loaded into it. anew: whether its dress is new, with weights that chance gave it.
    """

    spec: str | None
    classes: int | None
    shape: Shape | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    dress: dict[str, Any] = field(default_factory=dict)
    trained: bool = False
    anew: bool = False

    @property
    def called(self) -> str | None:
        """What a table calls it: its spec, behind the exit where it ends at one."""
        return f"{self.dress['exit']}:{self.spec}" if self.spec and "exit" in self.dress else self.spec

    @property
    def untrained(self) -> bool:
        """Whether it is known to have the weights that chance gave it; of a module made in Python nobody knows."""
        return self.spec is not None and not self.trained

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        try:
            told = {name: value for name, value in asdict(self).items() if name not in ("trained", "anew")}
            return json.dumps(told)
        except TypeError as wrong:
            raise UserError(
                f"the options of {self.spec} cannot be written down ({wrong}); give numbers, texts, lists of them"
            ) from wrong

    @classmethod
    def from_json(cls, text: str, where: object) -> Origin:
        """Read what `to_json` wrote; `where` names the file in the error."""
        try:
            told = json.loads(text)
            return cls(
                spec=None if told["spec"] is None else str(told["spec"]),
                classes=None if told["classes"] is None else int(told["classes"]),
                shape=_shape(told["shape"]),
                mean=tuple(float(v) for v in told["mean"]),
                std=tuple(float(v) for v in told["std"]),
                class_names=None if told.get("class_names") is None else tuple(map(str, told["class_names"])),
                options=dict(told.get("options") or {}),
                dress=dict(told.get("dress") or {}),
                trained=True,
            )
        except (KeyError, TypeError, ValueError) as wrong:
            raise UserError(
                f"{where} does not describe its network in a way this version understands ({wrong!r}); "
                "name the network yourself: NAME@" + str(where)
            ) from wrong


def _shape(told: Any) -> Shape | None:
    if told is None:
        return None
    channels, height, width = (int(v) for v in told)
    return channels, height, width


def checked(spec: str, classes: int | None, shape: Sequence[int] | None) -> tuple[int, Shape]:
    """The classes and shape (C, H, W) a network is to be made for, or an error that asks for them."""
    if classes is None or shape is None:
        raise UserError(
            f"{spec!r} does not say what it was made for; give classes= and shape=(channels, height, width)"
        )
    if classes < 2 or len(shape) != 3 or min(shape) < 1:
        raise UserError(
            f"{spec!r} was asked for {classes} classes and images of shape {tuple(shape)}; "
            "give two classes or more and shape=(channels, height, width)"
        )
    return int(classes), (int(shape[0]), int(shape[1]), int(shape[2]))


def network(body: nn.Module, origin: Origin) -> Network:
    """`body` with the normalisation and the taps it should have, remembering its origin."""
    channels = origin.shape[0] if origin.shape else None
    for name, values in (("mean", origin.mean), ("std", origin.std)):
        if channels and len(values) not in (1, channels):
            raise UserError(
                f"{name} has {len(values)} values but the images have {channels} channels; "
                "give one value, or one a channel"
            )
    origin.to_json()  # what could not be saved after training is refused before it
    taps = getattr(body, "taps", None)
    net = Network(
        body, mean=origin.mean, std=origin.std, taps=taps if isinstance(taps, dict) else None, name=origin.called
    )
    # Past nn.Module's own bookkeeping: a fact about the network, not a part of it.
    object.__setattr__(net, "origin", origin)
    return net


def origin_of(net: Network) -> Origin:
    """The origin `build`, `load` or `wrap` gave to `net`; a network made otherwise has no spec, classes or shape."""
    known = getattr(net, "origin", None)
    mean, std = tuple(net.mean.flatten().tolist()), tuple(net.std.flatten().tolist())
    return known if isinstance(known, Origin) else Origin(None, None, None, mean, std)


def refuse_dressed(net: Network, why: str, *, but: str | None = None) -> None:
    """Raise UserError for a network that an earlier training dressed, unless in the kind `but`; `why` says what is not
    done to such a one."""
    if (kind := origin_of(net).dress.get("kind")) not in (None, but):
        raise UserError(f"{net.name} was dressed by an earlier training ({kind}), and {why}: give one that was not")


def with_class_names(origin: Origin, names: Sequence[str] | None) -> Origin:
    """`origin` with the names of its classes, where given."""
    return origin if names is None else replace(origin, class_names=tuple(names))
