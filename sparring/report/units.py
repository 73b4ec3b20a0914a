"""Numbers as people say them."""

from __future__ import annotations

NORMS = {"linf": "ℓ∞", "l2": "ℓ2"}


def duration(seconds: float) -> str:
    """A time, given in seconds: "0.42 ms", "9.5 s", "45 s", "2.5 min", "12 min", "3.4 h"."""
    if seconds < 0.095:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.2g} min" if seconds < 600 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def amount(count: float) -> str:
    """How many of something, in three digits: "930", "83.9 thousand", "1.23 million", "4.1 billion"."""
    for scale, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= scale * 0.9995:  # 999,600 would be 1e+03 thousand
            return f"{count / scale:.3g} {word}"
    return f"{count:.0f}"


def signed(fraction: float) -> str:
    """A fraction as points of a percent with its sign: 0.0123 → "+1.23"."""
    return f"{fraction * 100:+.2f}".replace("-", "−")


def ball(norm: str, eps: float) -> str:
    """ "ℓ∞ 8/255": a norm ("linf" or "l2") and a radius in pixels of [0, 1], in grey levels where it is a few."""
    levels = eps * 255
    told = f"{round(levels)}/255" if 0 < levels < 17 and abs(levels - round(levels)) < 1e-6 else f"{eps:g}"
    return f"{NORMS.get(norm, norm)} {told}"
