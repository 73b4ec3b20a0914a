"""The command line's `export`: what a run trained, written for use elsewhere; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sparring.arguments import Several


def export(
    run: Path,
    /,
    *,
    to: Annotated[tuple[Literal["safetensors", "torch", "onnx"], ...] | None, Several] = None,
    exit: str | None = None,
    out: Path | None = None,
    licence: Annotated[str, Parameter(name=["--licence", "--license"])] = "other",
) -> None:
    """Write a run's student alone into files for use elsewhere, try each against PyTorch, and write its model card.

    Parameters
    ----------
    run
        A run directory.
    to
        Some of safetensors (its weights, the default), torch (a program for torch.export.load) and onnx (a graph, for
        onnxruntime and phones). The last two take pixels in [0, 1], of any number of images.
    exit
        Of a student that has exits, as --method byot makes them: the network up to this one (exit1, exit2, …).
    out
        A folder (by default RUN/export), or a file that ends in .safetensors, .pt2 or .onnx.
    licence
        Of the weights, by its SPDX name such as Apache-2.0: yours to say. Where the export is there already, its card
        says so from then on, and its files and numbers stay.
    """
    from sparring import verbs
    from sparring.report.units import duration

    done = verbs.export(run, to=to, exit=exit, out=out, licence=licence)
    if not done.measured:
        print(f"The weights are under {licence} now; files and numbers are as they were exported before.")
    print(
        f"{done.parameters:,} parameters, {done.macs:,} MACs for one image, which takes PyTorch "
        f"{duration(done.latency)} ({done.device}, threads: {done.threads})"
    )
    for form, each in done.files.items():
        seen = each.parity
        print(
            f"{form}: {each.bytes:,} bytes, one image {duration(each.latency)}; asked again on {seen.images} images: "
            f"accuracy {seen.accuracy:.2%} ({seen.expected:.2%} in PyTorch), logits at most {seen.error:.2g} apart "
            f"of {seen.largest:.3g}\n  {each.file}"
        )
    print(f"The model card: {done.card}, its numbers: {done.facts}")
    unsaid = " and write whose licence into its first lines (or the same command with --licence SPDX)" * (
        licence == "other"
    )
    print(f"Next: read the card before you publish it{unsaid}")
