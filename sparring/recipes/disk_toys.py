"""DiSK's toys (Table 1, Figs. 1 and 2): in which minimum a hundred initialisations end by CE, by KD and by DiSK.

The paper leaves much of both toys open. `LINE` and `PLANE` are the readings that came nearest to its counts among those
tried on seeds of their own (docs/disk-toys.md); what they give on other seeds is what is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from sparring.files import write_json, write_text
from sparring.recipes import disk_toy_line as line
from sparring.recipes import disk_toy_plane as plane
from sparring.recipes.disk_toy_game import METHODS, Reading, rows
from sparring.recipes.disk_toy_line import Line
from sparring.recipes.disk_toy_plane import Plane
from sparring.recipes.rows import Scale
from sparring.report import disk_toys as report
from sparring.report.disk_toys import Landscape, Toy

LINE = Line(training=Reading())
PLANE = Plane(training=Reading(batch=100))
PUBLISHED = {  # Table 1: how many of 100
    "line": {"CE": (35, 64, 1), "KD": (30, 67, 3), "DiSK": (9, 1, 90)},
    "plane": {"CE": (73, 12, 9, 6), "KD": (1, 11, 31, 57), "DiSK": (0, 0, 3, 97)},
}
KINDS = {"line": (*line.MINIMA, "elsewhere"), "plane": tuple(map(str, plane.LEVELS))}
SCALES: dict[Scale, tuple[int, int, int]] = {"smoke": (1, 8, 6), "cpu": (1, 100, 200), "full": (5, 100, 200)}
FINE = 121  # points along a side of a landscape


def toys(out: Path, scale: Scale, seeds: int | None = None) -> Path:
    """Fill the folder `out` with Table 1 and its figures: disk-toys.json, report.html and report.md; returns the page.

    scale: "smoke" is eight initialisations for six epochs, "cpu" one seed of a hundred, "full" five. A seed has its own
    samples, teacher and starts; the pictures show the first.
    """
    count, runs, epochs = SCALES[scale]
    numbers = list(range(seeds or count))
    on_line = replace(LINE, training=replace(LINE.training, epochs=epochs))
    on_plane = replace(PLANE, training=replace(PLANE.training, epochs=epochs))
    found = {
        "line": one_dimension(on_line, numbers, runs),
        "plane": two_dimensions(on_plane, numbers, runs),
    }
    out.mkdir(parents=True, exist_ok=True)
    told = {
        name: {"counts": toy.counts, "of": runs, "seeds": numbers, "reading": asdict(reading), "published": toy.published}
        for (name, toy), reading in zip(found.items(), (on_line, on_plane), strict=True)
    }
    write_json(out / "disk-toys.json", told)
    write_text(out / "report.md", report.markdown(found, whole=scale != "smoke"))
    return report.page(found, out / "report.html", whole=scale != "smoke")


def one_dimension(told: Line, seeds: list[int], runs: int) -> Toy:
    """Toy 1: counts for each seed, and of the first seed's points the losses over (a, b) as DiSK's guide ended."""
    counts, scenes = {name: [] for name in METHODS}, {}
    for seed in seeds:
        for name in METHODS:
            learned = line.learn(name, told, seed=seed, runs=runs)
            counts[name].append(tally(line.nearest(learned.path[-1]), KINDS["line"]))
            if seed == seeds[0]:
                scenes[name] = learned
    path, x = {name: learned.path.numpy() for name, learned in scenes.items()}, torch.linspace(0, line.LENGTH, 181)
    guide = scenes["DiSK"].guide
    assert guide is not None
    return Toy(
        title="1-D intervals",
        kinds=KINDS["line"],
        counts=counts,
        published=PUBLISHED["line"],
        of=runs,
        landscapes=over_ends(told, seeds[0], guide[-1].mean(0)),
        paths=path,
        minima={name: ends for name, ends in line.MINIMA.items()},
        guide=(x.numpy(), guide.mean(1).numpy()),
    )


def over_ends(told: Line, seed: int, g: Tensor) -> dict[str, Landscape]:
    """Each method's loss over the ends (a, b) of the student, a < b; of DiSK under the guide g (181,) over the line."""
    x, y = line.points(seed)
    side = torch.linspace(0, line.LENGTH, FINE)
    _, t = line.Oracle(told)(x)
    at = g[(x.squeeze(1) / line.LENGTH * 180).round().long()]
    values = {name: torch.full((FINE, FINE), float("nan")) for name in METHODS}
    for row, b in enumerate(side[1:], 1):  # a row at a time: the whole would be gigabytes
        student = line.Intervals(torch.stack([side[:row], b.expand(row)], 1), told)
        with torch.no_grad():
            s = student(x)
            for name in METHODS:
                cost = rows(name, s, t, y, at.expand(row, -1), told.training) if name == "DiSK" else rows(
                    name, s, t, y, None, told.training
                )
                values[name][row, :row] = cost.mean(-1)
    return {name: Landscape(side.numpy(), side.numpy(), value.numpy()) for name, value in values.items()}


def tally(found: list[str], kinds: tuple[str, ...]) -> list[int]:
    """How many ended in each kind."""
    each = Counter(found)
    return [each[kind] for kind in kinds]
