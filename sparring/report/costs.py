"""What training cost: where each arm's time went, and what accuracy was had for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from sparring.report.bars import named_rows
from sparring.report.figures import COLOURS, look, with_legend
from sparring.report.groups import Arm, Group
from sparring.report.ledger import Run
from sparring.report.table import EMPTY, Cell, Table, aside, filled, plain, time
from sparring.report.units import amount, duration
from sparring.report.verdict import against_baseline, summary

SHARES = {"training": COLOURS[0], "of it waiting for data": COLOURS[1], "training its earlier self": COLOURS[7]}


@dataclass(frozen=True, slots=True)
class Axis:
    """What a cost is counted in: its name and unit, and how much of it one run took (None where it is not known)."""

    name: str
    of: Callable[[Run], float | None]


def costs(group: Group) -> Table:
    """What each arm's training took: time, speed, the share of waiting for data, memory; means over seeds."""
    columns: dict[str, Callable[[Arm], Cell]] = {
        "method": lambda arm: Cell(arm.label, arm.label),
        "training time": lambda arm: time(arm.values("seconds")),
        "times its baseline's": lambda arm: _ratio(group, arm),
        "training its earlier self": lambda arm: time(arm.values("seconds_before")),
        "waiting for data, %": lambda arm: aside(arm, ("data_share",), 100, 1),
        "student's updates": lambda arm: plain(arm, "steps"),
        "batches of its augmentor or guide, %": _others,
        "time an update": lambda arm: time([found for run in arm.runs if (found := _update(run)) is not None]),
        "images/s": lambda arm: aside(arm, ("images_per_second",), 1, 0),
        "multiply-adds of the student's answers": _multiplied,
        "memory, MiB": lambda arm: aside(arm, ("peak_memory_bytes",), 2**-20, 0),
    }
    return filled({head: [cell(arm) for arm in group.arms] for head, cell in columns.items()})


def machines(group: Group) -> list[str]:
    """The devices that a group's runs were trained on: times of one say little of those of another."""
    told = (run.manifest.get("device") for arm in group.arms for run in arm.runs)
    return list(dict.fromkeys(str(device) for device in told if device))


def breakdown(group: Group) -> str | None:
    """Where each arm's time went, as bars: training, waiting for data, its earlier self's training."""
    arms = [arm for arm in reversed(group.arms) if arm.values("seconds")]
    if not arms:
        return None
    times = [_parts(arm) for arm in arms]
    unit, name = _scale(max(sum(parts) for parts in times))

    def draw(ax: Axes) -> None:
        rows, left = range(len(arms)), [0.0] * len(arms)
        several = any(part for parts in times for part in parts[1:])
        for number, (label, colour) in enumerate(SHARES.items()):
            widths = [parts[number] / unit for parts in times]
            if any(widths):
                ax.barh(list(rows), widths, left=left, color=colour, height=0.4, label=label if several else None)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for row, parts in zip(rows, times, strict=True):
            at, offset = (left[row], row), (4, 0)
            ax.annotate(duration(sum(parts)), at, offset, textcoords="offset points", va="center", fontsize=9)
        named_rows(ax, [arm.label for arm in arms])
        ax.set_xlabel(f"training time, {name}")
        ax.margins(x=0.15)
        ax.set_xlim(left=0)

    return with_legend(draw, height=0.7 + 0.5 * len(arms))


def tradeoffs(group: Group) -> list[str]:
    """Test accuracy over what it cost, a point an arm: over the time of training, and over the student's multiply-adds
    where arms differ in these."""
    _, name = _scale(max((_spent(run) or 0.0 for arm in group.arms for run in arm.runs), default=0.0))
    unit = {"hours": 3600, "minutes": 60, "seconds": 1}[name]
    timed = Axis(f"training time, {name}", lambda run: None if (found := _spent(run)) is None else found / unit)
    computed = Axis("multiply-adds of the student's answers in training", _work)
    found = [_tradeoff(group, timed)]
    work = {value for arm in group.arms for run in arm.runs if (value := _work(run))}
    if work and max(work) > 1.02 * min(work):
        found.append(_tradeoff(group, computed))
    return [picture for picture in found if picture]


