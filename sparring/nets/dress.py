"""What a network was dressed in for its training, put on again when it is loaded: the table of the kinds there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from sparring.core import UserError
from sparring.nets import exits, reused

KINDS: dict[str, Callable[[nn.Module, Mapping[str, Any]], nn.Module]] = {
    reused.KIND: reused.dressed,
    exits.KIND: exits.dressed,
    exits.ALONE: exits.cut,
}


def dressed(body: nn.Module, told: Mapping[str, Any], where: object) -> nn.Module:
    """A bare body dressed as an origin tells of it (`Origin.dress`), weights to be filled in; `where` names the file.

    Raises UserError for a kind that is not known here, and for a body that lacks what it was dressed at.
    """
    if not told:
        return body
    if told["kind"] not in KINDS:
        raise UserError(f"{where} holds a network with {told['kind']}, which is unknown here: update sparring")
    try:
        return KINDS[told["kind"]](body, told)
    except AttributeError as wrong:
        raise UserError(f"the weights in {where} are another network's ({wrong}): name the one they are of") from wrong
