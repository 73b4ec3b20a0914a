"""What the paper makes of one line of a row against another, beside ours: which way, by how much, and whether alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparring.report.asked import NAMES, value_of
from sparring.report.judged import Ends, Order, order, pointed, printed, welch
from sparring.report.ledger import Run
from sparring.report.table import Cell, Table, filled
from sparring.report.verdict import set_apart

Ours = Mapping[str, Sequence[Run]]
NOT_RUN = "not run here"


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a row against another on a metric, in points.

    gap, ends: the paper's difference and its interval by Welch, where its spreads are known. ours: None where no seed
    has both. claimed: whether the recipe's claim is about it. rival: whom the paper held `upper` against, where `lower`
    stands in for that with as many updates as `upper` had; else `lower` again. unlike: what else sets their runs apart.
    """

    upper: str
    lower: str
    metric: str
    gap: float
    ends: Ends | None
    ours: Order | None
    claimed: bool
    rival: str
    unlike: tuple[str, ...]

    @property
    def shown(self) -> str:
        """ "disk − kd"."""
        return f"{self.upper} − {self.lower}"

    @property
    def word(self) -> str:
        """Whether ours lies on the paper's side of 0, where it was run."""
        return self.ours.direction if self.ours else NOT_RUN

    @property
    def matched(self) -> bool:
        """Whether this is no pair of the paper's, but the rival that had as many updates."""
        return self.rival != self.lower


def differences(row: Mapping[str, Any], ours: Ours) -> list[Difference]:
    """The differences of a plan's row of which the paper prints both numbers; after each the one to the rival that had
    as many updates, where the row has such."""
    claims = {line["name"]: line["claims"] for line in row["lines"]}
    about, matched = {tuple(each) for each in row.get("about", ())}, row.get("matched", {})
    found = []
    for upper, rival in row.get("order", ()):
        for metric in row["metrics"]:
            pair = claims[upper].get(metric), claims[rival].get(metric)
            if pair[0] is None or pair[1] is None:
                continue
            gap = pair[0]["published"]["mean"] - pair[1]["published"]["mean"]
            ends = welch(*map(printed, pair))
            for lower in dict.fromkeys((rival, matched.get(rival, rival))):
                held = order(by_seed(ours[upper], row, metric), by_seed(ours[lower], row, metric), *pair)
                unlike = tuple(dict.fromkeys(apart(ours[upper], ours[lower])))
                claimed = (upper, rival, metric) in about
                found.append(Difference(upper, lower, metric, gap, ends, held, claimed, rival, unlike))
    return found


def apart(found: Sequence[Run], others: Sequence[Run]) -> Iterator[str]:
    """What sets the runs of two lines apart but their methods; folders by their last two names."""
    theirs = {run.seed: run for run in others}
    for run in found:
        if run.seed in theirs:
            yield from (re.sub(r"\S*/(?=[^/\s]+/[^/\s]+)", "", why) for why in set_apart(run, theirs[run.seed]))


def by_seed(found: Sequence[Run], row: Mapping[str, Any], metric: str) -> dict[int, float]:
    """A metric of every run that has it, in %, by the run's seed."""
    told = ((run.seed, value_of(run, metric, row)) for run in found)
    return {seed: 100 * value for seed, value in told if seed is not None and value is not None}


def differences_table(found: Sequence[Difference]) -> Table | None:
    """Some differences as a table; None for none."""
    if not found:
        return None
    columns = {
        "difference": [each.shown for each in found],
        "of": [NAMES.get(each.metric, each.metric) for each in found],
        "the claim's": ["yes" * each.claimed for each in found],
        "published": [
            pointed(each.gap, each.ends) + (f" (over {each.rival})" if each.matched else "") for each in found
        ],
        "ours": [f"{pointed(each.ours.gap, each.ours.ends)} ({each.ours.n})" if each.ours else "" for each in found],
        "direction": [each.word for each in found],
        "not an equal comparison": ["; ".join(each.unlike) if each.ours else "" for each in found],
    }
    return filled({head: [Cell(text, text) for text in cells] for head, cells in columns.items()})
