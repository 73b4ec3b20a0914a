"""The command line's `evaluate`: a finished run's student, looked at in several ways."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from cyclopts import Parameter

from sparring.arguments import Number, Several
from sparring.errors import UserError

UNITS = {"nll": " nats", "latency": " s for one image", "macs": " for one image"}


def evaluate(
    run: Path,
    /,
    *,
    part: Literal["test", "validation"] = "test",
    curve: bool = False,
    corruptions: Annotated[tuple[str, ...] | None, Several] = None,
    severity: Annotated[tuple[str, ...], Several] = (),
    on: Path | None = None,
    kind: Annotated[str | None, Parameter(name="--as")] = None,
    attack: Literal["standard", "plus", "rand", "few", "pgd", "fgsm"] | None = None,
    robust: bool = False,
    bias: bool = False,
    eps: str | None = None,
    norm: Literal["linf", "l2"] | None = None,
    images: Annotated[int | None, Number] = None,
    steps: Annotated[int | None, Number] = None,
    size: str | None = None,
    start: Literal["uniform", "gaussian", "none"] | None = None,
    loss: Literal["ce", "margin", "kl"] | None = None,
    keep: Literal["last", "best"] | None = None,
    best_epoch: bool = False,
    device: str | None = None,
) -> None:
    """Accuracy, top-5, NLL, calibration error, agreement with the teacher, parameters, MACs and latency of a run; and
    of each of its exits, where it has some, accuracy and cost.

    Parameters
    ----------
    run
        A run directory.
    part
        On which images.
    curve
        Also climb the disagreement from these images and draw accuracy against steps.
    corruptions
        Instead, accuracy under MNIST-C's, CIFAR-C's or ImageNet-C's corruptions (whichever the images are like): all
        of them, those named (translate,shear), or those in a folder of published arrays.
    severity
        Only these severities of 1,2,3,4,5.
    on
        Instead, accuracy on the variant of ImageNet in this folder; the student's classes must be wnids.
    kind
        Which variant that is, where it cannot be told: real, v2, a, r, c, sketch or style.
    attack
        Instead, accuracy under AutoAttack's ensemble; rand is for networks that answer by chance, few for two or three
        classes. One that was stopped goes on with the same command. Or under PGD or FGSM.
    robust
        Instead, clean, PGD, AutoAttack, disagreement and corruptions in one table and one picture, with tests for
        masked gradients.
    bias
        Instead, of a student that never saw a class (--omit): its accuracy with a constant added to that class's logit,
        chosen on validation images of all classes.
    eps
        How far an attack may move pixels of [0, 1], as 0.1 or 8/255 (which colour images have by default).
    norm
        By the largest change of a pixel (linf, the default) or by the length of all changes (l2).
    images
        How many images are attacked (by default all, with --robust 1000), evenly spread.
    steps
        Of PGD (20).
    size
        Of a step of PGD, as 0.01 or 2/255 (a quarter of eps).
    start
        Of PGD: anywhere in the ball (uniform), beside the image, or at it.
    loss
        That PGD or FGSM climbs: cross-entropy, the margin, or the distance from the teacher's answer (kl).
    keep
        Of PGD's iterates the last, or of each image the best.
    best_epoch
        Attack the student as it was after the epoch that was best on validation images, not after the last.
    device
        Where, in place of the run's own.
    """
    from sparring import verbs

    found = verbs.evaluate(
        run,
        part=part,
        curve=curve,
        corruptions=corruptions,
        severity=numbers(severity),
        on=on,
        kind=kind,
        attack=attack,
        robust=robust,
        bias=bias,
        eps=eps,
        norm=norm,
        images=images,
        climb={"steps": steps, "size": size, "start": start, "loss": loss, "keep": keep},
        best_epoch=best_epoch,
        device=device,
    )
    if attack is not None or robust:
        print("\n".join(withstood(found)) + f"\nKept in {run / kept_in(attack)}")
    elif bias:
        print("\n".join(shifted(found)) + f"\nKept in {run / 'bias.json'}")
    elif corruptions is not None:
        print("\n".join(grid(found)) + f"\nKept in {run / 'corruptions.json'}")
    elif on is not None:
        print("\n".join(f"{name:<24} {100 * value:6.2f} %" for name, value in found.items()))
        print(f"Kept in {run / 'imagenet.json'}")
    else:
        for name, value in found.items():
            if "/" not in name:
                print(f"{name:<12} {value:.6g}{UNITS.get(name, '')}")
        print("".join(f"{line}\n" for line in exits(found)), end="")
    if curve:
        print(f"The curve: {run / 'disagreement.json'}, its pictures: {run / 'disagreement_examples.npz'}")
    print(f"Next: sparring report {quote(str(run))}")


def kept_in(attack: str | None) -> str:
    """The file that has what an attack left; of no one attack, of them all."""
    if attack is None:
        return "robust.json"
    return "attacks.json" if attack in ("pgd", "fgsm") else "autoattack.json"


def numbers(words: tuple[str, ...]) -> tuple[int, ...]:
    """Severities, given as 1 3 5 or 1,3,5. Raises UserError for what is no whole number."""
    parts = [part for word in words for part in word.split(",") if part]
    if odd := [part for part in parts if not part.isdecimal()]:
        raise UserError(f"--severity {odd[0]} is no severity: give some of 1,2,3,4,5")
    return tuple(map(int, parts))


def grid(found: dict[str, float]) -> list[str]:
    """Accuracies by corruption and severity, {"translate/3": …, "stripe": …}, as the lines of a table in percent."""
    rows: dict[str, dict[str, float]] = {}
    for key, value in found.items():
        name, _, level = key.partition("/")
        rows.setdefault(name, {})[level] = value
    levels = sorted({level for row in rows.values() for level in row if level})
    width = max(map(len, rows))
    lines = [f"{'accuracy, %':<{width}}" + "".join(f"{level:>8}" for level in levels) + f"{'mean':>8}"]
    for name, row in rows.items():
        cells = [f"{100 * row[level]:8.2f}" if level in row else " " * 8 for level in levels]
        shown = "clean" if name == "accuracy" else name
        lines.append(f"{shown:<{width}}" + "".join(cells) + f"{100 * sum(row.values()) / len(row):8.2f}")
    return lines


def exits(found: dict[str, float]) -> list[str]:
    """What was found of each exit, {"exit1/accuracy": …, "exit1/macs": …}, as a table's lines; none without any."""
    names = dict.fromkeys(key.partition("/")[0] for key in found if "/" in key)
    rows = [(name, *(found[f"{name}/{key}"] for key in ("accuracy", "parameters", "macs"))) for name in names]
    head = [f"{'exit':<12}{'accuracy, %':>12}{'parameters':>14}{'MACs':>16}"] if rows else []
    return head + [f"{name:<12}{100 * right:12.2f}{size:14,}{work:16,}" for name, right, size, work in rows]


