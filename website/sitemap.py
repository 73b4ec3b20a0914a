"""Which pages the site has, in the order a newcomer needs; and where a file of the repository lies on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES: dict[str, list[tuple[str, str]]] = {  # section: (title, page), as paths in the repository
    "Home": [("sparring", "docs/index.md")],
    "Start": [
        ("Five minutes", "docs/start.md"),
        ("Your own model and data", "docs/your-own.md"),
        ("Choosing a method", "docs/choosing.md"),
    ],
    "Methods": [
        ("All of them", "docs/methods.md"),
        ("KD and its kin", "docs/kd.md"),
        ("Disagreement Augmentation", "docs/da.md"),
        ("HARD", "docs/hard.md"),
        ("DiSK", "docs/disk.md"),
        ("Features", "docs/features.md"),
        ("Logits", "docs/logit-methods.md"),
        ("Odd teachers, and attacks", "docs/adversarial.md"),
        ("EMA", "docs/ema.md"),
        ("Be Your Own Teacher", "docs/byot.md"),
        ("What goes with what", "docs/compositions.md"),
        ("Your own method", "docs/your-own-method.md"),
    ],
    "Running": [
        ("Stop and go on", "docs/resume.md"),
        ("Several processes", "docs/distributed.md"),
        ("Many machines", "docs/machines.md"),
        ("A teacher asked once", "docs/cache.md"),
        ("Searches", "docs/sweep.md"),
    ],
    "Judging": [
        ("The report", "docs/report.md"),
        ("Robustness", "docs/robustness.md"),
        ("Pictures", "docs/pictures.md"),
        ("Comparing", "docs/compare.md"),
        ("What was measured", "results/README.md"),
        ("Speed", "bench/README.md"),
        ("DiSK's toys", "docs/disk-toys.md"),
        ("Reproductions", "docs/reproductions.md"),
    ],
    "Shipping": [("Export", "docs/export.md")],
    "Reference": [
        ("Command line", "docs/cli.md"),
        ("Configuration", "docs/configuration.md"),
        ("Python", "docs/api.md"),
        ("How it is built", "docs/design.md"),
    ],
}
CODE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<tick>`+)[^`].*?(?P=tick)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s#]+)([^)\s]*\))")


def navigation() -> list[dict[str, object]]:
    """MkDocs' nav: of the pages above those that exist; a section of one page is that page."""
    sections = []
    for section, pages in PAGES.items():
        there: list[dict[str, object]] = [{title: uri_of(page)} for title, page in pages if (ROOT / page).exists()]
        if there:
            sections.append({section: there if len(there) > 1 else next(iter(there[0].values()))})
    return sections


def uri_of(file: str) -> str:
    """Where a file of the repository lies on the site: pages at its top, all else under its own path."""
    return file.removeprefix("docs/")


def in_repository(uri: str) -> str:
    """The other way round: the file of the repository that lies there on the site."""
    return uri if uri.partition("/")[0] in ("results", "bench") else f"docs/{uri}"


def links(text: str) -> Iterator[str]:
    """The relative links of a page, without their anchors."""
    for match in LINK.finditer(CODE.sub("", text)):
        yield match[2]


def target(page: str, link: str) -> str:
    """The file of the repository that a link of a page means, as a path in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def relinked(page: str, text: str) -> str:
    """A page with links as they must be on the site, where docs/ is at the top; code is left alone."""
    start = posixpath.dirname(uri_of(page)) or "."

    def moved(match: re.Match[str]) -> str:
        return match[1] + posixpath.relpath(uri_of(target(page, match[2])), start) + match[3]

    return outside_code(text, lambda part: LINK.sub(moved, part))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """A page in which `change` was made to all that is no code."""
    parts, place = [], 0
    for code in CODE.finditer(text):
        parts += [change(text[place : code.start()]), code[0]]
        place = code.end()
    return "".join([*parts, change(text[place:])])


def gathered() -> list[str]:
    """All pages that are there, and whatever they link to, and what that links to, as paths in the repository."""
    found: dict[str, None] = {}
    waiting = [page for pages in PAGES.values() for _, page in pages if (ROOT / page).exists()]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found[page] = None
            if page.endswith(".md"):
                waiting += [target(page, link) for link in links((ROOT / page).read_text())]
    return list(found)
