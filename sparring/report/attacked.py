"""How students hold out against attacks: what `sparring evaluate --attack` and `--robust` left in their runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparring.files import atomic
from sparring.report.augmented import PRINTED
from sparring.report.figures import COLOURS
from sparring.report.groups import Arm, Group
from sparring.report.ledger import Run, kept, number
from sparring.report.table import Cell, Table, filled, spread
from sparring.report.units import NORMS, ball

ATTACKS, ROBUST, CLIMBS = "autoattack.json", "robust.json", "attacks.json"
ABOUT = {  # beside an attack's options
    *("attack", "norm", "eps", "part", "images", "epoch", "clean", "accuracy", "remarks"),
    *("weights", "files", "data", "teacher"),
}
SHOWN = {
    "apgd-ce": "APGD-CE",
    "apgd-dlr": "APGD-DLR",
    "apgd-t": "APGD-T",
    "fab": "FAB",
    "fab-t": "FAB-T",
    "square": "Square",
}
PLAIN_NUMBER = re.compile(r"(?<![\w.,/-])\d{1,18}(?![\w/-]|[.,]\d)")


@dataclass(frozen=True, slots=True)
class Attacked:
    """Accuracies that can be set side by side: of one ensemble, on as many images, within one ball.

    title: which; table: a row an arm; remarks: what speaks against a run's numbers.
    """

    title: str
    table: Table
    remarks: tuple[str, ...]


def attacked(group: Group) -> list[Attacked]:
    """The attacks in a group, one for each ensemble, ball and set of images that its runs were measured with; and those
    that were asked for by their options."""
    by_runs = [run for arm in group.arms for run in arm.runs]
    ensembles = {run.path: finished(run) for run in by_runs}
    climbs = {run.path: kept(run, CLIMBS) for run in by_runs}
    found = [_attacked(group, key, told) for key, told in _by_key(ensembles)]
    return found + [_climbed(group, told) for _, told in _by_key(climbs)]


def stopped(group: Group) -> list[str]:
    """The ensembles that were begun on a group's runs and never ended, which no table counts."""
    return [
        f"{arm.label}, seed {run.seed}: AutoAttack {each['version']}, {where(each)}, was stopped, so it is not told "
        "here; the same command goes on."
        for arm in group.arms
        for run in arm.runs
        for each in kept(run, ATTACKS).values()
        if not each["finished"]
    ]


def _by_key(told: Mapping[Path, Mapping[str, Any]]) -> list[tuple[str, dict[Path, Mapping[str, Any]]]]:
    """Entries of runs, sorted by what they are entries of."""
    keys = dict.fromkeys(key for each in told.values() for key in each)
    return [(key, {path: each[key] for path, each in told.items() if key in each}) for key in keys]


def finished(run: Run) -> dict[str, Mapping[str, Any]]:
    """A run's entries that ended, by their keys."""
    return {key: each for key, each in kept(run, ATTACKS).items() if each["finished"]}


def _attacked(group: Group, key: str, told: Mapping[Path, Mapping[str, Any]]) -> Attacked:
    one = next(iter(told.values()))
    beside = key.removeprefix(f"{one['version']}-")
    arms = [arm for arm in group.arms if any(run.path in told for run in arm.runs)]

    def column(*keys: str) -> list[Cell]:
        return [_spread(arm, lambda run: number(told[run.path], *keys) if run.path in told else None) for arm in arms]

    columns: dict[str, list[Cell]] = {"method": [Cell(arm.label, arm.label) for arm in arms]}
    columns["clean, %"] = column("clean")
    columns["PGD-20, %"] = [_spread(arm, lambda run: _pgd(run, beside)) for arm in arms]
    for attack in dict.fromkeys(attack for each in told.values() for attack in each["after"]):
        columns[f"after {SHOWN.get(attack, attack)}, %"] = column("after", attack)
    columns["AutoAttack, %"] = column("accuracy")
    return Attacked(f"AutoAttack {one['version']}, {where(one)}", filled(columns), tuple(_remarks(arms, told, beside)))


