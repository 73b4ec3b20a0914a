"""Methods whose teacher is an earlier self: another student of the same kind, trained first by the same recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sparring import nets
from sparring.errors import UserError
from sparring.files import read_json
from sparring.methods import TEACHERLESS
from sparring.methods.pgd import APART
from sparring.recipes.build import Given, Prepared, copied, prepare
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.folder import EARLIER
from sparring.recipes.slots import method_slots, resolved

SEED = 1000  # added to the run's seed: the student begins anew, not where the earlier self began
STILL = "clean"


def earlier(config: Config) -> Config | None:
    """The run that must come first, to be the teacher of `config`; None where its method has none, one is given, or its
    targets ask none.

    An earlier self that is attacked is attacked as the run itself is; without a teacher to be driven away from, it
    climbs the cross-entropy of its labels. Raises UserError for a cache in one folder, which can hold one
    teacher's answers alone.
    """
    method = method_slots(config.method).earlier
    if method is None or config.teacher is not None or resolved(config).targets["name"] in TEACHERLESS:
        return None
    if config.cache not in (None, "auto"):
        raise UserError(
            f"{config.method} trains a teacher of its own for each seed, and --cache {config.cache} keeps the answers "
            "of one: give --cache auto, which finds a folder for each"
        )
    alone = {"method": method, "seed": config.seed + SEED, "cache": None, "cache_keep": "full", "any_teacher": False}
    first = config.model_copy(update={**alone, **{slot: {} for slot in SLOTS}})
    if resolved(first).perturb["name"] == STILL:
        return first
    perturb = resolved(config).perturb
    if perturb.get("loss") in APART:
        perturb |= {"loss": "ce", "teacher": "clean"}
    return first.model_copy(update={"perturb": perturb})


def prepared_for_later(config: Config, given: Given) -> Prepared:
    """The second of both runs, made before the first is trained, with an untrained network as its teacher. Raises
    UserError for what it would be refused for, and for a student that has weights already, which would not begin
    anew."""
    prepared = prepare(*standing_in(config, given))
    if given.student is None and nets.origin_of(prepared.student).trained:
        raise UserError(
            f"{config.method} trains its student twice, each time anew, and {config.student} has weights already: give "
            "a network without, or a teacher (--teacher)"
        )
    return prepared


def standing_in(config: Config, given: Given) -> tuple[Config, Given]:
    """As `config` and `given`, with an untrained network like the student in the place of its earlier self."""
    config = config.model_copy(update={"any_teacher": True, "cache": None, "cache_keep": "full"})
    if given.student is not None:
        return config, replace(given, teacher=copied(given.student))
    return config.model_copy(update={"teacher": config.student}), given


def seconds_before(config: Config, out: Path) -> dict[str, float]:
    """How long the earlier self was trained that the run in `out` learned from, where it did from one."""
    place = out / EARLIER
    own = config.teacher is not None and Path(config.teacher).resolve() == place.resolve()
    return {"seconds_before": read_json(place / "result.json")["seconds"]} if own else {}
