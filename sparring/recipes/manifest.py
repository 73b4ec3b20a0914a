"""Where the numbers of a run come from."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

import sparring
from sparring import nets
from sparring.core import Network
from sparring.data import Data
from sparring.keys import flat
from sparring.nets import autoencoders
from sparring.nets.spec import parse
from sparring.recipes.augmentation import augmentation
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.ready import Ready
from sparring.recipes.slots import links, split
from sparring.userfile import users_file


def manifest(prepared: Ready) -> dict[str, Any]:
    """Where the numbers of a run come from."""
    data, compute, config = prepared.data, prepared.compute, prepared.config
    teacher = None
    if prepared.teacher is not None:
        spec, digest = config.teacher or prepared.teacher.name, weights_hash(prepared.teacher)
        each = [member.bf16 for member in nets.members(prepared.teacher)]
        teacher = {"spec": spec, "sha256": digest, "bf16": each if len(each) > 1 else each[0]}
    return {
        "sparring": sparring.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "processes": compute.world,
        "bf16": compute.bf16,
        "channels_last": compute.channels_last,
        "git_commit": git_commit(),
        "seed": config.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([called(Path(sys.argv[0])), *sys.argv[1:]]),
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "shape": list(data.shape),
        },
        "augment": augmentation(config, data),
        "teacher": teacher,
        "start": start(prepared.student),
        "vae": vae(config, data),
        "files": files(config, prepared.student, prepared.teacher),
    }


def called(program: Path) -> str:
    """What was typed to start a program: `python -m sparring` is as good as `sparring`."""
    return "sparring" if program.parts[-2:] == ("sparring", "__main__.py") else program.name


def files(config: Config, student: nn.Module | None, teacher: nn.Module | None) -> dict[str, str]:
    """The user's files that a run's method, data and networks are written in, and the hash of each; not what they
    import."""
    slots = flat({slot: getattr(config, slot) for slot in SLOTS}).values()
    specs = [spec for spec in [config.method, config.data, *slots] if isinstance(spec, str) and ".py:" in spec]
    named = {Path(link.rpartition(":")[0]).expanduser() for spec in specs for link in split(spec) if ".py:" in link}
    return hashed(named | written_in(student) | written_in(teacher))


def written_in(net: nn.Module | None) -> set[Path]:
    """The user's files that a network is made by (a function there may put together what others wrote), and that its
    modules are written in."""
    modules = list(net.modules()) if net is not None else []
    alone = [module for module in modules if isinstance(module, Network) and nets.members(module) == [module]]
    specs = [spec for module in alone if (spec := nets.origin_of(module).spec)]
    made = {Path(asked.name) for spec in specs if (asked := parse(spec)).kind == "file"}
    return made | {file for module in modules if (file := users_file(type(module)))}


def other_files(then: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """The user's files of which a run's manifest has another hash than they have `now`; one that it does not name
    (those of earlier versions named fewer) is not known to be another."""
    before = then.get("files", {})
    return [file for file in before if before[file] != now.get(file)]


def hashed(files: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of each file that is there, by its path."""
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files) if file.is_file()}


def start(student: Network | None) -> dict[str, str | None] | None:
    """The hash of the weights that a student starts from, and its spec (None of a module made in Python); None where
    chance gave it all or some of them."""
    if student is None or nets.origin_of(student).untrained or nets.origin_of(student).anew:
        return None
    return {"sha256": weights_hash(student), "spec": nets.origin_of(student).called}


def vae(config: Config, data: Data) -> dict[str, str] | None:
    """The autoencoder that an augmentor starts from, and the hash of its weights as they lie there."""
    chosen = [link for slot in SLOTS for link in links(getattr(config, slot))]
    found = [options["vae"] for name, options in chosen if options.get("vae") and ":" not in name]
    return {"spec": found[0], "sha256": weights_hash(autoencoders.load(found[0], data.shape))} if found else None


def weights_hash(net: nn.Module) -> str:
    """The SHA-256 of a network's weights and buffers, in the order of their names."""
    total = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def identity(student: nn.Module) -> dict[str, Any]:
    """By what a measurement knows whose it is: the hash of the weights, and those of the user's files that the network
    is written in, where it is in some."""
    written = sorted(hashed(written_in(student)).values())
    return {"weights": weights_hash(student)} | ({"files": written} if written else {})


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def git_commit() -> str | None:
    """The commit of the checkout that the package lies in, with "+" where it has changes; None outside one."""
    where = Path(__file__).resolve().parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "."], cwd=where, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty else "")
