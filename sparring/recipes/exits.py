"""A network that has exits: how good each of them is, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable

from sparring import nets
from sparring.core import Batch, Network
from sparring.evaluate import macs, parameters, score_exits
from sparring.nets.exits import DEEPEST


def by_exit(net: Network, shape: tuple[int, int, int], batches: Iterable[Batch]) -> dict[str, dict[str, float]]:
    """Of a network that has exits, the scores, parameters and MACs (for one image of `shape`, (C, H, W)) of each, its
    own end under "deepest"; and those of all together, who answer the mean of their logits ("ensemble"). Of another {}.

    An exit's cost is that of the network up to it, without the other exits.
    """
    if not (names := nets.exits_of(net)):
        return {}
    found = score_exits(net, batches, names, DEEPEST)
    for name, values in found.items():
        upto = nets.only(net, name) if name in (*names, DEEPEST) else net
        values |= {"parameters": parameters(upto), "macs": macs(upto, shape)}
    return found
