"""A search: what it goes over, as plain data, and what is written down of how it stands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.errors import UserError
from sparring.files import read_json, write_json
from sparring.keys import WHERE
from sparring.recipes.config import Config
from sparring.recipes.space import Dimension
from sparring.report.swept import SWEEP

if TYPE_CHECKING:
    from optuna import Study

JOURNAL = "journal.log"  # its study, where that lies in no database
TRIALS = "trials"
NOTHING = {"images": None, "seconds": None, "judged": None, "why": None}  # is known of what a trial took
PATIENCE = 600.0  # seconds that a worker waits for its turn at the study


@dataclass(frozen=True, slots=True)
class Search:
    """A search over `space`, starting from `base`, in the folder `out`, of `trials` trials.

    seed: the sampler's. shortest: after how many epochs the first trials may be pruned, None for no pruning; of those
    that are looked at together one of `eta` goes on. storage: a database's URL, None for a journal in `out`.
    note: what is to be said beside its results. scale: at which a published search is run, None of any other.
    """

    base: Config
    space: tuple[Dimension, ...]
    out: Path
    trials: int = 40
    seed: int = 0
    shortest: int | None = 1
    eta: int = 3
    storage: str | None = None
    note: str = ""
    scale: str | None = None

    @property
    def plan(self) -> dict[str, Any]:
        """What makes it this search and no other."""
        config = self.base.model_dump(mode="json", exclude=set(WHERE))
        pruned = {"shortest": self.shortest, "eta": self.eta}
        return {"config": config, "over": [str(each) for each in self.space], "seed": self.seed, **pruned}

    @property
    def digest(self) -> str:
        """What it is, in eight letters."""
        return hashlib.sha256(json.dumps(self.plan, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """What its study is called where it is made: what it is, after its folder's name in a database, which others
        share. It stays so when the folder gets another name."""
        return f"{'search' if self.storage is None else self.out.absolute().name}-{self.digest}"

    @property
    def longest(self) -> int:
        """The epochs of its longest trial."""
        return max(int(end) for end in next((d.ends for d in self.space if d.key == "epochs"), (self.base.epochs,)))

    @property
    def startup(self) -> int:
        """How many trials are drawn at random before the others learn from them."""
        return min(10, max(4, self.trials // 4))

    def pruned(self, prune: bool, shortest: int | None) -> Search:
        """This search with pruning after `shortest` epochs (None: a tenth of the longest training's), or without."""
        after = max(1, self.longest // 10) if shortest is None else shortest
        return replace(self, shortest=after if prune else None)

    def folder(self, number: int) -> Path:
        """Where a trial's run lies."""
        return self.out / TRIALS / f"{number:04d}"


def note(search: Search, study: Study, **more: Any) -> None:
    """Write down how the search stands, beside what was noted before."""
    told = {"plan": search.plan, "study": study.study_name, "wanted": search.trials}
    told |= {"note": search.note, "scale": search.scale}
    write_json(search.out / SWEEP, {**telling(search.out), **told, **stands(search, study), **more})


def telling(out: Path) -> dict[str, Any]:
    """What a folder's sweep.json says; {} where there is none, or none that says whose it is."""
    try:
        found = read_json(out / SWEEP)
    except UserError:
        return {}
    plan = found.get("plan")
    whole = isinstance(plan, dict) and isinstance(plan.get("config"), dict) and isinstance(found.get("study"), str)
    return found if whole else {}


def stands(search: Search, study: Study) -> dict[str, Any]:
    """The space and the trials, as the report reads them."""
    from sparring.launch.study import RAN

    dimensions = [
        {"key": d.key, "choices": list(d.choices), "low": d.low, "high": d.high, "log": d.log} for d in search.space
    ]
    trials = [
        {
            "number": trial.number,
            "values": trial.params,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "epochs": trial.last_step or 0,
            "run": str(search.folder(trial.number).relative_to(search.out)),
            **NOTHING,
            **trial.user_attrs.get(RAN, {}),
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    return {"space": dimensions, "trials": trials}