SAID = {  # what numbers are called on the screen
    "accuracy": "clean",
    "noise": "noise, worst of 20 draws",
    "transfer": "PGD-100 against the teacher",
    "apgd-ce": "after APGD-CE",
    "apgd-dlr": "after APGD-DLR",
    "apgd-t": "after APGD-T",
    "fab": "after FAB",
    "fab-t": "after FAB-T",
    "square": "after Square",
    "autoattack": "AutoAttack",
    "disagreement": "50 steps towards disagreement",
    "corruptions": "corruptions, mean",
}


def withstood(found: dict[str, float]) -> list[str]:
    """Accuracies by attack, {"accuracy": clean, "apgd-ce": …, "autoattack": …}, as the lines of a table in percent, and
    what the tests for masked gradients say, {"masking/noise": 0 where all is fine}."""
    shown = {name: SAID.get(name, name) for name in found}
    width = max(map(len, shown.values()))
    lines = []
    for name, value in found.items():
        _, _, test = name.partition("/")
        if test:
            lines.append(f"{'test: ' + test:<{width}} {'MASKED GRADIENTS?' if value else 'fine'}")
        else:
            lines.append(f"{shown[name]:<{width}} {100 * value:6.2f} %")
    return lines


def shifted(found: dict[str, float]) -> list[str]:
    """Accuracies as they are and with a bias, {"only": …, "only/biased": …}, as the lines of a table in percent."""
    names = {"accuracy": "all", "without": "without the omitted", "only": "the omitted only"}
    rows = [
        f"{shown:<20}{100 * found[key]:9.2f}{100 * found[key + '/biased']:9.2f}"
        for key, shown in names.items()
        if key in found
    ]
    head = f"{'accuracy, %':<20}{'as it is':>9}{'biased':>9}   (by {found['bias']:.3g}, chosen on validation images)"
    return [head, *rows]
