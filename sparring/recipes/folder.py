"""The folder of a run: who may write there, and what is written down before it starts."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparring.core import UserError
from sparring.errors import Taken
from sparring.files import LOCK, locked, read_json, require_writable, sweep, write_json
from sparring.keys import LEAVES
from sparring.nets.spec import AUGMENTOR, STUDENT
from sparring.recipes import config as schema
from sparring.recipes.augmentation import DEFAULT, augmented_before
from sparring.recipes.config import Config
from sparring.recipes.manifest import other_files
from sparring.recipes.paths import anchored
from sparring.recipes.ready import Ready

ELSEWHERE = "give another place with --out"
TOLD = ("config.yaml", "manifest.json")  # what says which run it is, written in this order before anything else
LEFT = ("checkpoints", "metrics.jsonl", "result.json", STUDENT, AUGMENTOR)  # only after it
RESTORE = "put it back, or give another --out"
EARLIER = "earlier"  # in a run's directory, the run that trained its teacher, an earlier self
RESUMED = ("started", "command", "device", "threads", "processes", "torch", "git_commit")  # told of each resumption


def claim_folder(out: Path, resume: bool) -> None:
    """Raise UserError where `out` cannot be written, holds a run that is not to be resumed, or another process is at
    work there; make nothing yet."""
    try:
        refuse_taken(out, resume)
    except OSError as error:
        raise UserError(f"cannot write into {out}: {error.strerror}; {ELSEWHERE}") from error
    require_writable(standing(out), advice=ELSEWHERE, free=0)  # how much it takes is known when it is made
    if (out / LOCK).exists():
        with locked(out, wait=0):
            pass


def refuse_taken(out: Path, resume: bool) -> None:
    """Raise UserError where `out` holds a run that is not to be resumed, or something else."""
    if not (there := standing(out)).is_dir():
        raise UserError(f"--out {there} is a file; give a folder that does not exist yet")
    refuse_unknown(out)
    started = any((out / name).exists() for name in ("config.yaml", "result.json", EARLIER))
    if started and not resume:
        raise UserError(
            f"{out} holds a run already: with the same arguments add --resume to go on with it, with others give "
            "another --out"
        )
    if out.is_dir() and not started and any(p for p in out.iterdir() if not p.name.startswith(".")):
        raise UserError(f"{out} is not empty and holds no run; give a folder of its own with --out")


def refuse_unknown(out: Path) -> None:
    """Raise UserError where `out` holds what a run left without that which says what run it was: nobody could know
    whether it is the one that is asked for."""
    there = [*((out / name).exists() for name in TOLD), any((out / name).exists() for name in LEFT)]
    for at, name in enumerate(TOLD):
        if not there[at] and any(there[at + 1 :]):
            raise Taken(f"{out} holds what a run left, and no {name}, which says what run it was: {RESTORE}")


def standing(out: Path) -> Path:
    """The nearest folder above `out`, or `out` itself, that is there already."""
    return next(folder for folder in (out, *out.absolute().parents) if folder.exists())


def refuse_full_disk(out: Path, prepared: Ready) -> None:
    """Raise UserError where the checkpoints (weights, two moments and a plateau's best weights, two kept and one
    drafted) would not fit."""
    weights = sum(value.numel() * value.element_size() for value in prepared.method.parameters())
    there = sum(file.stat().st_size for file in (out / "checkpoints").glob("*"))
    times = 14 if prepared.config.optim.schedule == "plateau" else 11
    needed, free = 2**18 + times * weights - there, shutil.disk_usage(standing(out)).free
    if free < needed:
        raise UserError(
            f"the disk of {out} has {free / 2**20:.1f} MiB free and the run needs {needed / 2**20:.1f} MiB; "
            "make room there or give another place with --out"
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def as_it_lies(out: Path, config: Config) -> Config:
    """The configuration of the run in `out`, with its earlier self where it lies now, should the folder have moved."""
    if config.teacher and Path(config.teacher).name == EARLIER and (out / EARLIER).is_dir():
        return config.model_copy(update={"teacher": str((out / EARLIER).resolve())})
    return config


def refuse_other_arguments(out: Path, config: Config) -> None:
    """Raise UserError where the run that `out` holds was given other arguments than those of a complete `config`."""
    refuse_unknown(out)
    if (out / "config.yaml").exists():
        refuse(out, other_arguments(out, config))


def other_arguments(out: Path, config: Config) -> list[str]:
    """What differs between the arguments of the run in `out` and a complete `config`, as "key: old → new"."""
    old = anchored(as_it_lies(out, schema.read(out / "config.yaml")))
    if DEFAULT in (old.augment, config.augment):  # what that means is known once the images are: `refuse_other_run`
        old = old.model_copy(update={"augment": config.augment})
    return schema.differences(old, config) + [
        f"{key}: {getattr(old, key)} → {getattr(config, key)}"
        for key in sorted(LEAVES)
        if getattr(old, key) != getattr(config, key)
    ]


def refuse(out: Path, changed: Sequence[str]) -> None:
    """Raise UserError where anything of the run in `out` is changed."""
    if changed:
        raise Taken(
            f"{out} holds a run with other arguments ({'; '.join(changed[:5])}); "
            "give the same to resume it, or another --out"
        )


def refuse_other_run(out: Path, config: Config, origin: Mapping[str, Any]) -> None:
    """Raise UserError where the run that `out` holds computes something else: other arguments, teacher or data."""
    if not (out / "config.yaml").exists():
        return
    changed = other_arguments(out, config)
    if (out / "manifest.json").exists():
        before = read_json(out / "manifest.json", advice=RESTORE)
        if any(before["data"][key] != origin["data"][key] for key in ("fingerprint", "train")):
            changed.append(f"the images of {origin['data']['name']}")
        was = augmented_before(schema.read(out / "config.yaml"), before, origin["data"]["shape"])
        if was != origin["augment"] and not any(line.startswith("augment:") for line in changed):
            changed.append(f"the augmentation: {was} → {origin['augment']}, which --augment {was} decides")
        then, now = before["teacher"] or {}, origin["teacher"] or {}
        if before["bf16"] != origin["bf16"]:
            changed.append("bf16: {} → {}, which --precision decides".format(before["bf16"], origin["bf16"]))
        elif then.get("bf16") != now.get("bf16"):
            changed.append("the teacher's precision, which --precision decides")
        if then.get("sha256") != now.get("sha256"):
            changed.append("the weights of the teacher")
        if (before.get("vae") or {}).get("sha256") != (origin["vae"] or {}).get("sha256"):
            changed.append("the weights of the autoencoder")
        then, now = before.get("start") or origin["start"] or {}, origin["start"] or {}
        known = now.get("spec") is not None  # a module made in Python is begun anew by each script
        if known and then.get("sha256") != now.get("sha256"):
            changed.append("the weights that the student starts from")
        changed += [f"the Python file {file}" for file in other_files(before, origin["files"])]
    refuse(out, changed)


@contextmanager
def begun(out: Path, prepared: Ready, origin: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """Have the folder alone while the run lasts: write down what is run and where its numbers come from; of a resumed
    run, where it went on. Raises UserError where another process has come first."""
    refuse_full_disk(out, prepared)
    with locked(out, wait=1):
        refuse_taken(out, resume)
        if (out / "result.json").exists():
            raise Taken(f"another process has ended the run in {out} meanwhile: with --resume it is read")
        refuse_other_run(out, prepared.config, origin)
        sweep(out)
        sweep(out / "checkpoints")
        if (out / "manifest.json").exists():
            first = read_json(out / "manifest.json", advice=RESTORE)
            again = {key: origin[key] for key in RESUMED}
            origin = {**first, "resumed": [*first.get("resumed", []), again]}
        schema.write(prepared.config, out / "config.yaml")
        write_json(out / "manifest.json", origin)
        yield
