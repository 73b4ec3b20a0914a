"""A search's part of the report: what was found, whether it paid, its trials, and three pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.report.groups import SMOKE
from sparring.report.ledger import number
from sparring.report.said import NOTHING, SMOKE_TEST
from sparring.report.sweep_figures import history, importances, parallel, squeezed
from sparring.report.swept import DEFAULT, Line, Swept, sweeps, tested
from sparring.report.table import EMPTY, Cell, Table, paired, spread
from sparring.report.units import amount, duration, signed
from sparring.report.verdict import Word, interval, summary, word_of

SAID: Mapping[Word, str] = {
    "helps": "The search paid",
    "hurts": "The search hurt",
    "does not help": "The search did not pay",
    "no difference": "The search made no difference",
    "cannot tell": "Cannot tell whether the search paid",
}
STATES = {"complete": "trained to the end", "pruned": "pruned", "fail": "failed", "running": "running"}
FEW = 20  # trials below which shares of a variance are mostly chance


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of a search. word: the verdict's, for its colour; squeezed: what its parallel coordinates do
    not draw to scale; notes: what is to be known beside it."""

    title: str
    word: str
    sentences: Sequence[str]
    smoke: bool
    finalists: Table | None
    trials: Table
    parallel: str | None
    squeezed: str
    history: str | None
    importances: str | None
    notes: Sequence[str]


def sections(paths: Iterable[str | Path]) -> list[Section]:
    """A section for each search that some folders hold."""
    return [section(found) for found in sweeps(paths)]


def section(found: Swept) -> Section:
    """One search."""
    word, sentence = verdict(found)
    smoke = found.told.get("scale") == SMOKE
    return Section(
        title=f"The search in {found.folder.name}",
        word=SMOKE_TEST if smoke else word,
        sentences=[*([NOTHING] if smoke else []), *sentence, *counted(found)],
        smoke=smoke,
        finalists=finalists(found),
        trials=trials(found),
        parallel=parallel(found),
        squeezed=squeezed(found),
        history=history(found),
        importances=importances(found),
        notes=notes(found),
    )


def judged(found: Swept) -> str:
    """What trials are judged by, in words."""
    return "accuracy under PGD-10 on validation images" if found.attacked else "accuracy on validation images"


def typed(values: Mapping[str, Any]) -> str:
    """Values as one types them."""
    told = {True: "true", False: "false", None: "null"}
    return " ".join(
        f"{key}={told[value] if isinstance(value, bool | None) else value}" for key, value in values.items()
    )


def verdict(found: Swept) -> tuple[str, list[str]]:
    """Whether the search paid, in a word and in sentences; none before its finalists are run."""
    default = next((line for line in found.lines if line.name == DEFAULT), None)
    others = [line for line in found.lines if line is not default]
    if default is None or not others:
        return "no verdict", []
    best = max(others, key=lambda line: line.validation)
    told = (
        f"Of {len(others)} finalist{'s' * (len(others) > 1)}, {best.name} ({typed(best.values)}) has the best mean "
        f"{judged(found)} over {best.seeds} seed{'s' * (best.seeds > 1)} that the search did not use: "
        f"{100 * best.validation:.2f} %, where the defaults have {100 * default.validation:.2f} %."
    )
    if found.told.get("winner") == DEFAULT:
        return "does not help", [f"{SAID['does not help']}: the defaults remain the choice.", told]
    word, sentence = paid(best, default)
    return word, [sentence, told]


def paid(best: Line, default: Line) -> tuple[str, str]:
    """The best finalist against the defaults on the test set, seed by seed."""
    ours, theirs = best.tested(), default.tested()
    pairs = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    short, ends = summary(pairs), interval(pairs)
    low, high = ends or (None, None)
    word = word_of(short, low, high)
    if short is None:
        return word, "Cannot tell whether the search paid: finalist and defaults share no seed that was tested."
    within = (
        ""
        if word == "no difference" or low is None or high is None
        else f"95 % interval {signed(low)} to {signed(high)}, "
    )
    seeds = f"{short.n} shared seed{'s' * (short.n > 1)}"
    reached = spread(list(ours.values()), 100).text
    return word, (
        f"{SAID[word]}: {best.name} reaches {reached} % test accuracy, {signed(short.mean)} points against the "
        f"defaults ({within}{seeds})."
    )


