"""The site's pages are all in its navigation, their links lead somewhere, and their markers stand for something."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SITE = runpy.run_path(str(ROOT / "website" / "sitemap.py"))
EXPAND = runpy.run_path(str(ROOT / "website" / "expand.py"))
PAGES = sorted(path for path in SITE["gathered"]() if path.endswith(".md"))
OWN = [page for page in PAGES if page.startswith("docs/")]


def test_every_page_is_in_the_navigation() -> None:
    listed = {page for pages in SITE["PAGES"].values() for _, page in pages}
    there = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}
    assert not there - listed, "name them in website/sitemap.py"


@pytest.mark.parametrize("page", [*PAGES, "README.md"])
def test_relative_links_lead_somewhere(page: str) -> None:
    for link in SITE["links"]((ROOT / page).read_text()):
        file = ROOT / SITE["target"](page, link)
        assert file.is_file(), f"{page} links to {link}, which is no file"
        assert page == "README.md" or file != ROOT / "README.md", f"{page}: the site's front page is docs/index.md"


@pytest.mark.parametrize("page", OWN)
def test_markers_are_known_and_say_something(page: str) -> None:
    text = (ROOT / page).read_text()
    made = EXPAND["expanded"](text)
    for kind, *_ in EXPAND["MARKER"].findall(text):
        assert kind in EXPAND["MAKERS"]
    assert "<!-- made" not in made, f"{page} has a marker that is not on a line of its own"


def test_links_are_moved_and_code_is_not() -> None:
    relinked = SITE["relinked"]
    page = "See [a](../results/x/README.md#there), [b](cache.md) and `[c](../results/y.md)`.\n```\n[d](../e)\n```\n"
    moved = page.replace("(../results/x/", "(results/x/")
    assert relinked("docs/hard.md", page) == moved
    assert relinked("results/README.md", "[h](../docs/hard.md#a) [p](x/p.png)") == "[h](../hard.md#a) [p](x/p.png)"
    assert relinked("docs/hard.md", "[w](https://example.org/../a) [t](#top)") == (
        "[w](https://example.org/../a) [t](#top)"
    )


def test_blocks_are_made_from_the_code() -> None:
    expanded = EXPAND["expanded"]
    made = expanded("before\n\n<!-- made: options perturb da -->\n\nafter")
    assert "`perturb.alpha` | `0.01778`" in made
    assert "`mse`, `kl`" in made
    assert "`--corruptions" in expanded("<!-- made: commands -->")
    assert "--optim.lr" not in expanded("<!-- made: commands -->")
    assert "`optim.lr` | learning rate at its height | `0.05`" in expanded("<!-- made: configuration -->")
    with pytest.raises(KeyError):
        expanded("<!-- made: nothing -->")


@pytest.mark.slow
def test_the_site_builds_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        if "results" not in page.parts:
            fetched = re.findall(r'<(?:script|img|iframe|link)[^>]*\s(?:src|href)="(https?:[^"]*)"', page.read_text())
            assert not fetched, page
