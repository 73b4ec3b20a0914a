"""What a guide censors: the images it censors most and least, and its values beside the student's errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparring.files import atomic
from sparring.report.augmented import PRINTED, smaller
from sparring.report.figures import COLOURS, INK, STYLE, markup
from sparring.report.ledger import Run
from sparring.report.stored import stored

ARRAYS = "guide.npz"
BINS = 10
RIGHT, WRONG = COLOURS[2], COLOURS[6]
MARKS = {True: "✓", False: "✗"}  # behind an answer: is it the label?
NARROW = 1e-3
COLUMN, NAMES = 0.92, 0.66  # inches that an image is wide, and that the four lines below it are high
NEEDED = (
    *("values", "taken", "ce", "right", "taught"),
    *("images", "value", "share", "rows", "label", "teacher", "student"),
)
Arrays = Mapping[str, np.ndarray]


def guided(run: Run) -> tuple[str, str] | None:
    """What the run's guide censors as two svg elements, images and curves, or None where nothing can be read."""
    if (found := stored(run.path / ARRAYS, NEEDED)) is None:
        return None
    with matplotlib.rc_context(STYLE):
        shown, told = Figure(figsize=size(found), layout="constrained"), Figure((5.2, 4.6), layout="constrained")
        images(shown.subplots(), found, INK)
        curves(told, found)
        return markup(shown), markup(told)


def picture(found: Arrays, run: Run, path: Path) -> None:
    """Draw images and curves side by side to the PNG file `path`, atomically."""
    wide, high = size(found)
    with matplotlib.rc_context(PRINTED):
        whole = Figure(figsize=(wide + 5.2, max(high, 4.8)), dpi=110, layout="constrained")
        whole.suptitle(f"what the guide censors: {run.method} on {run.data}, seed {run.seed}", fontsize=10)
        left, right = np.asarray(whole.subfigures(1, 2, width_ratios=[wide, 5.2]))
        images(left.subplots(), found, "black")
        curves(right, found)
        with atomic(path) as unfinished:
            whole.savefig(unfinished, format="png", bbox_inches="tight")


