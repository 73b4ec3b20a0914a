"""Every recipe beside what was measured of it here: docs/reproductions.md, and the few words that the package ships.

    python results/reproductions.py [--check]

reads results/ and the recipes, and writes docs/reproductions.md and sparring/recipes/evidence.json.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from attached import EVIDENCE, HONEST, Evidence
from costs import cost
from scipy.stats import binomtest
from searched import searched

from sparring.files import write_text
from sparring.launch.planned import Wish
from sparring.launch.reproduce import plan_of
from sparring.recipes import disk_models
from sparring.recipes.published import RECIPES
from sparring.recipes.rows import Recipe
from sparring.report import Run, markdown_table, runs
from sparring.report.judged import MARGIN, direction_of, judge, pointed, status_of
from sparring.report.page import beside
from sparring.report.reproduced import NOT_RUN, Reproduced, row_beside
from sparring.report.table import Cell, Table
from sparring.report.units import duration
from sparring.report.verdict import interval, summary

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reproductions.md"
SHIPPED = HERE.parent / "sparring" / "recipes" / "evidence.json"
SMOKE = HERE / "smoke.json"
HEAD = """# What was reproduced, and what was not

Written by `python results/reproductions.py` from [results/](../results/README.md) and the recipes; a test holds it to
them. `sparring list recipes` has the same in short, `sparring reproduce NAME` runs one.

*Status of a line*, where student and data are the paper's: **matches**, the 95 % interval of the difference lies
within half a point of the published mean (or one published standard deviation, where that is more); **within
noise**, the interval holds 0 and is wider; **misses**, it leaves 0 out and reaches further than that; **cannot
tell**, one run has no interval, and several that are equal one of no width. The interval is Welch's where the
published spread and count are known, else ours alone against a fixed number. **Another scale**: smaller networks,
fewer epochs or smaller images, so the number says nothing about the paper's; the **direction** of the paper's
differences can be judged all the same, paired over seeds: **agrees**, our interval lies on the paper's side of 0;
**contradicts**, on the other; **cannot tell**, it holds 0. Each interval stands alone: of twenty, one misses by
chance.

*Cost*: hours at full scale are estimates for one GPU, from multiply-adds at the speed that DA's public logs show on
an RTX 4090 (240 epochs of KD, resnet32x4 → resnet8x4, in 23 minutes); at CPU scale for two cores, from the median
speed of the runs kept here. Expect them to be right within a factor of three; autoencoders and AutoAttack are not in
them. What was measured ran on two cores shared with other work, so its hours say as little.
"""


def main(check: bool) -> None:
    """Write the page and the shipped words, or check that what is there is what would be written."""
    for place, text in zip((PAGE, SHIPPED), made(), strict=True):
        if not check:
            write_text(place, text)
            print(place)
        elif place.read_text() != text:
            sys.exit(f"{place} is not what results/ and the recipes say: run python results/reproductions.py")


def made() -> tuple[str, str]:
    """The page, and the JSON that goes with the package."""
    parts, told = {}, {}
    for name, recipe in RECIPES.items():
        text, status, scales = section(name, recipe)
        parts[name] = text
        told[name] = {"status": status, "costs": costs(name), "kept": scales}
    table = Table(
        ("recipe", "claim", "status"),
        tuple(tuple(map(Cell, (link(name), RECIPES[name].claim, each["status"]))) for name, each in told.items()),
    )
    papers = dict.fromkeys(recipe.paper for recipe in RECIPES.values())
    by_paper = [
        "\n\n".join([f"# {paper}", *(parts[name] for name, recipe in RECIPES.items() if recipe.paper == paper)])
        for paper in papers
    ]
    text = "\n\n".join([HEAD.strip(), markdown_table(table), *by_paper]) + "\n"
    return text, json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def link(name: str) -> str:
    """A recipe's name, leading to its section."""
    return f"[{name}](#{name})"


