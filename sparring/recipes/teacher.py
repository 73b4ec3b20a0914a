"""The teacher on trial: one that is hardly better than chance was probably loaded or fed wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sparring import data as datasets
from sparring import nets
from sparring.core import Network, UserError
from sparring.data import Images
from sparring.evaluate import score
from sparring.files import read_json
from sparring.nets.spec import STUDENT
from sparring.recipes.build import STATISTICS, Prepared
from sparring.recipes.folder import EARLIER
from sparring.recipes.judge import Exam
from sparring.recipes.manifest import hashed, other_files, written_in
from sparring.recipes.slots import method_slots
from sparring.report.ledger import runs

ORIGIN = "manifest.json"
TRIAL = 2000  # images on which a teacher is tried where its answers are not wanted anyway


def judge_teacher(prepared: Prepared, exams: Mapping[str, Exam]) -> None:
    """Raise UserError for a teacher near chance on held-out images (on training images where none are held out)."""
    if prepared.teacher is None:
        return
    if exam := exams.get("validation"):
        accuracy, chance = (exam.of_teacher() or {})["accuracy"], commonest(exam.y)
    else:
        part = tried_on(prepared)
        accuracy, chance = accuracy_of(prepared.teacher, part, prepared), commonest(part.y)
    refuse_weak_teacher(prepared, accuracy, chance, {})


def frail(prepared: Prepared, exams: Mapping[str, Exam]) -> list[str]:
    """A line where the teacher falls to the attacks that its student will learn to withstand."""
    if prepared.teacher is None or (exam := exams.get("validation")) is None:
        return []
    clean = (exam.of_teacher() or {})["accuracy"]
    return [
        f"the teacher is right on {clean:.1%} of the validation images, and on {left:.1%} under {name.upper()} within "
        "the ball that the student is attacked in: was it trained to withstand that?"
        for name, left in exam.under_attack(prepared.teacher).items()
        if 2 * left < clean
    ]


def on_trial(prepared: Prepared) -> tuple[dict[str, float] | None, float]:
    """(the teacher's accuracy under each preprocessing, its own first; the share of the commonest class)."""
    data, teacher, part = prepared.data, prepared.teacher, tried_on(prepared)
    if teacher is None:
        return None, commonest(part.y)
    known = {"data": (data.mean, data.std), **STATISTICS}
    found = {"own": accuracy_of(teacher, part, prepared)}
    for name, (mean, std) in known.items():
        if len(mean) in (1, data.shape[0]):
            other = nets.refed(teacher, (mean, std)).to(prepared.compute.device)
            found[name] = accuracy_of(other, part, prepared)
    return found, commonest(part.y)


def other_size(prepared: Prepared) -> list[str]:
    """A line for each network whose weights were trained on images of another size than those of the data."""
    told, (_, high, wide) = [], prepared.data.shape
    members = nets.members(prepared.teacher) if prepared.teacher is not None else ()
    for role, net in [*(("teacher", each) for each in members), ("student", prepared.student)]:
        origin = nets.origin_of(net)
        if origin.trained and origin.shape is not None and origin.shape[1:] != (high, wide):
            was = " × ".join(map(str, origin.shape[1:]))
            told.append(f"the {role} {net.name} was trained on images of {was} pixels, and these have {high} × {wide}")
    return told


def other_code(prepared: Prepared) -> list[str]:
    """A line for each of the user's files that the teacher's or the student's weights were trained in otherwise."""
    told = []
    for role, spec, net in (
        ("teacher", prepared.config.teacher, prepared.teacher),
        ("student", prepared.config.student, prepared.student),
    ):
        asked, now = nets.team(spec or ""), hashed(written_in(net))
        runs = [place for each in (asked[0] if asked else [spec or ""]) if (place := run_of(each) / ORIGIN).is_file()]
        changed = {file for place in runs for file in other_files(read_json(place), now) if file in now}
        told += [
            f"{file} is not what it was when the {role}'s weights were trained: it may compute something else now"
            for file in sorted(changed)
        ]
    return told


def tried_on(prepared: Prepared) -> Images:
    """Up to `TRIAL` held-out images (training images where none are held out)."""
    return datasets.some(prepared.data.validation or prepared.data.train, TRIAL)


def tried_images(prepared: Prepared) -> str:
    """What the images are to the teacher that it is tried on: held out from its training too, or nobody knows."""
    if prepared.data.validation is None:
        return "training images"
    config = prepared.config
    asked = nets.team(config.teacher or "")
    members = asked[0] if asked else [config.teacher or ""]
    kept = all(held_out(spec, prepared.data.fingerprint, config.val) for spec in members)
    return "held-out images" if kept else "held-out images, unless it was trained on them"


def held_out(spec: str, fingerprint: str, val: float) -> bool:
    """Whether a teacher is a run on the same data set that held out the same images."""
    at = run_of(spec)
    found = runs(at) if (at / ORIGIN).is_file() else []
    return [(run.fingerprint, run.config.get("val")) for run in found] == [(fingerprint, val)]


def run_of(spec: str) -> Path:
    """The folder of the run that a network's weights are from, should they be from one."""
    asked = nets.exit_asked(spec)
    at = Path((asked[1] if asked else spec).rpartition("@")[2]).expanduser()
    return at.parent if at.name == STUDENT else at


def accuracy_of(net: Network, part: Images, prepared: Prepared) -> float:
    """How often `net` is right on some images."""
    device, workers = prepared.compute.device, prepared.config.workers
    return score(net, datasets.batches(part, batch_size=250, device=device, workers=workers))["accuracy"]


def commonest(y: Tensor) -> float:
    """The share of the commonest class: what naming one class always gets."""
    return float(y.bincount().max() / len(y))


def enough(chance: float) -> float:
    """The accuracy from which a network is better than naming one class, which gets `chance`."""
    return chance + 0.05 * (1 - chance)


def other_order(prepared: Prepared) -> str:
    """In what order the data's classes stand, which a teacher from elsewhere may have learned in another."""
    names = prepared.data.class_names
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    folder = Path(prepared.config.data).expanduser().is_dir()
    way = ", sorted by the names of their folders unless a classes.txt beside these has another order" if folder else ""
    return f"it knows the classes in another order than that of the data ({shown}{way})"


def refuse_weak_teacher(prepared: Prepared, accuracy: float, chance: float, others: Mapping[str, float]) -> None:
    """Raise UserError where a teacher is hardly better than always naming the commonest class.

    others: its accuracy with other preprocessing, where that was tried.
    """
    if accuracy >= enough(chance) or prepared.config.any_teacher:
        return
    tried = f"the images it was tried on, where naming one class always gets {chance:.1%}"
    config = prepared.config
    if method_slots(config.method).earlier and config.teacher and Path(config.teacher).name == EARLIER:
        raise UserError(
            f"the earlier self, {config.teacher}, is right on {accuracy:.1%} of {tried}: it learned hardly "
            "anything (too few epochs, too high a rate, or attacks too far from the start: perturb.warmup=3 lets them "
            "grow); go on all the same with --any-teacher"
        )
    better = [f"teacher_normalise={name} {value:.1%}" for name, value in others.items() if value >= enough(chance)]
    sizes = [line for line in other_size(prepared) if line.startswith("the teacher")]
    why = sizes[0] if sizes else f"its weights or its preprocessing are probably wrong, or {other_order(prepared)}"
    if better:
        advice = f"It would be right with {', '.join(better)}"
    else:
        advice = "No other preprocessing helps" if others else "`sparring check` tries other preprocessing"
    raise UserError(
        f"the teacher is right on {accuracy:.1%} of {tried}: {why}. {advice}; go on all the same with --any-teacher"
    )
