"""What the page's template is given: of a group its words, tables and pictures, of several a table of them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sparring.report import (
    attacked,
    augmented,
    contest,
    costs,
    figures,
    gradients,
    guided,
    landscape,
    origins,
    overview,
    parted,
    phases,
    radii,
    robust,
    teacher,
)
from sparring.report.groups import Arm, Group
from sparring.report.ledger import Run
from sparring.report.said import SMOKE_TEST, sentences
from sparring.report.table import claim, table
from sparring.report.units import amount
from sparring.report.verdict import every_pair, verdicts

FEW = 4  # groups whose verdicts stand in full above the table of all
CONTENTS = {  # a group's parts in their order: the heading, and what there must be for it to stand there
    "results": ("Results on the test set", ("table",)),
    "pairs": ("The methods against each other", ("pairs",)),
    "beside": ("Beside its teacher", ("beside",)),
    "robust": ("On corrupted images", ("robust",)),
    "exits": ("Its exits", ("exits",)),
    "biases": ("The bias trick", ("biases",)),
    "attacked": ("Under attack", ("attacked", "radii")),
    "variants": ("On ImageNet's variants", ("variants",)),
    "training": ("Training", ("validation", "losses")),
    "gradients": ("Gradients by layer", ("gradients",)),
    "disagreement": ("Where teacher and student disagree", ("climb", "gallery")),
    "augmentors": ("What the student was shown", ("augmentors",)),
    "guides": ("What guides leave out", ("guides",)),
    "landscapes": ("The losses around the student", ("landscapes",)),
    "costs": ("What training cost", ("costs",)),
    "origins": ("Where these numbers come from", ("origins",)),
}


def summed(found: Sequence[Group]) -> dict[str, Any] | None:
    """What a page about several groups begins with: a sentence, one for each of a few groups, and a table of all."""
    if (told := overview.overview(found)) is None:
        return None
    words = {overview.word_for(group) for group in found}
    silent = (overview.NONE, SMOKE_TEST)
    told_of = [(number, group) for number, group in enumerate(found) if overview.word_for(group) not in silent]
    told_of.sort(key=lambda pair: overview.word_for(pair[1]) != "helps")
    first = [(overview.name(group), _anchor(number), sentences(group)[0]) for number, group in told_of]
    return {
        "table": told,
        "links": [_anchor(number) for number in range(len(found))],
        "headline": overview.headline(found),
        "sentences": first if len(first) <= FEW else [],
        "word": "helps" if "helps" in words else "",
    }


def _anchor(number: int) -> str:
    return f"group-{number + 1}"


def view(number: int, group: Group) -> dict[str, Any]:
    """What the template is given of a group: words, tables and pictures."""
    members = [run for arm in group.arms for run in arm.runs]
    found, told = sentences(group), (len(verdicts(group)) or 1) + group.smoke
    seen = {
        "anchor": _anchor(number),
        "title": overview.name(group),
        "tested": members[0].number("images", "test"),
        "word": overview.word_for(group),
        "sentences": found,
        "others": found[1:told],
        "remarks": found[told:],
        "table": table(group),
        "intervals": _svg(contest.intervals(group)),
        "pairs": [pair.sentence for pair in every_pair(group)],
        "contest": contest.contest(group),
        "claims": _claims(group),
        "superseded": [run.path for arm in group.arms for run in arm.superseded],
        "size": _size(members),
        "origins": origins.origins(group),
        **_measured(group),
        **_pictured(group),
        **_costs(group),
    }
    return seen | {"contents": {key: title for key, (title, needed) in CONTENTS.items() if any(map(seen.get, needed))}}


def _measured(group: Group) -> dict[str, Any]:
    """The tables of what was measured of a group's runs beside their test accuracy."""
    return {
        "beside": teacher.beside(group),
        "robust": robust.corrupted(group),
        "variants": robust.variants(group),
        "attacked": attacked.attacked(group),
        "radii": [(title, _svg(picture)) for title, picture in radii.radii(group)],
        "exits": parted.exits(group),
        "biases": parted.biases(group),
    }


def _pictured(group: Group) -> dict[str, Any]:
    """The figures and pictures of a group's trainings."""
    return {
        "validation": _svg(figures.validation_curves(group)),
        "gradients": [(found, _svg(found.picture)) for found in gradients.gradients(group)],
        "losses": [(arm.label, svg) for arm in group.arms if (svg := _svg(figures.loss_curves(arm)))],
        "climb": _svg(figures.disagreement_curve(group)),
        "gallery": _gallery(group),
        "augmentors": [found for arm in group.arms if (found := _augmentor(arm))],
        "guides": [found for arm in group.arms if (found := _guide(arm))],
        "landscapes": [found for arm in group.arms if (found := _landscape(arm))],
    }


def _costs(group: Group) -> dict[str, Any]:
    """What a group's trainings cost; nothing where no run tells."""
    told = costs.costs(group)
    return {
        "costs": told if len(told.head) > 1 else None,
        "machines": costs.machines(group),
        "breakdown": _svg(costs.breakdown(group)),
        "tradeoffs": [_svg(picture) for picture in costs.tradeoffs(group)],
    }


def _gallery(group: Group) -> dict[str, Any] | None:
    """The pictures of the last run that has some."""
    for arm in reversed(group.arms):
        for run in reversed(arm.runs):
            if pictures := figures.gallery(run):
                return {"label": arm.label, "seed": run.seed, "pictures": pictures}
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


def _svg(text: str | None) -> Markup | None:
    return None if text is None else Markup(text)  # drawn by us: matplotlib has escaped what users named
