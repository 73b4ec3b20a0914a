"""What a finished run trained, alone, in files for use elsewhere, each tried before it is there; and their card."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

import sparring
from sparring import data as datasets
from sparring import nets, report
from sparring.core import Batch, Network, UserError
from sparring.core.network import computing
from sparring.evaluate import Parity, macs, parameters, parity, resting, took
from sparring.evaluate.parity import TOLERANCE
from sparring.files import read_json, write_json, write_text
from sparring.nets import portable
from sparring.nets.exits import DEEPEST
from sparring.nets.portable import Answering, Form
from sparring.nets.spec import parse
from sparring.nets.userfile import calling
from sparring.recipes.build import PYTHON, Given
from sparring.recipes.evaluation import folder_of
from sparring.recipes.examine import opened
from sparring.recipes.folder import standing
from sparring.recipes.kinds import checked
from sparring.recipes.manifest import git_commit, processor, weights_hash
from sparring.recipes.run import Result
from sparring.recipes.shipping import Exported, Written, plan, relicense
from sparring.report.licences import OTHER

COMPARED, BATCH = 512, 50  # images on which what was written is compared with what it was taken from, and at a time
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")  # how SPDX calls one


@checked
def export(
    run: Any,
    *,
    to: str | Sequence[str] | None = None,
    exit: str | None = None,
    out: str | Path | None = None,
    licence: str = OTHER,
    data: Any = None,
) -> Exported:
    """Write a finished run's student, as it is evaluated, into files for use elsewhere, with a model card.

    run: its folder, or the `Result` of a training (which knows a student that was made in Python). to: one or
    some of "safetensors" (the default), "torch", "onnx"; see `nets.portable`. exit: of a student that has exits
    "exit1", …: the network up to there. out: a folder (RUN/export, or RUN/export-EXIT), or one file whose suffix says
    the form. licence: of the weights, as SPDX calls it; on a card that is there already too, whose files and numbers
    stay. data: the data set, where the run was given one made in Python.

    Each file is read again before it is in its place, and asked about up to 512 held-out images. Raises UserError where
    its answers are others than the run's network's, for a network that is no graph, and where a file is there already.
    """
    folder = folder_of(run)
    if asked := nets.exit_asked(str(folder)):
        raise UserError(f"{folder} is an exit: give its run, {asked[1]}, and --exit {asked[0]}")
    if not LICENCE.fullmatch(licence):
        raise UserError(f"--licence {licence!r} is no licence's name as SPDX has it: give one such as Apache-2.0")
    places = plan(folder, (to,) if isinstance(to, str) else to, exit, None if out is None else Path(out))
    if licence != OTHER and (before := relicense(places, licence, to)):
        return before
    places.require_free()
    for form in places.files:
        portable.require(form)
    config, found, student = opened(folder, "cpu", handed_over(run, folder, data))
    refuse_other_weights(folder, student)
    alone = portable.resting_copy(nets.only(student, exit) if exit else nets.deepest(student))
    images = datasets.some(found.test or found.validation or found.train, COMPARED)
    batches = list(datasets.batches(images, batch_size=BATCH, workers=config.workers))
    with TemporaryDirectory(prefix=".export-", dir=standing(places.folder)) as made:
        drafts: dict[Form, Path] = {form: Path(made) / place.name for form, place in places.files.items()}
        seen: dict[Form, tuple[Answering, Parity]] = {}
        for form, draft in drafts.items():
            portable.write(alone, form, draft, shape=found.shape, class_names=found.class_names)
            answer = portable.read(alone, form, draft)
            seen[form] = answer, tried(answering(student, exit), answer, f"{alone.name} as {form}", batches)
        graphs = {form: answer for form, (answer, _) in seen.items() if form != "safetensors"}  # weights are PyTorch's
        itself, *times = took([portable.Bare(alone), *graphs.values()], batches[0].x[:1])
        latency = dict(zip(graphs, times, strict=True))
        files: dict[Form, Written] = {
            form: Written(places.files[form], *sized(draft), latency.get(form, itself), seen[form][1])
            for form, draft in drafts.items()
        }
        done = Exported(files, places.card, places.facts, latency=itself, **costs(alone, found))
        told = facts(done, folder, alone, exit, found, licence) | {"size": config.size}
        write_json(Path(made) / places.facts.name, told)
        write_text(Path(made) / places.card.name, report.card(folder, told))
        places.settle(Path(made))
    return done


def handed_over(run: Any, folder: Path, data: Any) -> Given:
    """What of a run no name finds, since it was made in Python. Raises UserError where it is not here either."""
    told = read_json(folder / "result.json") if (folder / "result.json").exists() else {}
    made = {key: str(told.get(key) or "").startswith(PYTHON) for key in ("student", "data")}
    if made["data"] and data is None:
        raise UserError(f"{folder} was trained on data made in Python: give it, as run.export(data=…)")
    if made["student"] and not isinstance(run, Result):
        raise UserError(
            f"the student of {folder} is of a class made in Python, which no file names: call .export(…) on what "
            "train or distill left, or train one that is named, as path/to/file.py:callable"
        )
    return Given(student=run.student if made["student"] else None, data=data)


def refuse_other_weights(run: Path, student: Network) -> None:
    """Raise UserError where a run's weights are not those that its numbers are of."""
    if read_json(run / "result.json").get("weights") not in (None, weights_hash(student)):
        raise UserError(
            f"the weights in {run} are not those that it was trained to, so that its card would tell another's "
            "numbers: put its own student.safetensors back"
        )


