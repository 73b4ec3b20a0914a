"""Methods whose teacher is an earlier self: another student of the same kind, trained first by the same recipe."""

from __future__ import annotations

from sparring.recipes.cached import unasked
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.slots import method_slots, resolved

SEED = 1000  # added to the run's seed: the student begins anew, not where the earlier self began


def earlier(config: Config) -> Config | None:
    """The run that must come first, to be the teacher of `config`; None where its method has none, or one is given.

    It perturbs as the run itself does, where both do so by the same part: an earlier self is attacked as strongly.
    """
    method = method_slots(config.method).earlier
    if method is None or config.teacher is not None:
        return None
    first = config.model_copy(update={"method": method, "seed": config.seed + SEED, **{slot: {} for slot in SLOTS}})
    own, theirs = resolved(config).perturb, resolved(first).perturb
    return unasked(first.model_copy(update={"perturb": own} if own["name"] == theirs["name"] else {}))
