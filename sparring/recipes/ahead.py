"""Runs looked at before the first of them is trained, so that what any would be refused for is told with nothing lost.

Networks that are still to be trained stand in untrained.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparring.core import UserError
from sparring.core.seeds import chance_restored
from sparring.data import Data
from sparring.engine.processes import at_first
from sparring.errors import Taken
from sparring.nets import autoencoders
from sparring.nets.spec import AUGMENTOR
from sparring.parts.cached import CachedTeacher
from sparring.recipes import autoencoder
from sparring.recipes.augmentation import tell
from sparring.recipes.build import Given, Prepared, find_data, prepare
from sparring.recipes.cached import AUTO, with_views
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.earlier import earlier, prepared_for_later
from sparring.recipes.folder import EARLIER, refuse_other_arguments
from sparring.recipes.paths import anchored
from sparring.recipes.rehearse import rehearse
from sparring.recipes.run import training_stream
from sparring.recipes.slots import resolved
from sparring.recipes.teacher import judge_teacher
from sparring.watch import require_tracker


def alike(config: Config) -> str:
    """What runs that differ in their seed alone have in common."""
    return config.model_copy(update={"seed": 0}).model_dump_json()


class Ahead:
    """A look at some runs: at those that differ in their seed alone once, and no data set is read twice.

    given: what was handed over from Python for all of them. untrained: by the folder of a run that is still to come the
    network (of one that trains an autoencoder: the folder) that stands in for what it will leave.
    """

    def __init__(self, given: Given) -> None:
        self.given = given
        self.untrained: dict[str, str] = {}
        self.images: dict[tuple[Any, ...], Data] = {}
        self.seen: set[str] = set()
        self.caches: dict[str, tuple[str | None, str | None]] = {}
        self.judged: set[tuple[Any, ...]] = set()
        self.measures: dict[str, str] = {}

    def look(self, config: Config, out: Path) -> str | None:
        """Raise UserError for whatever would stop the run of `config` in `out`; one that is finished is not made.

        Returns how its epochs will be judged, in words ("on clean images"); None of a run that is finished.
        """
        standing = self.standing_in(config)
        first = earlier(standing) if self.given.teacher is None else None
        if first is not None:
            if (out / "result.json").exists() and not (out / EARLIER).exists():
                raise Taken(
                    f"{out} is finished, and {out / EARLIER}, which taught it, is gone: restore that, or give another "
                    "--out"
                )
            self.look(first, out / EARLIER)
        if standing == config:
            self.refuse_other(config, out, later=first is not None)
        if (out / "result.json").exists():
            return None
        if alike(standing) not in self.seen:
            self.make(standing, config, later=first is not None)
            self.seen.add(alike(standing))
            gc.collect()  # bouts lie in cycles, and the next may be as large
        self.untrained[str(out)] = config.student  # others may learn or start from it
        return self.measures[alike(standing)]

    @chance_restored()
    def make(self, standing: Config, config: Config, *, later: bool) -> None:
        """Make all that a run needs and rehearse it. standing: `config` with what stands in it untrained; later:
        whether an earlier self is trained before."""
        if config.track:
            require_tracker(config.track)
        whole = not later and standing == config
        prepared = self.prepared(standing, later=later)
        at_first(lambda: tell(config, prepared.data))
        self.refuse_one_cache(config, prepared)
        ball = prepared.method.perturb.attacks_within
        self.measures[alike(standing)] = f"under attack within {ball.eps} ({ball.norm})" if ball else "on clean images"
        if whole:
            self.judge(config, prepared)
        rehearse(prepared, next(iter(training_stream(prepared)(0))), finite=whole)

    def prepared(self, config: Config, *, later: bool) -> Prepared:
        """All that a run needs. later: whether an earlier self is trained first."""
        given = replace(self.given, data=self.data(config))
        config = config.model_copy(update={"compile": False, "workers": 0})
        return prepared_for_later(config, given) if later else prepare(config, given)

    def refuse_one_cache(self, config: Config, prepared: Prepared) -> None:
        """Raise UserError where `config` names a folder for its teacher's answers in which another run's will lie."""
        if config.cache in (None, AUTO) or prepared.teacher is None:
            return
        targets = (
            prepared.method.targets
        )  # of a teacher that is still to come no answers are kept, and its name must do
        kept = targets.shelf.key if isinstance(targets, CachedTeacher) and targets.shelf is not None else None
        teacher, known = self.caches.setdefault(config.cache, (config.teacher, kept))
        if teacher != config.teacher or known != kept:
            raise UserError(
                f"--cache {config.cache} can keep the answers of one teacher to one set of images, and these runs need "
                f"others beside them: give --cache {AUTO}, which finds a folder for each"
            )

    def judge(self, config: Config, prepared: Prepared) -> None:
        """Raise UserError for a teacher near chance, as its student's run would; each is tried once."""
        key = (config.teacher, config.teacher_normalise, *kept_as(config))
        if prepared.teacher is not None and not config.any_teacher and key not in self.judged:
            judge_teacher(prepared, {})
            self.judged.add(key)

    def data(self, config: Config) -> Data:
        """The data set of a configuration, with all of its classes."""
        key = kept_as(config)
        if key not in self.images:
            self.images[key] = find_data(config.model_copy(update={"omit": ()}), self.given)
        return self.images[key]

    def standing_in(self, config: Config) -> Config:
        """`config` with what stands untrained in the place of what is not there yet."""
        changes: dict[str, Any] = {slot: self.inside(getattr(config, slot)) for slot in SLOTS}
        changes["student"] = config.student
        while changes["student"] in self.untrained:
            changes["student"] = self.untrained[changes["student"]]
        if config.teacher in self.untrained:
            changes |= {"teacher": self.untrained[config.teacher], "any_teacher": True}
            changes |= {"cache": None, "cache_keep": "full"}  # no folder holds what it answers
        return config.model_copy(update=changes)

    def inside(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """A slot's options, and those of its links, with an autoencoder that stands in for one that is to come."""
        return {
            key: self.inside(value)
            if isinstance(value, Mapping)
            else self.untrained.get(value, value)
            if isinstance(value, str)
            else value
            for key, value in options.items()
        }

    def refuse_other(self, config: Config, out: Path, *, later: bool) -> None:
        """Raise UserError where `out` holds a run with other arguments, as far as these tell which run it is: of an
        earlier self of a student from Python they do not."""
        if later and self.given.student is not None:
            return
        config = config.model_copy(update={"teacher": str(out / EARLIER)}) if later else config
        refuse_other_arguments(out, with_views(resolved(self.given.told_to(anchored(config)))))

    @chance_restored()
    def look_at_autoencoder(self, config: Config, out: Path, shelf: Path) -> None:
        """Raise UserError for what would stop the run in `out` that trains one; an untrained one is put on the shelf,
        a folder, to stand in for it."""
        config = self.given.told_to(anchored(config))
        making = autoencoder.prepare(config, replace(self.given, data=self.data(config)))
        refuse_other_arguments(out, making.config.model_copy(update={"data": config.data}))
        if not (out / "result.json").exists():
            shelf.mkdir()
            autoencoders.save(making.method.vae, shelf / AUGMENTOR)
            self.untrained[str(out)] = str(shelf)


def kept_as(config: Config) -> tuple[Any, ...]:
    """What a configuration's data set is known by while it is kept."""
    return (config.data, config.data_root, config.val, config.size)
