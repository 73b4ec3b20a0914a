"""Small searches on the digits."""

import json
from dataclasses import replace

from runs import configured, result

from sparring.launch.claimed import opened
from sparring.launch.search import Search
from sparring.recipes.space import space

OVER = ("optim.lr=log:0.0001..1.0", "optim.name=sgd,adam")


def searched(out, *, over=OVER, **changes):
    """A search of six runs of three epochs each, of which a quarter goes on after the first."""
    config = configured(epochs=3, val=0.3)
    return replace(Search(config, space(over, config), out, trials=6, eta=4), **changes)


def told(search):
    """Everything that a search left which hangs on no clock."""
    trials = json.loads((search.out / "sweep.json").read_text())["trials"]
    results = [result(search.folder(trial["number"])) if trial["state"] != "fail" else {} for trial in trials]
    within = [trial.intermediate_values for trial in opened(search).get_trials()]
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in trials], results, within
