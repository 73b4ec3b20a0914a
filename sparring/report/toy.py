"""HARD's toy on one page: what each method's students learned, and what they were shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sparring.files import write_text
from sparring.report.figures import markup
from sparring.report.verdict import interval, summary

RANGE = 10.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of one method: mse (S,) of each seed's student on its test points; its `curve` (S, n) on `line` (n,);
    seen (many,): inputs that the students were shown over the training; points: the training inputs, (many,)."""

    mse: np.ndarray
    line: np.ndarray
    curve: np.ndarray
    seen: np.ndarray
    points: np.ndarray


def figure(found: Mapping[str, Learned]) -> Figure:
    """Fig. 2: a panel for each method with the teacher and every seed's student, above a histogram of the inputs."""
    whole = Figure(figsize=(3.4 * len(found), 4.6), layout="constrained")
    axes = whole.subplots(2, len(found), height_ratios=(3, 1), sharex=True, sharey="row", squeeze=False)
    for (name, learned), above, below in zip(found.items(), axes[0], axes[1], strict=True):
        above.plot(learned.line, np.cos(learned.line), color="black", linewidth=2, label="teacher, cos x")
        for number, curve in enumerate(learned.curve):
            label = "students, one a seed" if number == 0 else None
            above.plot(learned.line, curve, color="tab:blue", alpha=0.4, linewidth=1, label=label)
        above.plot(learned.points, np.cos(learned.points), ".", color="tab:red", markersize=2, label="training points")
        above.set(title=f"{name}: MSE {learned.mse.mean():.3g}", ylim=(-3, 3), xlim=(-RANGE, RANGE))
        inside = learned.seen[np.abs(learned.seen) <= RANGE]
        below.hist(inside, bins=60, range=(-RANGE, RANGE), density=True, color="tab:orange")
        below.set(xlabel="input x")
    axes[0][0].set_ylabel("answer")
    axes[1][0].set_ylabel("density of\ninputs shown")
    axes[0][0].legend(fontsize=7, loc="lower left")
    return whole


def sentences(found: Mapping[str, Learned], *, whole: bool) -> list[str]:
    """The order that the paper reports, step by step, seed by seed: which differences are there; of a training that
    was not the `whole` one, only that."""
    if not whole:
        return ["Far too short for the paper's order to be there: this shows that every line runs, and no more."]
    told = []
    for (worse, a), (better, b) in pairwise(found.items()):
        difference = summary([float(x - y) for x, y in zip(a.mse, b.mse, strict=True)])
        bounds = interval([float(x - y) for x, y in zip(a.mse, b.mse, strict=True)])
        assert difference is not None
        if bounds is None:
            told.append(f"{worse} − {better}: {difference.mean:+.3g}, one seed: cannot tell.")
            continue
        low, high = bounds
        word = "as published" if low > 0 else "the other way round" if high < 0 else "cannot tell"
        spread = f"95 % [{low:+.3g}, {high:+.3g}], n={difference.n}"
        told.append(f"{worse} − {better}: {difference.mean:+.3g} test MSE, {spread}: {word}.")
    return told


def rows(found: Mapping[str, Learned]) -> list[tuple[str, str]]:
    """Each method's test MSE: mean ± sd (n)."""
    each = {name: summary([float(value) for value in learned.mse]) for name, learned in found.items()}
    return [(name, f"{s.mean:.4g} ± {s.sd or 0:.2g} (n={s.n})") for name, s in each.items() if s is not None]


def markdown(found: Mapping[str, Learned], protocol: str, *, whole: bool) -> str:
    """The table and the verdicts in Markdown."""
    table = "\n".join(["| method | test MSE |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows(found))])
    return "\n\n".join([protocol, table, "\n".join(f"- {line}" for line in sentences(found, whole=whole))]) + "\n"


def page(found: Mapping[str, Learned], protocol: str, out: Path, *, whole: bool) -> Path:
    """Write one self-contained HTML page to `out`, and return it."""
    verdict = "".join(f"<li>{escape(line)}</li>" for line in sentences(found, whole=whole))
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows(found))
    write_text(
        out,
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>HARD, Fig. 2</title><style>body{font-family:sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "svg{max-width:100%;height:auto;background:white}th{text-align:left;padding-right:2rem}</style>"
        f"<h1>HARD, Fig. 2: what is left where nobody looked</h1><ul>{verdict}</ul>"
        f"<table><tr><th>method</th><th>test MSE, mean ± sd</th></tr>{table}</table>"
        f"<figure>{markup(figure(found))}</figure><p>{escape(protocol)}</p></html>",
    )
    return out
