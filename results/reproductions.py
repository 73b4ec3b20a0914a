"""Every recipe beside what was measured of it here: docs/reproductions.md, and the few words that the package ships.

    python results/reproductions.py [--check]

reads results/ and the recipes, and writes docs/reproductions.md and sparring/recipes/evidence.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import standing
from attached import EVIDENCE, HONEST, Evidence
from costs import cost, longest
from drawn import DRAWN
from pages import stale
from searched import searched

from sparring.files import write_text
from sparring.launch.planned import Wish
from sparring.launch.reproduce import plan_of
from sparring.recipes.published import RECIPES
from sparring.recipes.rows import Recipe
from sparring.report import Run, markdown_table, runs
from sparring.report.page import beside
from sparring.report.reproduced import Reproduced, row_beside
from sparring.report.table import Cell, Table
from sparring.report.units import duration

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
chance. **Not an equal comparison**: what else than the method sets the two lines' runs apart (epochs, a start from
a trained student); where a rival of as many updates was run, the line below has it.

*Status of a recipe*: only the differences that its claim is about (`about` in the recipe, "the claim's" in a table),
each once: where one was measured in several places, the one with the most seeds speaks, of equally many the first
below. Of numbers those of the lines that the claim puts first. "Not run": the claim speaks of it, and no seed here
has both lines. All other differences stand in the tables and are not counted.

*Raw files* of a line: FOLDER/ROW/LINE/seed-N/result.json (a teacher's: FOLDER/teachers/NAME/result.json), with the
FOLDER that is named above each table; where the lines lie otherwise, it is said there.

*Cost*: hours at full scale are estimates for one GPU, from multiply-adds at the speed that DA's public logs show on
an RTX 4090 (240 epochs of KD, resnet32x4 → resnet8x4, in 23 minutes); at CPU scale for two cores, from the median
speed of the runs kept here. Expect them to be right within a factor of three; autoencoders and AutoAttack are not in
them. What was measured ran on two cores shared with other work, so its hours say as little.
"""


def main(check: bool) -> None:
    """Write the page and the shipped words, or check that what is there is what would be written, and that the kept
    reports are of the kept runs."""
    for place, text in zip((PAGE, SHIPPED), made(), strict=True):
        if not check:
            write_text(place, text)
            print(place)
        elif place.read_text() != text:
            sys.exit(f"{place} is not what results/ and the recipes say: run python results/reproductions.py")
    if check and (old := list(stale(HERE))):
        sys.exit("\n".join(old))


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
        parts.append(f"{kept} Training took {hours(evidence)} in all. {raw(evidence)}")
        for row in found:
            title, *more = beside(row)
            parts += [f"**{title.removeprefix('## ')}**", *more]
    if not parts:
        status = lacking(recipe)
        parts = [f"Status: {status}."]
    elif told:
        status = "; ".join(told)
    else:
        assert recipe.rows is not None
        status = standing.in_short(rows, recipe.rows(scales[0]))
        parts += counted_of(rows)
    return "\n\n".join([*head, *price, *parts, *honest]), status, " ".join(dict.fromkeys(scales))


def counted_of(rows: Sequence[tuple[Evidence, Reproduced]]) -> list[str]:
    """What of a recipe's evidence its status counts, in parts."""
    table, rest = standing.told(rows)
    head = "What the status counts, each difference once, as the place with the most seeds tells it:"
    return [*([f"{head}\n\n{markdown_table(table)}"] if table else []), *filter(None, [rest])]


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


def lacking(recipe: Recipe) -> str:
    """Why nothing of a recipe is kept."""
    needs = [NEEDED[key] for key, scale in recipe.needs if scale == "full"]
    if needs:
        return f"not run here: needs {' and '.join(needs)}"
    return "not run here"


def raw(evidence: Evidence) -> str:
    """Where the files of each line lie, in a sentence."""
    if not evidence.lines:
        return f"Raw: results/{evidence.folder}/ROW/LINE/seed-N/result.json."
    told = ", ".join(f"{name} in {place}" for name, place in evidence.lines.items())
    return f"Raw: result.json below results/{evidence.folder}, {told}."


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
    if recipe.hunt is not None:
        told = {}
        for scale in recipe.scales:
            hunt = recipe.hunt(scale)
            runs_after = (hunt.finalists + 1) * hunt.seeds
            told[scale] = f"{hunt.trials} trials and {runs_after} runs, up to {hunt.student.epochs} epochs"
            if scale == "smoke":
                told[scale] += measured(name)
            else:
                told[scale] += f", at most {rounded(longest(hunt, scale))} on {PLACES[scale]} (estimated)"
        return told
    if recipe.rows is None:
        return {"any": OTHERWISE.get(name, "minutes on one core")}
    told = {}
    for scale in recipe.scales:
        found = cost(recipe.rows(scale), "cpu" if name in SMALL else scale)
        many = f"{found.runs} runs, up to {found.epochs} epoch{'' if found.epochs == 1 else 's'}"
        if scale == "smoke":
            told[scale] = f"{found.runs} runs{measured(name)}"
        else:
            where = PLACES["cpu" if name in SMALL else scale]
            told[scale] = f"{many}, about {rounded(found.hours)} on {where} (estimated)"
    return told


def measured(name: str) -> str:
    """How long a recipe took at smoke scale, behind a comma, where it was timed."""
    timed = json.loads(SMOKE.read_text())["recipes"] if SMOKE.exists() else {}
    took = timed.get(name, {}).get("seconds")
    return f", {duration(took)} measured" if took else ""


PLACES = {"cpu": "two cores", "full": "one GPU"}
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


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