def section(name: str, recipe: Recipe) -> tuple[str, str, str]:
    """A recipe's part of the page, its status in a few words, and the scales of which something is kept."""
    head = [f"## {name}", f"{recipe.shows}: {recipe.about}. The claim: {recipe.claim}."]
    price = [f"Cost: {'; '.join(f'{scale}, {words}' for scale, words in costs(name).items())}."]
    honest = [HONEST[name]] if name in HONEST else []
    if name in DRAWN:
        text, status = DRAWN[name]()
        return "\n\n".join([*head, *price, text, *honest]), status, "full"
    parts, rows, scales, told = [], [], [], []
    for evidence in (each for each in EVIDENCE if each.recipe == name):
        scales.append(evidence.scale)
        folder = f"[results/{evidence.folder}](../results/{evidence.folder.split('/')[0]}/README.md)"
        kept = f"From {folder}: {evidence.words or 'by this recipe.'}"
        if recipe.hunt is not None:
            more, short = searched(HERE / evidence.folder, recipe.hunt(evidence.scale), evidence.scale)
            parts += [kept, *more]
            told.append(short)
            continue
        found = [row for row in rows_of(evidence, recipe)]
        rows += [(evidence, row) for row in found]
        parts.append(f"{kept} Training took {hours(evidence)} in all.")
        for row in found:
            title, *more = beside(row)
            parts += [f"**{title.removeprefix('## ')}**", *more]
    status = "; ".join(told) or in_short(rows, recipe)
    if not parts:
        parts = [f"Status: {lacking(recipe)}."]
    return "\n\n".join([*head, *price, *parts, *honest]), status, " ".join(dict.fromkeys(scales))


def rows_of(evidence: Evidence, recipe: Recipe) -> Iterator[Reproduced]:
    """The recipe's rows beside the evidence's runs."""
    assert recipe.rows is not None
    for row in recipe.rows(evidence.scale):
        if evidence.rows and row.name not in evidence.rows:
            continue
        plan = plan_of(row, Wish())
        if evidence.lines:
            lines = [line | {"runs": evidence.lines.get(line["name"])} for line in plan["lines"]]
            plan |= {"lines": [line for line in lines if line["runs"] or line["claims"]]}
            kept = {line["name"] for line in plan["lines"]}
            plan |= {"order": [pair for pair in plan["order"] if set(pair) <= kept]}
            plan |= {"against": [each for each in plan["against"] if each in kept]}
        told = {"name": evidence.recipe, "scale": evidence.scale}
        if (found := row_beside(told, plan, HERE / evidence.folder)) is not None:
            yield found


def in_short(rows: Sequence[tuple[Evidence, Reproduced]], recipe: Recipe) -> str:
    """What the kept runs say of a recipe, in a few words."""
    if not rows:
        return lacking(recipe)
    lines: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    for _, row in rows:
        lines.update(row.lines)
        ways.update(row.directions)
    missing = lines.pop(NOT_RUN, 0)
    parts = [f"of {sum(lines.values())} lines {counted(lines)}"] if lines else []
    ways.pop(NOT_RUN, 0)
    parts += [f"of {sum(ways.values())} directions {counted(ways)}"] if ways else []
    scales = "/".join(dict.fromkeys(evidence.scale for evidence, _ in rows))
    printed = any(row.lines or row.directions for _, row in rows)
    parts += [] if printed else ["nothing is printed to hold it to"]
    return f"{scales} scale: {'; '.join(parts)}" + (f"; {missing} lines not run" if missing else "")


def counted(words: Counter[str]) -> str:
    """ "2 match, 1 misses": how many of each word, in a fixed order."""
    order = ("matches", "within noise", "misses", "agrees", "contradicts", "cannot tell")
    return ", ".join(f"{words[word]} {word}" for word in order if words[word])


def lacking(recipe: Recipe) -> str:
    """Why nothing of a recipe is kept."""
    needs = [NEEDED[key] for key, scale in recipe.needs if scale == "full"]
    if needs:
        return f"not run here: needs {' and '.join(needs)}"
    return "not run here"


