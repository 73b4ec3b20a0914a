"""The cache of a teacher's answers: what it is known by, and when it is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import torch

from sparring.core import Batch, Network, Output, UserError
from sparring.data import Data
from sparring.data.cache import cache_dir, digest
from sparring.engine import Compute
from sparring.files import as_json, write_json
from sparring.methods import TEACHERLESS
from sparring.nets import members
from sparring.parts.cached import ROUNDING, CachedTeacher, refuse_strangers
from sparring.parts.forms import Form, described
from sparring.parts.part import EVERY, Objective, Part
from sparring.parts.shelf import Shelf
from sparring.parts.teachers import Teacher
from sparring.recipes.augmentation import augmentation
from sparring.recipes.config import Config
from sparring.recipes.folder import standing
from sparring.recipes.slots import resolved
from sparring.userfile import users_file

AUTO = "auto"  # --cache auto: a folder for each cache, in the user's own
FORMAT = 1  # part of every key: raise it when views are drawn, or records laid out, in another way
KEY = "key.json"
TRIED = 4  # images of noise on which a network is known again
ABOUT = {
    "format": "the version of the cache",
    "teacher": "the teacher, its layers or weights",
    "preprocessing": "the teacher's preprocessing",
    "precision": "the teacher's precision",
    "device": "the kind of device",
    "data": "the images",
    "rows": "which images train",
    "augmentation": "the augmentation",
    "kept": "what is kept (cache_keep, features)",
}


def with_views(config: Config) -> Config:
    """`config` with a number of views where a cache needs one. Raises UserError for what makes no sense together."""
    if config.cache is None:
        if config.cache_keep != "full":
            raise UserError(
                f"cache_keep={config.cache_keep} says how a cache keeps answers, and none was given: "
                "add --cache FOLDER (or auto)"
            )
        return config
    if config.targets["name"] in TEACHERLESS:
        raise UserError(
            f"--cache keeps a teacher's answers, and {config.method} asks no teacher: leave it out"
            + ("" if config.views else f" (views={config.epochs} shows the images that a run with it sees)")
        )
    return config if config.views else config.model_copy(update={"views": config.epochs})


def unasked(config: Config) -> Config:
    """`config` without teacher and cache where it asks none, with the views that runs beside it with the cache see."""
    if resolved(config).targets["name"] not in TEACHERLESS:
        return config
    alone = config.model_copy(update={"teacher": None})
    if config.cache is None:
        return alone
    return alone.model_copy(update={"cache": None, "cache_keep": "full", "views": config.views or config.epochs})


def cached(targets: Part, objective: Objective, config: Config) -> CachedTeacher:
    """The targets of a bout with a cache. Raises UserError where they are not a frozen teacher's answers, or where too
    little of these is kept for the objective."""
    if not isinstance(targets, Teacher):
        raise UserError(
            f"--cache keeps the answers of a teacher that only answers, and targets={config.targets['name']} is "
            f"{type(targets).__name__}, whose answers may change: leave cache out, or give targets=teacher"
        )
    ranked = objective.ranked if isinstance(objective, Part) else 0
    if isinstance(config.cache_keep, int) and config.cache_keep < ranked:
        if ranked == EVERY:
            raise UserError(f"{config.method} needs the teacher's every logit: give --cache-keep half, or full")
        raise UserError(
            f"cache_keep={config.cache_keep} forgets which classes come next, and {config.method} needs the teacher's "
            f"{ranked} likeliest: give {ranked} or more, half, or full"
        )
    return CachedTeacher(targets)


def open_cache(targets: CachedTeacher, config: Config, data: Data, teacher: Network, compute: Compute) -> None:
    """Find the cache that `config` names and let `targets` use it. Raises UserError where what lies there is another
    one, or the disk has not the room for this one."""
    example = tried(targets, data, compute)
    form = Form(config.cache_keep, example)
    facts = known_by(config, data, teacher, compute, form)
    bf16 = "bf16" in facts["precision"]
    key = hashlib.sha256(as_json({name: known(fact) for name, fact in facts.items()}).encode()).hexdigest()
    folder = cache_dir() / "answers" / key[:16] if config.cache == AUTO else Path(config.cache or "")
    shelf = Shelf(folder, key, rows=len(data.train), width=form.width)
    answers = example.logits.float().cpu()
    refuse_other(folder, facts, answers, ROUNDING[bf16])
    refuse_full_disk(shelf, config.views or 1 if facts["augmentation"] != "none" else 1)

    def begin() -> None:
        draft = folder / f".{os.getpid()}.{KEY}"
        write_json(draft, {**facts, "answers to noise": answers.tolist()})
        with suppress(FileExistsError):
            os.link(draft, folder / KEY)  # of two that begin at once the first has it
        draft.unlink()
        refuse_other(folder, facts, answers, ROUNDING[bf16])

    targets.open(shelf, form, begin if not (folder / KEY).exists() else None, bf16=bf16)


@torch.no_grad()
def tried(targets: CachedTeacher, data: Data, compute: Compute) -> Output:
    """What the teacher answers to some images of noise, the same ones always."""
    x = torch.rand(TRIED, *data.shape, generator=torch.Generator().manual_seed(0))
    batch = compute.place(Batch(x, torch.zeros(TRIED, dtype=torch.long), torch.arange(TRIED)))
    with compute.autocast():
        return targets.teacher(batch.x, batch)


def known_by(config: Config, data: Data, teacher: Network, compute: Compute, form: Form) -> dict[str, Any]:
    """All that a teacher's answers to the views of the training images depend on."""
    halved = [compute.bf16 if each.bf16 is None else each.bf16 for each in members(teacher)]
    taps = {tap: teacher.taps.get(tap, tap) for tap in form.taps}
    fed = {name: getattr(teacher, name).flatten().tolist() for name in ("mean", "std")}
    return {
        "format": FORMAT,
        "teacher": {"name": teacher.name, "sha256": fingerprint(teacher.body)},
        "preprocessing": fed,
        "precision": "+".join("bf16" if each else "float32" for each in halved),
        "device": compute.device.type,
        "data": {"name": data.name, "fingerprint": data.fingerprint, "shape": list(data.shape)},
        "rows": {"images": len(data.train), "sha256": digest(data.train.index.cpu().numpy())},
        "augmentation": augmentation(config, data),
        "kept": {"keep": config.cache_keep, **described(form.fields), **taps},
    }


