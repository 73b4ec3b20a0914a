"""A search in the report: pictures, tables, and the word on whether it paid."""

import json
from shutil import rmtree
from typing import Any

import pytest
from folders import write_run

from sparring.report import left_out, markdown, page
from sparring.report.sweep import section
from sparring.report.swept import sweeps
from sparring.report.verdict import interval

SPACE = [
    {"key": "perturb.alpha", "choices": [], "low": 0.001, "high": 0.1, "log": True},
    {"key": "perturb.steps", "choices": [], "low": 1, "high": 3, "log": False},
    {"key": "optim.name", "choices": ["sgd", "adam"], "low": 0.0, "high": 0.0, "log": False},
]


def trial(number, state="complete", value: float | None = 0.5, **more):
    values = {"perturb.alpha": 0.001 * 1.5**number, "perturb.steps": 1 + number % 3, "optim.name": "sgd"}
    told = {"number": number, "values": values, "state": state, "value": value, "epochs": 9, "run": f"trials/{number}"}
    return {**told, "images": 9000, "seconds": 2.0, "judged": "accuracy", "why": None, **more}


def write_sweep(root, gains=(0.01, 0.012, 0.014), default=0.70, **more):
    """Six trials, and one finalist over as many seeds as there are gains on the test set."""
    trials = [trial(n, value=0.5 + n / 100) for n in range(4)]
    trials += [trial(4, "pruned", 0.4, epochs=3, images=3000), trial(5, "fail", None, images=None, why="not finite")]
    lines = []
    validated = more.pop("validation", 0.72)
    for name, validation in (("default", 0.70), ("trial-0003", validated)):
        runs = []
        for seed, gain in enumerate(gains, 1):
            runs.append(f"finalists/{name}/seed-{seed}")
            reached = default + seed / 100 + (gain if name != "default" else 0)
            changes: dict[str, Any] = {} if name == "default" else {"changes": {"perturb.alpha": 0.003}}
            write_run(root / runs[-1], method="da", seed=seed, accuracy=reached, **changes)
        values = trials[3]["values"] if name != "default" else {}
        lines.append({"name": name, "values": values, "validation": validation, "runs": runs})
    told = {"study": "x", "wanted": 6, "space": SPACE, "trials": trials, "finalists": lines, "note": "A note."}
    told |= {
        "winner": "trial-0003" if validated > 0.70 else "default",
        "command": "sparring distill",
        "importances": {"perturb.alpha": 0.9},
    }
    (root / "sweep.json").write_text(json.dumps(told | more))


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ((0.01, 0.012, 0.014), "The search paid"),
        ((-0.01, -0.012, -0.014), "The search hurt"),
        ((-0.01, 0.012, 0.014), "Cannot tell whether the search paid"),
        ((0.01,), "Cannot tell whether the search paid"),
    ],
)
def test_whether_it_paid_is_told_over_shared_seeds(tmp_path, gains, said):
    write_sweep(tmp_path, gains)
    (found,) = sweeps([tmp_path])
    sentence, choice, *_ = section(found).sentences
    assert sentence.startswith(said)
    assert f"{100 * sum(gains) / len(gains):+.2f}".replace("-", "−") in sentence
    if ends := interval(gains):
        assert f"{100 * ends[1]:+.2f}".replace("-", "−") in sentence
    assert "72.00 %, where the defaults have 70.00 %." in choice
    assert "remain the choice" not in choice


def test_defaults_that_are_as_good_remain_the_choice(tmp_path):
    write_sweep(tmp_path, validation=0.70)  # and on test images, which choose nothing, the finalist is clearly better
    (found,) = sweeps([tmp_path])
    told = section(found)
    assert told.word == "does not help"
    assert told.sentences[0] == "The search did not pay: the defaults remain the choice."
    assert "+1.20 [+0.70, +1.70] (3), helps" in markdown([tmp_path])
    assert "no baseline" not in markdown([tmp_path])  # among finalists there is none


