"""Evidence that is no table of runs: toys, counted networks, figures; each its part of the page and its status."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import standing
from scipy.stats import binomtest

from sparring.recipes import disk_models
from sparring.report import markdown_table
from sparring.report.judged import MARGIN, direction_of, judge, pointed, status_of
from sparring.report.table import Cell, Table
from sparring.report.verdict import interval, summary

HERE = Path(__file__).parent


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
    return f"{text}\n\n{markdown_table(table)}", f"full scale: {standing.amount(ways, 'difference', 'agree')}"


def disk_toys() -> tuple[str, str]:
    """DiSK's Table 1: how many of 100 starts end in each minimum, ours over five seeds."""
    found = json.loads((HERE / "disk-toys" / "disk-toys.json").read_text())
    rows, held = [], Counter[str]()
    for toy in found.values():
        best = len(toy["published of 100"]["KD"]) - 1  # the minimum that the claim is about
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
                held[judged.status] += at == best and method in ("DiSK", "KD")
                ours = f"{short.mean:.1f} ± {short.sd:.1f} ({short.n})"
                shown = pointed(judged.gap, judged.ends)
                rows.append((toy["toy"], method, toy["ends"][at], str(printed), ours, shown, judged.told))
    head = ("toy", "method", "ends in", "published, of 100", "ours, of 100", "difference [95 %]", "status")
    table = Table(head, tuple(tuple(map(Cell, row)) for row in rows))
    text = (
        "From [results/disk-toys](../results/disk-toys/README.md), at full length: five seeds of 100 starts, the "
        "readings chosen on other seeds. Five equal counts have the exact binomial interval of all 500 starts. "
        "A published count is one of 100, and its own noise is not in the interval."
    )
    apart, ways = [], Counter[str]()
    for toy in found.values():
        at = len(toy["published of 100"]["KD"]) - 1
        told = toy["published of 100"]["DiSK"][at] - toy["published of 100"]["KD"][at]
        pairs = zip(toy["counts"]["DiSK"], toy["counts"]["KD"], strict=True)
        differences = [float(disk[at] - kd[at]) for disk, kd in pairs]
        ends = interval(differences)
        word = direction_of(float(told), ends)
        ways[word] += 1
        shown = pointed(sum(differences) / len(differences), ends)
        apart.append((toy["toy"], toy["ends"][at], f"{told:+d}", shown, word))
    kind = ("toy", "DiSK − KD in", "published, of 100", "ours, of 100", "direction")
    second = markdown_table(Table(kind, tuple(tuple(map(Cell, row)) for row in apart)))
    status = [standing.amount(held, "number", "match"), standing.amount(ways, "difference", "agree")]
    return f"{text}\n\n{markdown_table(table)}\n\n{second}", f"full scale: {'; '.join(status)}"


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
