"""Figures of a row a method, its name above its bar, where even a long one is read on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

LONGEST = 66  # characters across a figure


def named_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write the name of each row, at 0, 1, 2 …, above it from the left edge on, and leave the axis itself bare."""
    for row, name in enumerate(names):
        text = name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 :]}"
        place = (0, row + 0.26)
        ax.annotate(text, place, (3, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", fontsize=9)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    ax.set_ylim(-0.45, len(names) - 0.3)
