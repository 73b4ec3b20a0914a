"""How a user's mistake is told."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can mend: one or two sentences that say what is wrong, what was given and what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """


class Taken(UserError):
    """A folder holds something else than what is to go there, so that nothing may be read or written as if it did."""


class Busy(UserError):
    """Another process is at work in a folder, and will leave it."""


class Interrupted(BaseException):
    """The run was asked to stop by a signal, its state is saved, and it can be resumed. signal: its number. No
    Exception, as KeyboardInterrupt is none: what a user's own file catches or fails with is something else."""

    def __init__(self, text: str, signal: int) -> None:
        super().__init__(text)
        self.signal = signal


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Did you mean 'x'?, where a known name is close to the given one; else the first of the known names."""
    known = sorted(known)
    plain = {name.lower().replace("_", "-"): name for name in known}
    if close := get_close_matches(given.lower().replace("_", "-"), plain, n=1, cutoff=0.6):
        return f"Did you mean {plain[close[0]]!r}?"
    if not known:
        return "There is none to choose from."
    return "Known: " + ", ".join(known[:12]) + (", and others." if len(known) > 12 else ".")


def first_line(error: BaseException) -> str:
    """What an error of another library says, in a line that fits into a sentence; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
