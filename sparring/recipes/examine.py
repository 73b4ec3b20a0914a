"""A finished run's student, looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from sparring import data as datasets
from sparring import nets
from sparring.core import Network
from sparring.core.network import computing
from sparring.engine import Compute
from sparring.engine.device import choose_device
from sparring.errors import UserError
from sparring.evaluate import disagreement as climbs
from sparring.evaluate import latency, macs, parameters, score
from sparring.files import read_json
from sparring.nets import weights
from sparring.recipes import config as schema
from sparring.recipes.build import Given, asks_teacher, copied, find_data, network, place_teacher, precision
from sparring.recipes.config import Config
from sparring.recipes.exits import by_exit
from sparring.recipes.folder import EARLIER, as_it_lies
from sparring.recipes.keeper import BEST
from sparring.recipes.keepsakes import KEEPSAKES
from sparring.recipes.manifest import files, hashed, other_files, weights_hash, written_in
from sparring.recipes.run import say
from sparring.report.groups import BASELINE

Part = Literal["test", "validation"]
NEAR = 5  # folders below a given one in which a run is looked for; the whole disk may lie below it
CURVE_IMAGES = 512  # test images that the disagreement curve climbs from


def examine(run: Path, *, part: str, curve: bool, device: str | None) -> dict[str, float]:
    """Accuracy, top-5, NLL, calibration error, agreement, parameters, MACs and latency (seconds for one image); of a
    student that has exits, also what `by_exit` tells of each: {"exit1/accuracy": …, "ensemble/macs": …}.

    part: "test" or "validation". curve: also write disagreement.json and disagreement_examples.npz into the run.
    device: where, in place of the run's own. Raises UserError where `run` holds no finished run.
    """
    config, data, student, teacher = reopened(run, device)
    images = part_of(data, part)
    if curve and teacher is None:
        raise UserError(f"{run} has no teacher to disagree with; --curve is for distilled students")
    here = student.mean.device
    batches = datasets.batches(images, batch_size=256, device=here, workers=config.workers)
    compute = Compute(here, *precision(config, Compute(here), student))
    compute.place_module(student)
    if teacher is not None:
        place_teacher(config, compute, teacher)
    with compute.autocast():  # as the run scored it
        found = score(student, batches, teacher)
        exits = by_exit(student, data.shape, batches)
    alone = nets.deepest(student)
    found |= {
        "parameters": parameters(alone),
        "macs": macs(alone, data.shape),
        "latency": latency(alone, data.shape, here),
    }
    found |= {f"{name}/{key}": value for name, told in exits.items() for key, value in told.items()}
    if curve and teacher is not None:
        with computing(here.type, bf16=False):
            climb(run, data, teacher, {config.method: student})
    return found


def part_of(data: datasets.Data, part: str) -> datasets.Images:
    """The "test" or "validation" images. Raises UserError where there are none."""
    images = {"test": data.test, "validation": data.validation}[part]
    if images is None:
        raise UserError(f"{data.name} has no {part} part here; try --part {'validation' if part == 'test' else 'test'}")
    return images


def reopened(run: Path, device: str | None = None) -> tuple[Config, datasets.Data, Network, Network | None]:
    """A finished run's configuration, data, student and teacher, on its own device or another."""
    config, data, student = opened(run, device)
    teacher = None
    if asks_teacher(config):
        try:
            teacher = network("teacher", config.teacher, None, config.teacher_normalise, data)
            Compute(student.mean.device).place_module(teacher)
            tell_of_other_teacher(run, teacher)
        except UserError as error:
            say(f"without the teacher: {error}")
    return config, data, student, teacher


def kept_by(run: Path) -> dict[str, Tensor]:
    """The keepsakes of a run's parts, none where it kept none."""
    return weights.read(run / KEEPSAKES)[0] if (run / KEEPSAKES).exists() else {}