def counted(found: Swept) -> list[str]:
    """How many trials ended how, and what pruning saved."""
    counts = {said: sum(trial["state"] == state for trial in found.trials) for state, said in STATES.items()}
    told = ", ".join(f"{count} {said}" for said, count in counts.items() if count)
    left = found.told["wanted"] - len(found.trials)
    rest = f"; {left} {'is' if left == 1 else 'are'} still to come" if left > 0 else ""
    lines = [f"{len(found.trials)} trials: {told}{rest}."]
    whole = [trial["images"] for trial in found.ended("complete") if trial["images"]]
    cut = [trial["images"] for trial in found.ended("pruned") if trial["images"]]
    if whole and cut:
        would = (len(whole) + len(cut)) * max(whole)
        spent = sum(whole) + sum(cut)
        lines.append(
            f"Trained on {amount(spent)} images; without pruning it would have been about {amount(would)}, "
            f"{would / spent:.1f} times as many."
        )
    if done := found.ended("complete"):
        best = max(done, key=lambda trial: trial["value"])
        alike = sum(trial["value"] == best["value"] for trial in done)
        tied = f", as {alike - 1} other{'s' * (alike > 2)}" if alike > 1 else ""
        lines.append(
            f"The best trial, {best['number']} ({typed(best['values'])}), has {100 * best['value']:.2f} %{tied}."
        )
    return lines


def finalists(found: Swept) -> Table | None:
    """The finalists and the defaults beside each other; None before they are run."""
    if not found.lines:
        return None
    head = (
        "finalist",
        "values",
        f"{judged(found)}, %",
        "test accuracy, %",
        "test: against the defaults, points [95 %]",
    )
    default = next((line for line in found.lines if line.name == DEFAULT), None)
    rows = []
    for line in sorted(found.lines, key=lambda line: -line.validation):
        chosen = " (chosen)" if line.name == found.told.get("winner") else ""
        cells = (Cell(line.name + chosen, line.name), Cell(typed(line.values) or "as given"))
        cells += Cell(f"{100 * line.validation:.2f}", line.validation), spread(list(line.tested().values()), 100)
        rows.append((*cells, paired(line.runs, default.runs, tested) if default else EMPTY))
    return Table(head, tuple(rows))


def trials(found: Swept) -> Table:
    """All trials, the best first, pruned ones by how long they lasted, failed ones last."""
    keys = [dimension["key"] for dimension in found.told["space"]]
    head = ("trial", *keys, f"{judged(found)}, %", "epochs", "how it ended", "training time")
    order = list(STATES)
    rows = []
    for trial in sorted(found.trials, key=lambda t: (order.index(t["state"]), -t["epochs"], -(t["value"] or 0.0))):
        value, seconds = number(trial, "value"), number(trial, "seconds")
        values = [trial["values"].get(key) for key in keys]
        ended = trial["why"] if trial["state"] == "fail" else STATES[trial["state"]]
        rows.append(
            (
                Cell(str(trial["number"]), trial["number"]),
                *(Cell(typed({"": each})[1:], number({"": each}, "") or str(each)) for each in values),
                Cell("" if value is None else f"{100 * value:.2f}", value),
                Cell(str(trial["epochs"]), trial["epochs"]),
                Cell(str(ended)),
                Cell("" if seconds is None else duration(seconds), seconds),
            )
        )
    return Table(head, tuple(rows))


def notes(found: Swept) -> list[str]:
    """What is to be known of a search's numbers."""
    told = [
        "Trials share one seed and are judged on validation images alone. The best of many is partly luck, so the "
        "choice is made among finalists, by validation images too, on seeds that the search did not use; these alone "
        "read the test set, which chose nothing."
    ]
    done = len(found.ended("complete"))
    if found.told.get("importances") is None:
        told.append(
            "Importances are told once a search is through, of four or more trials that were trained to the end and "
            f"differ in what they reached ({done} {'is' if done == 1 else 'are'})."
        )
    elif done < FEW:
        told.append(f"The importances are of {done} finished trials, too few to rely on.")
    return [found.told["note"], *told] if found.told.get("note") else told


def markdown(found: Section) -> list[str]:
    """A search as Markdown, part by part."""
    from sparring.report.table import markdown_table

    parts = [f"## {found.title}", "\n".join(f"- {line}" for line in found.sentences)]
    parts += [markdown_table(found.finalists)] if found.finalists else []
    return [*parts, markdown_table(found.trials), *found.notes]
