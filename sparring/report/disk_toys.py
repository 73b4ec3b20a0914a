"""DiSK's toys on one page: where each method's runs ended, the losses they went down, and what the guide censors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sparring.files import write_text
from sparring.report.figures import COLOURS, STYLE, markup

Counts = Mapping[str, Sequence[int]]
LANDSCAPE = (
    "Each method's loss on the first seed's samples, darker where it is higher, DiSK's under the mean of its guides, "
    "and some runs from where they began (small dot) to where they ended (large)."
)
SHOWN = 24  # paths in a landscape
INKS = ("#d0504b", "#d9822b", "#2f9e75", "#3b82c4", "#7d8792")  # an end's colour, in the order of the toy's kinds


@dataclass(frozen=True, slots=True)
class Landscape:
    """A method's loss (rows of `up`, columns of `across`) over two directions, NaN where no student is; `paths`: where
    its runs went, (steps, R, 2); ends: the kind that each run ended in, (R,)."""

    across: np.ndarray
    up: np.ndarray
    loss: np.ndarray
    paths: np.ndarray
    ends: Sequence[int]


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures of one toy: a landscape for each method, its axes' names, marks (x, y) by name in it; guide: DiSK's
    over the inputs, (x, [(when, g)]) on a line or (across, up, g, samples, labels) in a plane."""

    landscapes: Mapping[str, Landscape]
    axes: tuple[str, str]
    marks: Mapping[str, tuple[float, float]]
    line: tuple[np.ndarray, Mapping[str, np.ndarray]] | None = None
    plane: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class Toy:
    """One toy: what it is, the kinds of end, how many of `of` runs came to each by method and seed, what is published
    of 100, and how it was trained."""

    title: str
    kinds: Sequence[str]
    counts: Mapping[str, Sequence[Sequence[int]]]
    published: Counts
    of: int
    protocol: str
    scene: Scene


def share(counts: Sequence[Sequence[int]], of: int) -> list[float]:
    """Each kind's mean over the seeds, of 100."""
    return [100 * float(np.mean(each)) / of for each in zip(*counts, strict=True)]


def rows(toy: Toy) -> list[list[str]]:
    """The table's lines: a method, ours for each kind of end (mean, and the seeds' range), the paper's."""
    lines = []
    for name, counts in toy.counts.items():
        cells = []
        for at, mean in enumerate(share(counts, toy.of)):
            each = [100 * one[at] / toy.of for one in counts]
            spread = f" ({min(each):.0f}–{max(each):.0f})" if len(each) > 1 else ""
            paper = toy.published[name]
            cells.append(f"{mean:.1f}{spread} | {paper[at] if at < len(paper) else '–'}")
        lines.append([name, *cells])
    return lines


def sentence(toy: Toy, *, whole: bool) -> str:
    """What the counts say of the paper's claim; of a training that was not the whole one, only that."""
    if not whole:
        return f"{toy.title}: far too short for any count to mean something; this shows that every line runs."
    best = len(next(iter(toy.published.values()))) - 1
    ours = {name: [100 * one[best] / toy.of for one in counts] for name, counts in toy.counts.items()}
    told = ", ".join(f"{name} {np.mean(each):.0f}" for name, each in ours.items())
    paper = ", ".join(f"{name} {counts[best]}" for name, counts in toy.published.items())
    pairs = list(zip(ours["DiSK"], ours["KD"], strict=True))
    ahead = sum(a > b for a, b in pairs)
    return (
        f"{toy.title}: of 100 runs end in the global minimum ({toy.kinds[best]}) {told}; published {paper}. DiSK is "
        f"ahead of KD on {ahead} of {len(pairs)} seeds, {toy.of} initialisations each."
    )


def head(toy: Toy) -> list[str]:
    """The names of the table's columns."""
    return ["method", *(f"{kind} | paper" for kind in toy.kinds)]