@cache
def finished(folder: Path) -> list[Run]:
    """The runs below a folder, read once."""
    return runs(folder)


def hours(evidence: Evidence) -> str:
    """How long the runs of some evidence trained."""
    found = finished(HERE / evidence.folder)
    if evidence.lines:
        there = [HERE / evidence.folder / line for line in evidence.lines.values()]
        found = [run for run in found if any(place in (run.path, *run.path.parents) for place in there)]
    told = [run.number("seconds") or 0.0 for run in found]
    return f"{duration(sum(told))} ({len(told)} runs)"


@cache
def costs(name: str) -> dict[str, str]:
    """What a recipe costs at each scale, in a few words."""
    recipe = RECIPES[name]
    timed = json.loads(SMOKE.read_text())["recipes"] if SMOKE.exists() else {}
    if recipe.hunt is not None:
        told = {}
        for scale in recipe.scales:
            hunt = recipe.hunt(scale)
            runs_after = (hunt.finalists + 1) * hunt.seeds
            told[scale] = f"{hunt.trials} trials and {runs_after} runs, up to {hunt.student.epochs} epochs"
        return told
    if recipe.rows is None:
        return {"any": OTHERWISE.get(name, "minutes on one core")}
    told = {}
    for scale in recipe.scales:
        found = cost(recipe.rows(scale), "cpu" if name in SMALL else scale)
        many = f"{found.runs} runs, up to {found.epochs} epoch{'' if found.epochs == 1 else 's'}"
        if scale == "smoke":
            took = timed.get(name, {}).get("seconds")
            told[scale] = f"{found.runs} runs" + (f", {duration(took)} measured" if took else "")
        else:
            where = "one GPU" if scale == "full" and name not in SMALL else "two cores"
            told[scale] = f"{many}, about {rounded(found.hours)} on {where} (estimated)"
    return told


NEEDED = {"data": "ImageNet", "teacher": "the ResNet50 of DeepAugment and AugMix"}
SMALL = {"adversarial-table1", "adversarial-table2", "mnist1d"}  # at full scale nothing that a CPU could not do
OTHERWISE = {
    "disk-table2": "seconds: nothing is trained",
    "disk-table6": "seconds: nothing is trained",
    "hard-table5": "nothing is run",
    "hard-fig2": "two minutes on one core at full length, seconds at smoke scale",
    "disk-table1": "minutes on one core for five seeds of 100 starts, seconds at smoke scale",
    "disk-fig1": "as disk-table1",
    "disk-fig2": "as disk-table1",
}


def rounded(hours: float) -> str:
    """Hours, as roughly as they are known."""
    return f"{hours:.0f} h" if hours >= 10 else f"{max(hours, 0.1):.1f} h"


def hard_toy() -> tuple[str, str]:
    """HARD's Fig. 2: test MSE by method, and the differences in the paper's order."""
    found = json.loads((HERE / "hard-toy" / "toy.json").read_text())
    rows, ways = [], Counter[str]()
    names = list(found["mse"])
    for name, values in found["mse"].items():
        short = summary(values)
        assert short is not None
        at = names.index(name)
        gap, word = "", ""
        if at:
            differences = [a - b for a, b in zip(found["mse"][names[at - 1]], values, strict=True)]
            ends = interval(differences)
            word = direction_of(1.0, ends)
            ways[word] += 1
            gap = f"{sum(differences) / len(differences):+.3g} [{ends[0]:+.3g}, {ends[1]:+.3g}]" if ends else ""
        rows.append((name, f"{short.mean:.3g} ± {short.sd:.2g} ({short.n})", gap, word))
    head = ("method", "test MSE", "less than the one above by", "direction")
    table = Table(head, tuple(tuple(map(Cell, row)) for row in rows))
    text = f"From [results/hard-toy](../results/hard-toy/report.md), at full length. {found['protocol']}"
    return f"{text}\n\n{markdown_table(table)}", f"full scale: of {sum(ways.values())} directions {counted(ways)}"


