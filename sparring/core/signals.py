"""By which signals a process is asked to stop in order."""

from __future__ import annotations

import signal


def stops() -> tuple[signal.Signals, ...]:
    """SIGTERM, Ctrl-C and, where the platform has it, a lost terminal's SIGHUP, which `nohup` has switched off."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, hangup)
