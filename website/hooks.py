"""What MkDocs is told on the way: the navigation, files from outside docs/, blocks made from the code, equations."""

from __future__ import annotations

import html
import re
from typing import Any

from expand import expanded
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from sitemap import ROOT, gathered, in_repository, navigation, relinked, uri_of

EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_config(config: Any) -> Any:
    """The navigation, of the pages that exist."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: Any) -> Files:
    """Beside docs/, what its pages link to elsewhere in the repository."""
    for file in gathered():
        if not file.startswith("docs/"):
            files.append(File.generated(config, uri_of(file), abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page's markers and links, as they are on the site."""
    return relinked(in_repository(page.file.src_uri), expanded(markdown))


def on_page_content(content: str, **_: Any) -> str:
    """A page's equations as MathML, which browsers draw by themselves."""
    return EQUATION.sub(lambda match: drawn(match[3], "inline" if match[2] == "(" else "block"), content)


def drawn(latex: str, display: str) -> str:
    """An equation of LaTeX in MathML; a block may be wider than the page, and is then moved by itself."""
    math = convert(html.unescape(latex).strip(), display=display)
    return math if display == "inline" else f'<div class="equation">{math}</div>'