def disk_toys() -> tuple[str, str]:
    """DiSK's Table 1: how many of 100 starts end in each minimum, ours over five seeds."""
    found = json.loads((HERE / "disk-toys" / "disk-toys.json").read_text())
    rows, lines = [], Counter[str]()
    for toy in found.values():
        for method, counts in toy["counts"].items():
            for at, printed in enumerate(toy["published of 100"][method]):
                values = [float(count[at]) for count in counts]
                judged = judge(values, {"published": {"mean": printed, "sd": None, "n": None}})
                short = summary(values)
                assert judged is not None
                assert short is not None
                if short.sd == 0:
                    ends = binomial(sum(values), 100 * len(values), printed)
                    judged = replace(judged, status=status_of(ends, MARGIN), ends=ends)
                lines[judged.status] += 1
                ours = f"{short.mean:.1f} ± {short.sd:.1f} ({short.n})"
                shown = pointed(judged.gap, judged.ends)
                rows.append((toy["toy"], method, toy["ends"][at], str(printed), ours, shown, judged.told))
    head = ("toy", "method", "ends in", "published, of 100", "ours, of 100", "difference [95 %]", "status")
    table = Table(head, tuple(tuple(map(Cell, row)) for row in rows))
    text = (
        "From [results/disk-toys](../results/disk-toys/README.md), at full length: five seeds of 100 starts, the "
        "readings chosen on other seeds. Five counts that are equal have the exact binomial interval of all 500 "
        "starts. A published count is one of 100, and its own noise is not in the interval."
    )
    best, ways = [], Counter[str]()
    for toy in found.values():
        at = len(toy["published of 100"]["KD"]) - 1  # the best minimum
        told = toy["published of 100"]["DiSK"][at] - toy["published of 100"]["KD"][at]
        pairs = zip(toy["counts"]["DiSK"], toy["counts"]["KD"], strict=True)
        differences = [float(disk[at] - kd[at]) for disk, kd in pairs]
        ends = interval(differences)
        word = direction_of(float(told), ends)
        ways[word] += 1
        shown = pointed(sum(differences) / len(differences), ends)
        best.append((toy["toy"], toy["ends"][at], f"{told:+d}", shown, word))
    kind = ("toy", "DiSK − KD in", "published, of 100", "ours, of 100", "direction")
    second = markdown_table(Table(kind, tuple(tuple(map(Cell, row)) for row in best)))
    status = f"full scale: of {sum(lines.values())} lines {counted(lines)}"
    status += f"; of {sum(ways.values())} directions {counted(ways)}"
    return f"{text}\n\n{markdown_table(table)}\n\n{second}", status


def binomial(count: float, of: int, printed: float) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper and Pearson's), in points, less a printed one."""
    ends = binomtest(int(count), of).proportion_ci()
    return 100 * ends.low - printed, 100 * ends.high - printed


def sizes(printed: disk_models.Sizes) -> tuple[str, str]:
    """DiSK's Tables 2 and 6: counted as this page is written."""
    table = disk_models.beside(printed)
    words = Counter(row[-1].text for row in table.rows)
    status = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{markdown_table(table)}\n\n{disk_models.NOTE}", f"counted: {status}"


DRAWN = {
    "hard-fig2": hard_toy,
    "disk-table1": disk_toys,
    "disk-fig1": lambda: ("The pictures of [disk-table1](#disk-table1)'s page.", "drawn: see disk-table1"),
    "disk-fig2": lambda: ("The pictures of [disk-table1](#disk-table1)'s page.", "drawn: see disk-table1"),
    "disk-table2": lambda: sizes(disk_models.TABLE_2),
    "disk-table6": lambda: sizes(disk_models.TABLE_6),
    "hard-table5": lambda: (
        "Printed numbers alone; a run would need ImageNet, seven of its variants and the four models' weights.",
        "not run here: needs ImageNet, its variants and BiT's and DINOv2's weights",
    ),
}

if __name__ == "__main__":
    main("--check" in sys.argv[1:])
