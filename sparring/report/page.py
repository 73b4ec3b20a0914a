"""One page, or one Markdown text, of what some runs showed: the verdict first, then its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sparring.errors import UserError
from sparring.files import write_text
from sparring.report import attacked, augmented, figures, gradients, guided, landscape, parted, phases, robust, teacher
from sparring.report.groups import BASELINE, Arm, Group, groups
from sparring.report.ledger import Run, runs
from sparring.report.missing import missing
from sparring.report.reproduced import Reproduced, reproduced
from sparring.report.table import PGD, claim, costs, markdown_table, table
from sparring.report.units import amount
from sparring.report.verdict import every_pair, summary, verdicts


def page(paths: Iterable[str | Path] | str | Path, out: str | Path) -> Path:
    """Write one self-contained HTML page about every run at or below `paths` to `out`, and return where it is.

    Nothing in it is fetched from elsewhere: it can be mailed, printed and read on a phone. Raises UserError where
    there is no finished run.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found = runs(paths)
    text = _template().render(
        reproduced=reproduced(paths),
        groups=[_view(group) for group in _groups(found)],
        unfinished=waiting(found),
        finished=sum(run.finished for run in found),
    )
    write_text(out, text)
    return Path(out)


def markdown(paths: Iterable[str | Path] | str | Path) -> str:
    """The verdicts and the table of every run at or below `paths`, as Markdown.

    Raises UserError where there is no finished run.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found = runs(paths)
    parts = [text for row in reproduced(paths) for text in beside(row)]
    for group in _groups(found):
        parts.append(f"## {_plain(group.student)} on {_plain(group.data)}")
        parts.append("\n".join(f"- {_plain(line)}" for line in sentences(group)))
        parts.append(markdown_table(table(group)))
        if both := teacher.beside(group):
            parts.append(markdown_table(both))
        parts += [f"{_plain(found.title)}:\n\n{markdown_table(found.means)}" for found in robust.corrupted(group)]
        if others := robust.variants(group):
            parts.append(markdown_table(others))
        for seen in gradients.gradients(group):
            parts.append(f"Gradients in epoch {seen.epoch}, mean |∂L/∂W|:\n\n{markdown_table(seen.raw)}")
            parts.append(f"Divided by each run's mean total loss:\n\n{markdown_table(seen.scaled)}")
            parts += [_plain(caveat) for caveat in seen.caveats]
        for more in (parted.exits(group), parted.biases(group)):
            parts += [markdown_table(more)] if more else []
        for held in attacked.attacked(group):
            parts += [f"{held.title}:\n\n{markdown_table(held.table)}", *map(_plain, held.remarks)]
    if left := waiting(found):
        parts.append("Not counted: " + "; ".join(f"`{run.path}` ({run.problem})" for run in left) + ".")
    return "\n\n".join(parts) + "\n"


def beside(row: Reproduced) -> list[str]:
    """A reproduced row as Markdown, in parts: its table, what the paper says of its lines' differences, its note."""
    orders = [f"One line against another, points:\n\n{markdown_table(row.orders)}"] if row.orders else []
    return [f"## {_plain(row.title)}", markdown_table(row.table), *orders, _plain(row.note)]


def waiting(found: Iterable[Run]) -> list[Run]:
    """The runs that do not count; an autoencoder, which no test accuracy is expected of, is not among them."""
    return [run for run in found if not run.finished and run.method != "autoencoder"]


def sentences(group: Group) -> list[str]:
    """The verdict on each arm of a group, the best arm's first; or what is missing for there to be one."""
    beyond = ([line] if (line := teacher.sentence(group)) else []) + remarks(group)
    if found := verdicts(group):
        arms = {arm.label: arm for arm in group.arms}
        return [f"{verdict.sentence}{withstood(arms[verdict.method])}" for verdict in found] + beyond
    best = summary(group.arms[0].values("test", "accuracy"))
    reached = f"reaches {best.mean * 100:.2f} % test accuracy (n={best.n})" if best else "was trained"
    reached += f".{withstood(group.arms[0])}".rstrip(".")
    if not group.contenders:
        name = group.student if len(group.arms) == 1 else group.arms[0].label
        alone = f"{name} {reached}, on the labels alone. No distilled run of it is here to set beside it."
        return [alone, *remarks(group)]
    return [
        f"{group.arms[0].label} {reached}. Cannot tell whether that helps: there is no run of the baseline (method "
        f"'{BASELINE}', the same student, data and budget on the labels alone). Train one on the same seeds.",
        *beyond,
    ]


def withstood(arm: Arm) -> str:
    """What an arm whose training attacks keeps under attack, behind a sentence that is about images as they are."""
    left = summary(arm.values("test", PGD))
    return f" Under PGD-10 {left.mean * 100:.2f} % are left (of up to 1,000 images)." if left else ""


def remarks(group: Group) -> list[str]:
    """What a method had to say of its own runs when they ended, such as that it did nothing."""
    told = []
    for arm in group.arms:
        heard = [text for run in arm.runs for text in run.result.get("remarks", ())]
        told += [f"{arm.label}, {heard.count(text)} of {len(arm.runs)} runs: {text}." for text in dict.fromkeys(heard)]
    if any("test_without" in run.result for arm in group.arms for run in arm.runs):
        told.append(
            "Some classes were omitted: training and validation images have none of them, test images have them, and "
            "so has every number that says neither 'without' nor 'only'."
        )
    told += attacked.stopped(group)
    return told + [line for arm in group.arms for run in arm.runs for line in missing(run)]