def test_the_seeds_are_those_of_the_mean_and_not_of_the_folders_left(tmp_path):
    write_sweep(tmp_path)
    rmtree(tmp_path / "finalists" / "trial-0003" / "seed-3")
    text = markdown([tmp_path])
    assert "over 3 seeds that the search did not use: 72.00 %" in text
    assert "2 shared seeds" in text


def test_a_search_is_found_one_folder_further_down(tmp_path):
    write_sweep(tmp_path / "kept" / "sweep")
    assert [found.folder.name for found in sweeps([tmp_path / "kept", tmp_path / "kept" / "sweep"])] == ["sweep"]
    assert not sweeps([tmp_path])


def test_what_trials_came_to(tmp_path):
    write_sweep(tmp_path)
    text = markdown([tmp_path])
    assert "6 trials: 4 trained to the end, 1 pruned, 1 failed." in text
    assert "Trained on 39 thousand images; without pruning it would have been about 45 thousand, 1.2 times" in text
    assert "The best trial, 3 (perturb.alpha=0.003375 perturb.steps=1 optim.name=sgd), has 53.00 %." in text
    assert "The importances are of 4 finished trials, too few to rely on." in text
    assert "A note." in text
    assert "Not counted" not in text
    order = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ") and "sgd" in line]
    assert order[-6:] == ["| 3", "| 2", "| 1", "| 0", "| 4", "| 5"]


def test_the_page_has_its_pictures(tmp_path):
    write_sweep(tmp_path)
    text = page([tmp_path], tmp_path / "r.html").read_text()
    for word in (
        "perturb.alpha (log)",
        "validation accuracy, %",
        "best so far",
        "share of the differences",
        "(chosen)",
    ):
        assert word in text
    assert text.count("<svg") >= 3


def test_a_search_that_is_under_way_has_a_report(tmp_path):
    write_sweep(tmp_path, finalists=[], winner=None, command=None, importances=None, wanted=9)
    untested = {"method": "da", "student": "s", "data": "d", "seed": 0, "untested": "a trial"}
    for run in (tmp_path / "finalists").glob("*/*"):
        (run / "result.json").write_text(json.dumps(untested))
    text = markdown([tmp_path])
    assert "; 3 are still to come." in text
    assert "Importances are told once a search is through" in text
    page([tmp_path], tmp_path / "r.html")


def test_what_cannot_be_read_of_it_is_told(tmp_path):
    write_sweep(tmp_path, importances={"perturb.alpha": "much"})
    (line,) = [line for line in left_out([tmp_path]) if "sweep.json" in line]
    assert "importances.perturb.alpha" in line
    told = json.loads((tmp_path / "sweep.json").read_text())
    (tmp_path / "sweep.json").write_text(json.dumps(told | {"trials": [{"number": 1}]}))
    (line,) = [line for line in left_out([tmp_path]) if "sweep.json" in line]
    assert "cannot be read" in line
    assert "The search" not in markdown([tmp_path])


def test_odd_values_are_drawn_or_left_out(tmp_path):
    odd = [trial(0, value=0.5), trial(1, value=0.5)]
    odd[0]["values"] = {"perturb.alpha": -1, "perturb.steps": None, "optim.name": "<i>"}
    odd[1]["values"] = {}
    write_sweep(tmp_path, trials=odd)
    assert "<i>" not in page([tmp_path], tmp_path / "r.html").read_text().partition("</style>")[2]


def test_a_poor_trial_does_not_squeeze_the_others(tmp_path):
    write_sweep(tmp_path, trials=[trial(n, value=value) for n, value in enumerate((0.9, 0.91, 0.92, 0.93, 0.1))])
    (found,) = sweeps([tmp_path])
    told = (
        "▼: 1 trial lies far below the others, the lowest at 10.00 %, and ends at the foot of the axis, which begins at"
    )
    assert f"{told} 90.00 %." in page([tmp_path], tmp_path / "r.html").read_text()
    assert ">90<" in (section(found).parallel or "")
    assert ">10<" not in (section(found).parallel or "")
    write_sweep(tmp_path / "even", trials=[trial(n, value=value) for n, value in enumerate((0.9, 0.7, 0.5, 0.3, 0.1))])
    (found,) = sweeps([tmp_path / "even"])
    assert section(found).squeezed == ""