def opened(run: Path, device: str | None = None, given: Given | None = None) -> tuple[Config, datasets.Data, Network]:
    """A finished run's configuration, data and student, on its own device or another; given: what of these no name
    finds, since it was made in Python (the student as it is after the training)."""
    given = given or Given()
    if asked := nets.exit_asked(str(run)):
        raise UserError(
            f"{run} is an exit, and what is measured are runs: evaluate {asked[1]}, which tells of all its exits; to "
            f"attack one, sparring.evaluate.robust_accuracy(sparring.nets.load({str(run)!r}), x, y, eps=…)"
        )
    if not run.is_dir():
        net = f"; for a network alone see sparring.evaluate: robust_accuracy(nets.load({str(run)!r}), x, y, eps=…)"
        raise UserError(f"{run} is no folder; give a run directory{net if run.is_file() else ''}")
    if not (run / "result.json").exists():
        below = [path for depth in range(1, NEAR) for path in run.glob("*/" * depth + "result.json")]
        below = [path for path in below if EARLIER not in path.parts]
        found = sorted(below, key=lambda path: (BASELINE in path.parts, path))
        inner = found[0].parent if found else None
        hint = f"there is one in {inner}" if inner else "give a run directory, or --resume that run"
        raise UserError(f"{run} holds no finished run (no result.json); {hint}")
    config = as_it_lies(run, schema.read(run / "config.yaml"))
    data = find_data(config, given)
    if given.student is None:
        student = nets.load(str(run), classes=data.classes, shape=data.shape)
    else:
        student = copied(nets.wrap(given.student, mean=data.mean, std=data.std))
    tell_of_changes(run, config, data, student)
    Compute(choose_device(device or config.device)).place_module(student)
    return config, data, student


def tell_of_changes(run: Path, config: Config, data: datasets.Data, student: Network) -> None:
    """Say where data, weights or Python files are others than when a run was trained: its test images may be among
    those it learned from, and what is measured may be of another network."""
    manifest = read_json(run / "manifest.json") if (run / "manifest.json").exists() else {}
    if manifest.get("data", {}).get("fingerprint") not in (None, data.fingerprint):
        say(
            f"the images of {data.name} are others than when {run} was trained (by their fingerprint): it may have "
            "learned from some that are test images now"
        )
    if manifest.get("data", {}).get("train") not in (None, len(data.train)):
        say(f"{run} learned from another number of images than its config.yaml makes now: the parts may overlap")
    tell_of_other_weights(run, "weights", student)
    now = files(config, student, None)
    for file in other_files(manifest, now):
        if file in now:  # else it is the teacher's
            say(f"{file} is not what it was when {run} was trained: its student may compute something else now")


def tell_of_other_teacher(run: Path, teacher: Network) -> None:
    """Say where a run's teacher is not the one that taught it."""
    manifest = read_json(run / "manifest.json") if (run / "manifest.json").exists() else {}
    now = hashed(written_in(teacher))
    for file in other_files(manifest, now):
        if file in now:
            say(f"{file} is not what it was when {run} was trained: its teacher may compute something else now")
    if (manifest.get("teacher") or {}).get("sha256") not in (None, weights_hash(teacher)):
        say(f"the teacher's weights are not those that taught {run}: what is told of both is of another teacher")


def tell_of_other_weights(run: Path, key: str, student: Network) -> None:
    """Say where a student has not the weights whose hash its run's result has under `key`."""
    if read_json(run / "result.json").get(key) not in (None, weights_hash(student)):
        say(f"the student's weights are not those that {run} was trained to: what is measured is not of that run")


def at_best(run: Path, student: Network) -> None:
    """Make a run's student what it was after the epoch that was best on validation images (by PGD-10 where training
    attacked it). Raises UserError where none was kept."""
    file = run / "checkpoints" / BEST
    if not file.exists():
        raise UserError(f"{run} has no weights of its best epoch ({file}); leave --best-epoch out, for the last one's")
    weights.put(student.body, weights.read(file)[0], file)
    tell_of_other_weights(run, "best_weights", student)


def climb(out: Path, data: datasets.Data, teacher: Network, students: Mapping[str, Network]) -> None:
    """Write the disagreement curve (DA's Fig. 3) and its pictures (Fig. 4) of some students into the folder `out`."""
    images = data.test or data.validation
    assert images is not None
    device = teacher.mean.device
    batches = datasets.batches(datasets.some(images, CURVE_IMAGES).to(device), batch_size=128, device=device)
    climbs.save_curve(climbs.curve(teacher, students, batches, std=data.std), out / "disagreement.json")
    name, student = next(iter(students.items()))
    pictures = climbs.examples(teacher, student, next(iter(batches)), std=data.std, name=name)
    climbs.save_examples(pictures, out / "disagreement_examples.npz", classes=data.class_names)