def default_place(paths: Sequence[str | Path]) -> Path:
    """Where a page about some runs goes if nobody says: into the one folder given, as report.html.

    A page about several belongs to none of them, and must not take the place of one's own: it goes into the working
    directory, as report.html or, where there is one already, report-2.html and so on.
    """
    if len(paths) == 1:
        return Path(paths[0]) / "report.html"
    numbered = (Path(f"report-{number}.html" if number > 1 else "report.html") for number in count(1))
    return next(path for path in numbered if not path.exists())


def _groups(found: list[Run]) -> list[Group]:
    if sorted_out := groups(found):
        return sorted_out
    raise UserError(
        f"None of the {len(found)} runs found is finished ({found[0].path}: {found[0].problem}): "
        "resume or wait for one, then ask for the report again."
    )


def _view(group: Group) -> dict[str, Any]:
    """What the template is given of a group: words, tables and pictures."""
    members = [run for arm in group.arms for run in arm.runs]
    verdict = verdicts(group)
    return {
        "title": f"{group.student} on {group.data}",
        "tested": members[0].number("images", "test"),
        "word": verdict[0].word if verdict else "no verdict",
        "sentences": sentences(group),
        "table": table(group),
        "pairs": [pair.sentence for pair in every_pair(group)],
        "claims": _claims(group),
        "superseded": [run.path for arm in group.arms for run in arm.superseded],
        "beside": teacher.beside(group),
        "robust": robust.corrupted(group),
        "variants": robust.variants(group),
        "attacked": attacked.attacked(group),
        "exits": parted.exits(group),
        "biases": parted.biases(group),
        "size": _size(members),
        "costs": costs(group),
        "validation": _svg(figures.validation_curves(group)),
        "gradients": [(found, _svg(found.picture)) for found in gradients.gradients(group)],
        "losses": [(arm.label, svg) for arm in group.arms if (svg := _svg(figures.loss_curves(arm)))],
        "climb": _svg(figures.disagreement_curve(group)),
        "gallery": _gallery(members),
        "augmentors": [found for arm in group.arms if (found := _augmentor(arm))],
        "guides": [found for arm in group.arms if (found := _guide(arm))],
        "landscapes": [found for arm in group.arms if (found := _landscape(arm))],
        "cost": _svg(figures.cost(group)),
        "provenance": [(arm.label, [_origin(run) for run in arm.runs]) for arm in group.arms],
    }


def _gallery(members: list[Run]) -> dict[str, Any] | None:
    """The first run's pictures, of those that have some."""
    for run in reversed(members):
        if pictures := figures.gallery(run):
            return {"run": run, "pictures": pictures}
    return None


def _augmentor(arm: Arm) -> dict[str, Any] | None:
    """What the first run of an arm that perturbed its images made of them, and how its phases went."""
    for run in arm.runs:
        images, line = augmented.augmented(run), phases.timeline(run)
        if images or line:
            return {"label": arm.label, "seed": run.seed, "images": _svg(images), "timeline": _svg(line)}
    return None


def _guide(arm: Arm) -> dict[str, Any] | None:
    """What the guide of the first run of an arm that had one censors."""
    for run in arm.runs:
        if (found := guided.guided(run)) is not None:
            return {"label": arm.label, "seed": run.seed, "images": _svg(found[0]), "curves": _svg(found[1])}
    return None


def _landscape(arm: Arm) -> dict[str, Any] | None:
    """The losses around the student of the first run of an arm of which they were drawn."""
    for run in arm.runs:
        if found := landscape.landscape(run):
            return {"label": arm.label, "seed": run.seed, "picture": _svg(found)}
    return None


def _claims(group: Group) -> list[str]:
    """Where the published numbers of a table come from."""
    found = [(arm.label, claim(arm)) for arm in group.arms]
    return [f"{label}: published in {told['source']} (protocol: {told['protocol']})" for label, told in found if told]


def _size(members: list[Run]) -> str:
    """The parameters and multiply-adds of what was trained, in one line."""
    told = {"parameters": "parameters", "macs": "multiply-adds an image"}
    found = {words: max((run.number(key) or 0 for run in members), default=0) for key, words in told.items()}
    return ", ".join(f"{amount(value)} {words}" for words, value in found.items() if value)


def _origin(run: Run) -> dict[str, str]:
    """Where a run comes from: what one needs to do it again."""
    told: Mapping[str, Any] = run.manifest
    digest = (told.get("teacher") or {}).get("sha256")
    facts = {
        "seed": run.seed,
        "device": told.get("device"),
        "commit": (told.get("git_commit") or "")[:12],
        "sparring": told.get("sparring"),
        "torch": told.get("torch"),
        "started": told.get("started"),
        "data fingerprint": (run.fingerprint or "")[:16],
        "teacher": f"{run.teacher or '–'}" + (f" ({digest[:12]})" if digest else ""),
        "directory": run.path,
        "command": told.get("command"),
    }
    return {key: "" if value is None else str(value) for key, value in facts.items()}


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("page.html.j2")


def _svg(text: str | None) -> Markup | None:
    return None if text is None else Markup(text)  # drawn by us: matplotlib has escaped what users named


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")