def markdown(toys: Sequence[Toy], *, whole: bool) -> str:
    """Tables and verdicts in Markdown."""
    parts = []
    for toy in toys:
        table = [head(toy), ["---"] * (2 * len(toy.kinds) + 1), *rows(toy)]
        parts += [
            f"## {toy.title}", sentence(toy, whole=whole), "\n".join(f"| {' | '.join(line)} |" for line in table),
            toy.protocol,
        ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def landscapes(toy: Toy) -> Figure:
    """A panel for each method: its loss, the minima, and some runs from where they began to where they ended."""
    scene, many = toy.scene, len(toy.scene.landscapes)
    whole = Figure(figsize=(3.9 * many, 4.1), layout="constrained")
    for number, (ax, (name, told)) in enumerate(
        zip(np.atleast_1d(whole.subplots(1, many)), scene.landscapes.items(), strict=True)
    ):
        surface(ax, told)
        trails(ax, told, toy.kinds)
        for mark, (x, y) in scene.marks.items():
            ax.plot(x, y, marker="*", markersize=13, color="white", markeredgecolor="black", zorder=5)
            ax.annotate(mark, (x, y), xytext=(6, 5), textcoords="offset points", fontweight="bold", zorder=6)
        ax.set(title=name, xlabel=scene.axes[0], xlim=(told.across[0], told.across[-1]), ylim=(told.up[0], told.up[-1]))
        ax.grid(False)
        if number == 0:
            ax.set_ylabel(scene.axes[1])
    handles = [
        Line2D([], [], color=ink, marker="o", markersize=4, label=ended(kind))
        for kind, ink in zip(toy.kinds, INKS, strict=False)
    ]
    whole.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return whole


def ended(kind: str) -> str:
    """How a legend says where runs ended."""
    return "ended elsewhere" if kind == "elsewhere" else f"ended at {kind} %" if kind.isdigit() else f"ended in {kind}"


def surface(ax: Axes, told: Landscape) -> None:
    """Filled contours of a loss, evenly many in each part of its range; as curves they would be most of the page."""
    known = told.loss[np.isfinite(told.loss)]
    levels = np.unique(np.quantile(known, np.linspace(0, 1, 15)))
    at = (told.across, told.up, told.loss)
    filled = ax.contourf(*at, levels=levels, cmap="Greys", alpha=0.8, norm=BoundaryNorm(levels, 256))
    filled.set_rasterized(True)


def trails(ax: Axes, told: Landscape, kinds: Sequence[str]) -> None:
    """Some runs' paths, a dot where each began and a larger one where it ended."""
    for run in range(min(SHOWN, told.paths.shape[1])):
        path, ink = told.paths[:, run], INKS[told.ends[run] % len(INKS)]
        ax.plot(path[:, 0], path[:, 1], color=ink, linewidth=0.9, alpha=0.8)
        ax.plot(*path[0], ".", color=ink, markersize=3)
        ax.plot(*path[-1], "o", color=ink, markersize=4.5, markeredgecolor="white", markeredgewidth=0.5, zorder=4)


def censored_line(scene: Scene) -> Figure:
    """How much the guides censor along the line, on the mean over the runs, at some times of the training."""
    assert scene.line is not None
    x, times = scene.line
    whole = Figure(figsize=(7.6, 2.9), layout="constrained")
    ax = whole.subplots()
    for low, high in ((2, 3), (5, 7)):
        ax.axvspan(low, high, color="#3b82c4", alpha=0.15, linewidth=0, label="blue" if low == 2 else None)
    for (when, g), shade in zip(times.items(), np.linspace(0.35, 1, len(times)), strict=True):
        ax.plot(x, g, color=COLOURS[1], alpha=shade, linewidth=1.6, label=when)
    ax.set(xlabel="x", ylabel="guide g(x), mean over runs", ylim=(-0.02, 1.02), xlim=(x[0], x[-1]))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return whole


def censored_plane(scene: Scene) -> Figure:
    """How much the guides censor over the plane, on the mean over the runs, and the samples."""
    assert scene.plane is not None
    across, up, g, samples, labels = scene.plane
    whole = Figure(figsize=(5.6, 3.4), layout="constrained")
    ax = whole.subplots()
    filled = ax.contourf(across, up, g, levels=np.linspace(0, 1, 21), cmap="Oranges")
    filled.set_rasterized(True)
    for label, (name, ink) in enumerate((("red", "#d0504b"), ("blue", "#3b82c4"), ("green", "#2f9e75"))):
        ax.plot(*samples[labels == label].T, ".", color=ink, markersize=2.5, label=name, rasterized=True)
    whole.colorbar(filled, ax=ax, label="guide g(x), mean over runs", ticks=[0, 0.25, 0.5, 0.75, 1])
    ax.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal")
    ax.grid(False)
    ax.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0), markerscale=3)
    return whole


def pictures(toy: Toy) -> list[tuple[str, Figure]]:
    """The toy's figures, each with what it shows."""
    with matplotlib.rc_context(STYLE):
        told = [(LANDSCAPE, landscapes(toy))]
        if toy.scene.line:
            told.append(("What the guide censors along the line.", censored_line(toy.scene)))
        if toy.scene.plane:
            told.append(("What the guide censors in the plane, at the end.", censored_plane(toy.scene)))
    return told


def page(toys: Sequence[Toy], out: Path, *, whole: bool) -> Path:
    """Write one self-contained HTML page to `out`, and return it."""
    parts = []
    for toy in toys:
        cells = "".join(
            "<tr><th>" + "</th><td>".join(escape(cell.replace(" | ", "  ·  ")) for cell in line) + "</td></tr>"
            for line in rows(toy)
        )
        names = "".join(f"<th>{escape(name.replace(' | ', '  ·  '))}</th>" for name in head(toy))
        with matplotlib.rc_context(STYLE):
            drawn = "".join(
                f"<figure>{markup(figure)}<figcaption>{escape(caption)}</figcaption></figure>"
                for caption, figure in pictures(toy)
            )
        parts.append(
            f"<h2>{escape(toy.title)}</h2><p>{escape(sentence(toy, whole=whole))}</p>"
            f"<table><tr>{names}</tr>{cells}</table>{drawn}<p>{escape(toy.protocol)}</p>"
        )
    write_text(
        out,
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>DiSK, Table 1</title><style>"
        "body{font-family:sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
        "svg{max-width:100%;height:auto;background:white}th{text-align:left}th,td{padding:.2rem 1.4rem .2rem 0}"
        "figure{margin:1rem 0}</style>"
        "<h1>DiSK, Table 1: in which minimum a hundred initialisations end</h1>"
        "<p>Ours (mean over seeds, their range), then the paper's, of 100.</p>" + "".join(parts) + "</html>",
    )
    return out