def _climbed(group: Group, told: Mapping[Path, Mapping[str, Any]]) -> Attacked:
    """What FGSM or PGD left of the arms, as someone asked for it."""
    one = next(iter(told.values()))
    arms = [arm for arm in group.arms if any(run.path in told for run in arm.runs)]
    options = ", ".join(f"{name} {value}" for name, value in one.items() if name not in ABOUT)
    columns: dict[str, list[Cell]] = {"method": [Cell(arm.label, arm.label) for arm in arms]}
    for key, head in (("clean", "clean, %"), ("accuracy", "under attack, %")):
        columns[head] = [_spread(arm, lambda run, key=key: number(told.get(run.path, {}), key)) for arm in arms]
    title = f"{one['attack'].upper()}{f' ({options})' if options else ''}, {where(one)}"
    said = [
        (name, run.seed, f"{remark}.")
        for arm, name in zip(arms, _called(arms), strict=True)
        for run in arm.runs
        for remark in told.get(run.path, {}).get("remarks", ())
    ]
    return Attacked(title, filled(columns), tuple(said_once(said)))


def _spread(arm: Arm, pick: Any) -> Cell:
    return spread([value for run in arm.runs if (value := pick(run)) is not None], 100)


def _pgd(run: Run, beside: str) -> float | None:
    return number(kept(run, ROBUST), beside, "accuracy", "pgd-20")


def _remarks(arms: Sequence[Arm], told: Mapping[Path, Mapping[str, Any]], beside: str) -> list[str]:
    """What the attacks themselves and the tests for masked gradients hold against the runs."""
    found: list[tuple[str, int | None, str]] = []
    for arm, name in zip(arms, _called(arms), strict=True):
        for run in arm.runs:
            said = [f"{remark}." for remark in told.get(run.path, {}).get("remarks", ())]
            checks = kept(run, ROBUST).get(beside, {}).get("checks", ())
            failed = [check for check in checks if not check["passed"]]
            if checks and not failed:
                said.append(f"none of {len(checks)} tests speaks of masked gradients.")
            said += [f"masked gradients? {check['name']}: {check['says']}." for check in failed]
            found += [(name, run.seed, each) for each in said]
    return said_once(found)


def _called(arms: Sequence[Arm]) -> list[str]:
    """Each arm by its method alone, or by its whole label where another is of that method too."""
    short = [arm.label.partition(" + ")[0] for arm in arms]
    return [name if short.count(name) == 1 else arm.label for arm, name in zip(arms, short, strict=True)]


def said_once(found: Sequence[tuple[str, int | None, str]]) -> list[str]:
    """ "kd, seeds 0, 1: broke 3 to 7 images": what is said of several runs (label, seed, text), once for all of whom it
    is said, with the range of a number in which they differ."""
    alike: dict[tuple[str, ...], list[tuple[str, int | None, str]]] = {}
    for each in found:
        alike.setdefault(tuple(PLAIN_NUMBER.split(each[2])), []).append(each)
    return [f"{_who(several)}: {_ranged([text for *_, text in several])}" for several in alike.values()]


def _who(several: Sequence[tuple[str, int | None, str]]) -> str:
    seeds: dict[str, list[str]] = {}
    for label, seed, _ in several:
        seeds.setdefault(label, []).append(str(seed))
    return "; ".join(f"{label}, seed{'s' * (len(own) > 1)} {', '.join(own)}" for label, own in seeds.items())


def _ranged(texts: Sequence[str]) -> str:
    """Texts that are the same but for their numbers, as one."""
    columns = iter(zip(*(map(int, PLAIN_NUMBER.findall(text)) for text in texts), strict=True))

    def spanned(_: re.Match[str]) -> str:
        low, high = min(column := next(columns)), max(column)
        return str(low) if low == high else f"{low} to {high}"

    return PLAIN_NUMBER.sub(spanned, texts[0])


def where(told: Mapping[str, Any]) -> str:
    """ "ℓ∞ 8/255, 1,000 images": within which ball and on what an entry was measured."""
    part = "" if told["part"] == "test" else f", {told['part']} part"
    best = ", best epoch" if told.get("epoch") == "best" else ""
    return f"{ball(told['norm'], told['eps'])}, {told['images']:,} images{part}{best}"


