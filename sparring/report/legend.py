"""What stands beside a figure's lines: a legend in the page's own text, and what a screen reader says of it."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

DASHED = {"--": ' stroke-dasharray="5 3"', ":": ' stroke-dasharray="1.5 3"'}
SHAPES = {
    "o": '<circle cx="12" cy="6" r="3.5"',
    "s": '<rect x="8.5" y="2.5" width="7" height="7"',
    "^": '<path d="M12 2l4 8H8z"',
}


def legend(ax: Axes) -> str:
    """The names of what is drawn on some axes, each behind a piece of its line; empty for none."""
    rows = [
        Markup("<li>{}<span>{}</span></li>").format(Markup(_swatch(handle)), label)
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    ]
    return f'<ul class="legend">{"".join(rows)}</ul>' if rows else ""


def spoken(figure: Figure) -> str:
    """A figure in words: for each of its axes, what is drawn over what, and the names of the lines."""
    return "; ".join(dict.fromkeys(text for ax in figure.axes if (text := _spoken(ax)))) or "pictures"


def _spoken(ax: Axes) -> str:
    up, across = (" ".join(text.split()) for text in (ax.get_ylabel(), ax.get_xlabel()))
    names = ax.get_legend_handles_labels()[1]
    told = " over ".join(text for text in (up, across) if text)
    said = ": ".join(text for text in (ax.get_title(), told) if text)
    return said + (f" ({', '.join(names)})" if names else "")


def _swatch(handle: Artist | Container) -> str:
    """A piece of a line as it is drawn, or of a filled area."""
    if isinstance(handle, Container):
        handle = handle[0]
    if isinstance(handle, Patch):
        shape = f'<rect x="5" y="1" width="14" height="10" fill="{to_hex(handle.get_facecolor())}"/>'
    else:
        assert isinstance(handle, Line2D)
        colour, dash = to_hex(handle.get_color()), handle.get_linestyle()
        line = f'<path d="M1 6h22" fill="none" stroke="{colour}" stroke-width="2.2"{DASHED.get(str(dash), "")}/>'
        mark = SHAPES.get(str(handle.get_marker()))
        shape = (line if dash in ("-", *DASHED) else "") + (f'{mark} fill="{colour}"/>' if mark else "")
    return f'<svg viewBox="0 0 24 12" aria-hidden="true">{shape}</svg>'