def fingerprint(net: torch.nn.Module) -> str:
    """The SHA-256 of a network's layers, parameters and buffers, those that are not saved included, and of the user's
    files that its layers' classes are written in."""
    total = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", repr(net)).encode())  # no two processes have an address alike
    for source in sorted(
        {
            hashlib.sha256(file.read_bytes()).hexdigest()
            for module in net.modules()
            if (file := users_file(type(module)))
        }
    ):
        total.update(source.encode())
    for name, value in sorted([*net.named_parameters(), *net.named_buffers()]):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def refuse_other(folder: Path, facts: Mapping[str, Any], answers: torch.Tensor, rounding: float) -> None:
    """Raise UserError where `folder` holds something else than the cache that `facts` tell of, and say what differs."""
    if not folder.exists():
        return
    try:
        before = json.loads((folder / KEY).read_text())
        noise = torch.tensor(before.pop("answers to noise"))
    except (FileNotFoundError, NotADirectoryError):
        if not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()):
            raise UserError(f"{folder} is no cache of a teacher's answers; give --cache a folder of its own") from None
        return
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(
            f"{folder / KEY} cannot be read ({error}), so nobody knows whose answers lie there: remove the folder, or "
            "give another one with --cache"
        ) from None
    if differing := [name for name in ABOUT if known(before.get(name)) != known(facts[name])]:
        told = "; ".join(f"{ABOUT[name]}: {brief(before.get(name))} → {brief(facts[name])}" for name in differing)
        raise UserError(
            f"{folder} holds answers for other runs than this one ({told}); give another folder with --cache ({AUTO} "
            "finds one for each)"
        )
    refuse_strangers(noise, answers, rounding, folder)


def known(fact: Any) -> Any:
    """A fact without the names in it, which decide nothing."""
    return {key: value for key, value in fact.items() if key != "name"} if isinstance(fact, Mapping) else fact


def brief(fact: Any) -> str:
    """A fact in a word or two, the beginning of a hash being enough."""
    inside = fact.values() if isinstance(fact, Mapping) else [fact]
    return " ".join(str(value)[: 8 if len(str(value)) == 64 else None] for value in inside)


def refuse_full_disk(shelf: Shelf, views: int) -> None:
    """Raise UserError where a new cache cannot be written, or the disk has not the room for some views."""
    if not shelf.folder.exists():
        try:
            with NamedTemporaryFile(dir=standing(shelf.folder)):
                pass
        except OSError as error:
            raise UserError(f"cannot write into {shelf.folder}: {error.strerror}; give another --cache") from error
    needed, free = shelf.bytes_missing(views), shutil.disk_usage(standing(shelf.folder)).free
    if needed > free:
        raise UserError(
            f"the teacher's answers to {views} views would take {needed / 2**20:,.0f} MiB more in {shelf.folder}, and "
            f"the disk has {free / 2**20:,.0f} MiB free: give fewer --views, --cache-keep 10 (the 10 highest "
            "logits, in half precision), or a folder elsewhere"
        )