def picture(entry: Mapping[str, Any], run: Run, path: Path) -> None:
    """Draw an entry of robust.json to the PNG file `path`, atomically: accuracies, and what becomes of them with the
    radius and with steps towards disagreement."""
    panels = [bars, radii] + ([climb] if entry["disagreement"] else [])
    with matplotlib.rc_context(PRINTED):
        whole = Figure(figsize=(4.6 * len(panels), 4.0), dpi=110, layout="constrained")
        for draw, ax in zip(panels, whole.subplots(1, len(panels)), strict=True):
            draw(ax, entry)
        failed = [check["name"] for check in entry["checks"] if not check["passed"]]
        says = f"masked gradients? {', '.join(failed)}" if failed else "no sign of masked gradients"
        about = f"{run.method}, {run.student} on {run.data}, seed {run.seed}"
        within = ball(entry["norm"], entry["eps"])
        whole.suptitle(f"{about}\n{within}, {entry['images']:,} {entry['part']} images: {says}", fontsize=10)
        with atomic(path) as unfinished:
            whole.savefig(unfinished, format="png", bbox_inches="tight")


def accuracies(entry: Mapping[str, Any]) -> dict[str, float]:
    """The bars' names and accuracies (in [0, 1]), from the mildest measurement to the hardest."""
    accuracy, after = entry["accuracy"], entry["autoattack"]
    found = {"clean": accuracy["clean"], "corrupted, mean": entry["corruptions"]["mean"], "noise": accuracy["noise"]}
    if "transfer" in accuracy:
        found["from the teacher"] = accuracy["transfer"]
    found |= {name.upper(): accuracy[name] for name in ("pgd-20", "pgd-100")}
    return found | {"AutoAttack": list(after.values())[-1]}


def bars(ax: Axes, entry: Mapping[str, Any]) -> None:
    """A bar a measurement."""
    found = accuracies(entry)
    values = [100 * value for value in found.values()]
    colours = [COLOURS[6] if name == "AutoAttack" else COLOURS[0] for name in found]
    drawn = ax.barh(list(found), values, color=colours, height=0.6)
    ax.bar_label(drawn, [f"{value:.1f}" for value in values], padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlim(0, 112)
    ax.set_xlabel("accuracy, %")


def radii(ax: Axes, entry: Mapping[str, Any]) -> None:
    """Accuracy under PGD against the radius."""
    eps, values = zip(*entry["curve"], strict=True)
    ax.plot(eps, [100 * value for value in values], "o-", color=COLOURS[1], markersize=3)
    ax.axvline(entry["eps"], color=COLOURS[7], linestyle=":", linewidth=1)
    ax.set_xscale("symlog", linthresh=max(entry["eps"] / 2, 1e-3))
    ax.set_xlim(0, 1.1 * eps[-1])
    named = sorted({0.0, entry["eps"] / 2, entry["eps"], 2 * entry["eps"], eps[-1]})
    ax.set_xticks(named, [f"{tick:.2g}" for tick in named])
    ax.minorticks_off()
    ax.set_xlabel(f"radius, {NORMS[entry['norm']]}")
    ax.set_ylabel("accuracy under PGD, %")
    ax.set_ylim(0, 102)


def climb(ax: Axes, entry: Mapping[str, Any]) -> None:
    """Both accuracies against steps towards disagreement."""
    steps = [row["steps"] for row in entry["disagreement"]]
    for side, dash in (("student", "-"), ("teacher", "--")):
        values = [100 * row[f"{side}_accuracy"] for row in entry["disagreement"]]
        ax.plot(steps, values, dash, marker="o", color=COLOURS[2], markersize=3, label=side)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks(steps, [f"{step:g}" for step in steps])
    ax.minorticks_off()
    ax.set_xlabel("steps towards disagreement")
    ax.set_ylabel("accuracy, %")
    ax.set_ylim(0, 102)
    ax.legend()
