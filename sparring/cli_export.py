"""The command line's `export`: what a run trained, written for use elsewhere; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote


def export(run: Path, /, *, exit: str, out: Path, device: str | None = None) -> None:
    """Write one exit of a run's student as a network of its own, without what comes later, and compare the two.

    Parameters
    ----------
    run
        A run directory whose student has exits, as --method byot makes them.
    exit
        Which: exit1, exit2, …; or deepest, the network without exits.
    out
        A folder, or a file that ends in .safetensors; it can be a --teacher or a --student.
    device
        Where they are compared, in place of the run's own.
    """
    from sparring import verbs

    done = verbs.export(run, exit, out, device=device)
    print(f"{exit} of {run}: {done.parameters:,} parameters, {done.macs:,} MACs for one image")
    print(
        f"asked again on {done.images} images: accuracy {done.accuracy:.2%} ({done.accuracy_before:.2%} in the run's "
        f"network), logits at most {done.difference:.2g} apart"
    )
    print(f"The network: {done.file}\nNext: sparring distill --teacher {quote(str(done.file))} --student NAME")