def images(ax: Axes, found: Arrays, ink: str) -> None:
    """Draw the images most and least censored, under each the guide's value, its class and both networks' answers."""
    shown = smaller(found["images"].astype(np.float32))
    rows, columns = shown.shape[:2]
    high, wide = cell(shown.shape)
    unit = wide * 1.08 / COLUMN  # data units an inch
    step = (wide * 1.08, high + NAMES * unit)
    line = NAMES * unit / 4.4
    for row in range(rows):
        for column in range(columns):
            x, y = column * step[0], row * step[1]
            draw_one(ax, shown[row, column], (x, x + wide, y + high, y))
            label, teacher, student = (str(found[name][row, column]) for name in ("label", "teacher", "student"))
            value, share = (float(found[name][row, column]) for name in ("value", "share"))
            told = [f"g {value:.2f}, −{100 * share:.0f} %", f"is {label}"]
            answers = {"T": teacher, "S": student}
            told += [f"{who} {short(said, 12)} {MARKS[said == label]}" for who, said in answers.items()]
            for number, text in enumerate(told):
                at = (x, y + high + (number + 0.75) * line)
                ax.text(*at, short(text), color=ink, fontsize=7, va="center", weight="normal" if number else "bold")
    ax.set_xlim(-0.02 * wide, columns * step[0])
    ax.set_ylim(rows * step[1], -0.02 * high)
    ax.set_aspect("equal", anchor="N")
    ax.set_yticks([row * step[1] + high / 2 for row in range(rows)], [str(each) for each in found["rows"]])
    ax.tick_params(length=0)
    for label in ax.get_yticklabels():
        label.set(rotation=90, verticalalignment="center", fontsize=8)
    ax.set_xticks([])
    told = "g, and how much of its teaching it takes; T the teacher's answer, S the student's (✓ right, ✗ wrong)"
    ax.set_title(told, fontsize=8)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def draw_one(ax: Axes, image: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Draw one image (C, H, W) into a place; a signal of one row as a line for each channel."""
    left, right, bottom, top = extent
    if image.shape[1] > 1:
        seen = image[:3] if image.shape[0] >= 3 else np.repeat(image[:1], 3, 0)
        ax.imshow(seen.clip(0, 1).transpose(1, 2, 0), extent=extent, interpolation="none")
        return
    for channel, colour in zip(image[:, 0], COLOURS, strict=False):
        scaled = (channel - image.min()) / max(float(np.ptp(image)), 1e-6)
        ax.plot(np.linspace(left, right, len(scaled)), bottom - scaled * (bottom - top), color=colour, linewidth=1)


def short(text: str, longest: int = 16) -> str:
    """A caption that fits below its image."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def cell(shape: tuple[int, ...]) -> tuple[float, float]:
    """Height and width that an image (…, H, W) is given; those of a signal of one row are a line's."""
    return (shape[-2] if shape[-2] > 1 else 0.6 * shape[-1]), shape[-1]


def size(found: Arrays) -> tuple[float, float]:
    """How wide and high (inches) the images and what is written about them are."""
    rows, columns = found["images"].shape[:2]
    high, wide = cell(found["images"].shape)
    return max(0.5 + COLUMN * columns, 4.4), 0.4 + rows * (COLUMN * high / wide / 1.08 + NAMES)


def curves(whole: Figure, found: Arrays) -> None:
    """Draw how the student errs by the guide's value, above a histogram of the values."""
    above, below = whole.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    errors(above, found)
    values, right = found["values"], found["right"]
    low, high = float(values.min()), float(values.max())
    if high - low < NARROW:  # as good as one value: its place in [0, 1] is what there is to be seen
        low, high = 0.0, 1.0
    edges = np.linspace(low, high, 31)
    kinds = [values[right], values[~right]]
    labels = [f"student {word} ({len(kind):,})" for word, kind in zip(("right", "wrong"), kinds, strict=True)]
    below.hist(kinds, edges.tolist(), stacked=True, color=[RIGHT, WRONG], label=labels)
    below.set_ylabel("images")
    below.set_xlabel("g, how much the guide censors")
    below.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    below.legend()


def errors(ax: Axes, found: Arrays) -> None:
    """Draw error rates and the student's mean cross-entropy by the guide's value, in `groups` of images."""
    values = found["values"]
    rising = groups(values)
    x = [float(values[rows].mean()) for rows in rising]
    for name, key, colour, dash in (("student", "right", WRONG, "-"), ("teacher", "taught", COLOURS[7], "--")):
        wrong = [100 * float(1 - found[key][rows].mean()) for rows in rising]
        ax.plot(x, wrong, color=colour, linestyle=dash, marker="o", markersize=3, label=f"{name}'s error")
    beside = ax.twinx()
    ce = [float(found["ce"][rows].mean()) for rows in rising]
    beside.plot(x, ce, color=COLOURS[0], marker="s", markersize=3, linestyle=":", label="student's cross-entropy")
    beside.set_ylabel("mean cross-entropy, nats")
    beside.set_ylim(bottom=0)
    beside.grid(visible=False)
    ax.set_ylabel("error, %")
    ax.set_ylim(bottom=0)
    handles = [*ax.get_lines(), *beside.get_lines()]
    ax.legend(handles=handles, ncols=3, loc="lower left", bbox_to_anchor=(-0.1, 1.0), columnspacing=1.0)
    sizes = sorted({len(rows) for rows in rising})
    told = f"{len(rising)} groups of {sizes[0]:,}" + (f" to {sizes[-1]:,}" if len(sizes) > 1 else "") + " images"
    if values.max() - values.min() < NARROW:
        told = f"g is as good as the same on all {len(values):,} images"
    chances = [area(found[name], ~found["right"]) for name in ("values", "taken")]
    if None not in chances and values.max() - values.min() >= NARROW:  # else they tell of the student alone
        told += "\nAUROC for the student's errors: of g {:.3f}, of the share taken {:.3f}".format(*chances)
    ax.set_xlabel(told, fontsize=7)


def groups(values: np.ndarray) -> list[np.ndarray]:
    """The rows of rising values in groups of about one size, equal values together."""
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    group = np.searchsorted(cuts[1:-1], values, side="right")
    return [rows for number in range(len(cuts)) if len(rows := np.flatnonzero(group == number))]


def area(values: np.ndarray, positive: np.ndarray) -> float | None:
    """The chance that a positive has a larger value than a negative, ties counting half (AUROC); None without both."""
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return None
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))