def answering(student: Network, exit: str | None) -> Answering:
    """What a run's network, which may have exits, answers in float32, at one of them or at its end."""

    def answer(pixels: Tensor) -> Tensor:
        with resting(student), computing("cpu", bf16=False):
            if exit in (None, DEEPEST):
                return student(pixels).logits
            return student(pixels, (exit,)).features[exit]

    return answer


def tried(wanted: Answering, answer: Answering, what: str, batches: list[Batch]) -> Parity:
    """Ask what was read from a file what the run's network was asked (`wanted`). Raises UserError where it answers
    something else; `what` names it there."""
    found = parity(wanted, answer, batches)
    if not found.kept:
        itself = parity(wanted, wanted, batches[:1])
        why = (
            "the network itself answers the same image differently each time, as by a dropout that is always on"
            if not itself.kept
            else f"{found.images - found.same} of {found.images} are named otherwise"
        )
        raise UserError(
            f"{what} does not answer what the run's network answers: logits differ by up to "
            f"{found.error:.2g}, with {TOLERANCE * found.largest:.2g} allowed ({why}). Nothing was written"
        )
    return found


def sized(file: Path) -> tuple[int, str]:
    """A file's bytes and its SHA-256."""
    return file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()


def costs(alone: Network, data: datasets.Data) -> dict[str, Any]:
    """A network's size and arithmetic, and on what machine it was timed."""
    return {
        "parameters": parameters(alone),
        "macs": macs(alone, data.shape),
        "device": processor(),
        "threads": torch.get_num_threads(),
    }


def facts(
    done: Exported, run: Path, alone: Network, exit: str | None, data: datasets.Data, licence: str
) -> dict[str, Any]:
    """All that was found, as export.json has it, and as the card is written from."""
    files = {form: asdict(each) | {"file": each.file.name} for form, each in done.files.items()}
    return {
        "network": alone.name,
        "run": str(run),
        "exit": exit,
        "licence": licence,
        "parameters": done.parameters,
        "macs": done.macs,
        "latency": {"pytorch": done.latency, "device": done.device, "threads": done.threads},
        "files": files,
        "tolerance": TOLERANCE,
        "compared_on": "test" if data.test else "validation" if data.validation else "training",
        "input": {"name": portable.PIXELS, "shape": ["batch", *data.shape], "range": [0, 1]},
        "output": {"name": portable.LOGITS, "shape": ["batch", data.classes]},
        "mean": alone.mean.flatten().tolist(),
        "std": alone.std.flatten().tolist(),
        "class_names": list(data.class_names),
        "weights": weights_hash(alone),
        "own_class": own_class(alone, data.classes),
        "versions": {"sparring": sparring.__version__, "torch": torch.__version__}
        | {name: version(name) for name in ("onnx", "onnxruntime") if "onnx" in done.files},
        "git_commit": git_commit(),
    }


def own_class(alone: Network, classes: int) -> dict[str, str | None] | None:
    """How the user's own class is made, which the weights are of: {"file": …, "call": "tiny(num_classes=10)"}, without
    a file where it was made in Python. None where the weights are of no class of theirs alone."""
    origin = nets.origin_of(alone)
    if origin.dress:
        return None
    if origin.spec is None:
        return {"file": None, "call": f"{type(alone.body).__name__}()"}
    asked = parse(origin.spec)
    if asked.kind != "file":
        return None
    return {"file": asked.name, "call": calling(Path(asked.name), asked.callable, classes, origin.options)}