def _tradeoff(group: Group, cost: Axis) -> str | None:
    points = [(number, arm, _known(arm, cost.of)) for number, arm in enumerate(group.arms)]
    points = [(number, arm, spent) for number, arm, spent in points if spent and min(spent) > 0]
    if len(points) < 2:
        return None

    def draw(ax: Axes) -> None:
        for number, arm, spent in points:
            colour, _, marker = look(number)
            x, y = summary(spent), summary([100 * value for value in arm.values("test", "accuracy")])
            if x and y:
                style = {"fmt": marker, "color": colour, "markersize": 7, "elinewidth": 1.4, "capsize": 3}
                ax.errorbar([x.mean], [y.mean], xerr=[x.sd or 0], yerr=[y.sd or 0], label=arm.label, **style)
        ax.margins(0.12)
        means = [fmean(spent) for _, _, spent in points]
        if max(means) > 8 * min(means):
            _by_powers(ax)
        else:
            ax.set_xlim(left=0)
            ax.xaxis.set_major_formatter(FuncFormatter(_said))
        ax.set_xlabel(cost.name)
        ax.set_ylabel("test accuracy, %")

    return with_legend(draw)


def _by_powers(ax: Axes) -> None:
    """Let the axis of costs go by powers of ten, with numbers as they are said at 1, 2 and 5 times these."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(_said))
    ax.minorticks_off()


def _said(value: float, _: int | None = None) -> str:
    return amount(value) if value >= 10_000 else f"{value:g}"


def _known(arm: Arm, of: Callable[[Run], float | None]) -> list[float]:
    return [value for run in arm.runs if (value := of(run)) is not None]


def _parts(arm: Arm) -> tuple[float, float, float]:
    """An arm's mean seconds: of training with a batch at hand, of waiting for one, and of its earlier self."""
    waited = [(run.number("seconds") or 0.0) * (run.number("data_share") or 0.0) for run in arm.runs]
    before = arm.values("seconds_before")
    whole, wait = fmean(arm.values("seconds")), fmean(waited)
    return whole - wait, wait, fmean(before) if before else 0.0


def _spent(run: Run) -> float | None:
    """The seconds that a run took, those of its earlier self included."""
    own = run.number("seconds")
    return None if own is None else own + (run.number("seconds_before") or 0.0)


def _update(run: Run) -> float | None:
    own, steps = run.number("seconds"), run.number("steps")
    return own / steps if own and steps else None


def _work(run: Run) -> float | None:
    """The multiply-adds of the student's forward passes for its own updates: their number, images and cost an image."""
    known = [run.number(key) for key in ("steps", "batch_size", "macs")]
    steps, images, each = (value or 0.0 for value in known)
    return steps * images * each or None


def _multiplied(arm: Arm) -> Cell:
    found = summary(_known(arm, _work))
    return Cell(amount(found.mean), found.mean) if found else EMPTY


def _ratio(group: Group, arm: Arm) -> Cell:
    """How many times as long as its baseline an arm trained."""
    verdict = against_baseline(group, arm)
    baseline = next((each for each in group.baselines if verdict and each.label == verdict.against), None)
    ours, theirs = (summary(each.values("seconds")) if each else None for each in (arm, baseline))
    if ours is None or theirs is None or not theirs.mean or arm in group.baselines:
        return EMPTY
    times = ours.mean / theirs.mean
    return Cell(f"{times:.2g} ×" if times < 99.5 else f"{times:,.0f} ×", times)


def _others(arm: Arm) -> Cell:
    """The share of batches on which another than the student moved."""
    pairs = [(run.number("steps"), run.number("batches")) for run in arm.runs]
    shares = [100 * (1 - steps / batches) for steps, batches in pairs if steps is not None and batches]
    found = summary(shares)
    return Cell(f"{found.mean:.0f}", found.mean) if found and found.mean > 0 else EMPTY


def _scale(most: float) -> tuple[float, str]:
    """The unit in which times up to so many seconds are drawn, in seconds, and its name."""
    return (3600, "hours") if most > 6000 else (60, "minutes") if most > 100 else (1, "seconds")
