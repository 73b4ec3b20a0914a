"""The folder of a search and its study: which belongs to which, so that no other is ever made or gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.errors import Taken, UserError
from sparring.files import LOCK, locked
from sparring.launch.search import JOURNAL, PATIENCE, TRIALS, Search, note, telling
from sparring.recipes.config import differences, make
from sparring.recipes.run import say
from sparring.report.swept import SWEEP

if TYPE_CHECKING:
    from optuna import Study

OTHER = "or give another --out"


def opened(search: Search) -> Study:
    """The study of a search's folder, made where there is none yet. Raises UserError without Optuna, and where the
    folder or the study is another's."""
    refuse_other(search)
    from sparring.launch import study

    with locked(search.out, wait=PATIENCE):  # two that make a database's tables at once would collide
        refuse_other(search)
        told = telling(search.out)
        if not told and (search.out / SWEEP).exists():
            say(f"{search.out / SWEEP} cannot be read: it is made anew from the study")
        try:
            kept = study.storage(search.out, search.storage, new=not told)
        except UserError as error:
            if not told.get("storage"):
                raise
            raise UserError(f"{error}. The study of {search.out} lies in {told['storage']}") from error
        found = study.opened(kept, its_study(search, told, study.names(kept)))
        if search.storage is not None:
            url = study.shown(search.storage)
            note(search, found, storage=url, place=placed(search, url, told, found))
        else:
            note(search, found, storage=None)
    return found


def its_study(search: Search, told: Mapping[str, Any], there: Sequence[str]) -> str:
    """The name of the folder's study, which is `there` in its storage or is to be made."""
    name = told.get("study")
    if name is not None and name not in there:
        if lies := told.get("storage"):
            raise Taken(
                f"the study of {search.out} is {name} in {lies}, and the --storage that was given does not have it: "
                f"give the one that has it, {OTHER}"
            )
        raise Taken(f"{search.out / JOURNAL} has the study of this search, {name}, no more: restore it, {OTHER}")
    if name is not None or search.storage is not None:
        return name or search.name
    own = [each for each in there if each.rpartition("-")[2] == search.digest]  # older ones bear their folder's name
    if there and not own:
        raise Taken(
            f"{search.out / JOURNAL} is of a search with other arguments ({there[0]}): give the same to go on with it, "
            f"{OTHER}"
        )
    return own[0] if own else search.name


def placed(search: Search, url: str, told: Mapping[str, Any], found: Study) -> str:
    """By what a study in a database knows its folder. Raises Taken where it is another's."""
    place = told.get("place") or hashlib.sha256(f"{search.out.absolute()} {url}".encode()).hexdigest()[:16]
    owner = found.user_attrs.get("place")
    if owner is None:
        found.set_user_attr("place", place)
    elif owner != place:
        raise Taken(
            f"{url} has a study {found.study_name} already, which belongs to another folder than {search.out}: give an "
            "--out of another name"
        )
    return place


def refuse_other(search: Search) -> None:
    """Raise UserError without Optuna, and where the folder holds a run, another search, or one whose study lies
    elsewhere."""
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna, which is not installed: pip install 'sparring[hpo]'")
    if any((search.out / name).exists() for name in ("config.yaml", "result.json")):
        raise Taken(f"{search.out} is a run, and a search's trials lie in a folder of their own: give another --out")
    told = telling(search.out)
    if told:
        before = told["plan"]
        changed = differences(make(before["config"]), make(search.plan["config"]))
        changed += [
            f"{key}: {before.get(key)} → {now}"
            for key, now in search.plan.items()
            if key != "config" and before.get(key) != now
        ]
        if changed:
            raise Taken(
                f"{search.out} holds a search with other arguments ({'; '.join(changed[:5])}); give the same to go on "
                "with it, or another --out"
            )
    if told or (search.out / JOURNAL).exists():
        refuse_other_storage(search, told)


def refuse_other_storage(search: Search, told: Mapping[str, Any]) -> None:
    """Raise Taken where a folder's study lies in a database and none is given, or the other way round, or is gone."""
    from sparring.launch.study import shown

    lies, given = told.get("storage"), search.storage
    if lies is None and given is not None:
        raise Taken(
            f"the study of {search.out} lies in its own {JOURNAL}, and --storage {shown(given)} was given: leave out "
            f"--storage to go on with it, {OTHER}"
        )
    if lies is not None and given is None:
        raise Taken(
            f"the study of {search.out} is {told['study']} in {lies}, and no --storage was given: give --storage {lies}"
            f"{' with its password' * ('***' in lies)} to go on with it, {OTHER}"
        )
    if lies is None and not (search.out / JOURNAL).exists():
        raise Taken(f"{search.out / JOURNAL}, in which the study of this search lay, is gone: restore it, {OTHER}")


@contextmanager
def nothing_left(out: Path) -> Iterator[None]:
    """Let a search that is refused before its first trial leave nothing: neither a folder that was not there before,
    nor what would refuse the next one its folder."""
    made = [folder for folder in (out, *out.absolute().parents) if not folder.exists()]
    fresh = not any((out / name).exists() for name in (SWEEP, JOURNAL, TRIALS))
    try:
        yield
    except UserError:
        if fresh and not (out / TRIALS).exists():
            for name in (SWEEP, JOURNAL, f".{JOURNAL}.lock", LOCK):
                (out / name).unlink(missing_ok=True)
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()
        raise
