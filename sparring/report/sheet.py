"""A plain page of headed tables, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from sparring.files import write_text
from sparring.report.table import Table, markdown_table

STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #8886}"
    ".wide{overflow-x:auto}p{max-width:46rem}"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a page, under a heading, with a note below it."""

    heading: str
    table: Table
    note: str = ""


def markdown(sheets: Sequence[Sheet]) -> str:
    """The tables in Markdown."""
    parts = [[f"## {sheet.heading}", markdown_table(sheet.table), sheet.note] for sheet in sheets]
    return "\n\n".join(text for part in parts for text in part if text) + "\n"


def page(title: str, sheets: Sequence[Sheet], out: Path) -> Path:
    """Write one self-contained HTML page to `out`, and return it."""
    parts = []
    for sheet in sheets:
        head = "".join(f"<th>{escape(each)}</th>" for each in sheet.table.head)
        rows = ["".join(f"<td>{escape(cell.text)}</td>" for cell in row) for row in sheet.table.rows]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        parts.append(
            f'<h2>{escape(sheet.heading)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div><p>{escape(sheet.note)}</p>"
        )
    write_text(
        out,
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>",
    )
    return out


def both(title: str, sheets: Sequence[Sheet], out: Path) -> Path:
    """Write report.html and report.md into the folder `out`, and return the page."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.md", markdown(sheets))
    return page(title, sheets, out / "report.html")
