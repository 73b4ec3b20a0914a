"""A search: killed anywhere it ends as the one that was not; its trials never read the test set; workers share it."""

import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import pytest
from runs import child, configured, ended, kill_at
from searches import searched, told

from sparring import verbs_sweep
from sparring.errors import Taken, UserError
from sparring.launch.claimed import opened
from sparring.launch.search import JOURNAL
from sparring.launch.sweep import command, sweep
from sparring.launch.trials import PRUNED, play, taken, work
from sparring.recipes.config import Config, Optim, merged, overrides
from sparring.recipes.run import run
from sparring.recipes.space import space

study = pytest.importorskip("sparring.launch.study")  # which needs Optuna


def test_trials_never_read_the_test_set_and_some_are_pruned(whole):
    trials, results, within = told(whole)
    states = [trial["state"] for trial in trials]
    assert len(states) == 6
    assert {"complete", "pruned"} == set(states)
    for trial, found, values in zip(trials, results, within, strict=True):
        assert "test" not in found
        assert "untested" in found
        assert found["validation"]["accuracy"] == values[trial["epochs"]]
        pruned = trial["state"] == "pruned"
        assert (found.get("stopped") or {}).get("why") == (PRUNED if pruned else None)
        assert trial["epochs"] == (found["stopped"]["epoch"] if pruned else 3)
        assert list(values) == list(range(1, trial["epochs"] + 1))
        assert pruned != (whole.out / trial["run"] / "checkpoints").exists()
    assert states.index("complete") == 0  # nobody is better than the first


@pytest.mark.parametrize("calls", [5, 31, 57])
def test_a_search_that_is_killed_ends_as_one_that_is_not(whole, tmp_path, calls):
    search = replace(whole, out=tmp_path / "another name")

    def killed():
        kill_at(calls, "written")
        work(search)

    assert ended(child(killed, tmp_path / "log")) == -signal.SIGKILL
    work(search)
    assert told(search) == told(whole)


@pytest.mark.slow
def test_killed_at_random_moments(whole, tmp_path):
    search, chance, kills = replace(whole, out=tmp_path / "sweep"), random.Random(0), 0
    alone, took = child(lambda: work(replace(whole, out=tmp_path / "alone")), tmp_path / "log"), time.perf_counter()
    assert ended(alone) == 0
    took = time.perf_counter() - took  # a fast machine is through before a slow one has begun
    for _ in range(80):
        number = child(lambda: work(search), tmp_path / "log")
        if kills < 12:
            time.sleep(chance.uniform(0.0, took / 6))
            os.kill(number, signal.SIGKILL)
        code = ended(number)
        kills += code == -signal.SIGKILL
        if code == 0:
            break
    assert kills >= 5
    assert told(search) == told(whole)


def test_the_pruner_asked_again_says_the_same(whole, tmp_path, monkeypatch):
    search = replace(whole, out=tmp_path / "sweep")

    def dying(config, out, **more):  # as late as can be: told to be pruned, and the study does not know yet
        before = (out / "result.json").exists()
        found = run(config, out, **more)
        return found if before else os.kill(os.getpid(), signal.SIGKILL)

    def killed():
        monkeypatch.setattr("sparring.launch.trials.run", dying)
        work(search)

    deaths = 0
    while (code := ended(child(killed, tmp_path / "log"))) != 0:
        assert code == -signal.SIGKILL
        deaths += 1
    assert deaths == 6
    assert told(search) == told(whole)
    fresh = study.create_trial(state=study.TrialState.RUNNING)
    fresh.number = 5
    of = study.bracketed(whole.name), [*opened(whole).get_trials()[:5], fresh], 5, 1
    pruner = study.hyperband(1, 3, 4)
    assert study.asked(*of, 1.0, pruner)["pruned"] is False
    assert study.asked(*of, 0.0, pruner)["pruned"] is True
    assert study.asked(*of, 0.0, None)["pruned"] is False


def test_a_trial_that_fails_is_told_and_the_others_go_on(tmp_path):
    search = searched(tmp_path / "sweep", over=("optim.lr=log:1e-8..1e6",), trials=3)
    work(search)
    trials, *_ = told(search)
    failed = [trial for trial in trials if trial["state"] == "fail"]
    assert 0 < len(failed) < 3
    assert all("finite" in trial["why"] and trial["value"] is None for trial in failed)


def test_trials_that_cannot_be_run_at_all_end_the_search(whole, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise UserError("no such network")

    search = replace(whole, out=tmp_path / "sweep")
    monkeypatch.setattr("sparring.launch.trials.run", refuse)
    with pytest.raises(UserError, match="3 trials in a row could not be run; the last: no such network"):
        work(search)


def test_a_trial_whose_worker_lives_is_nobody_elses(whole, tmp_path):
    search = replace(whole, out=tmp_path / "sweep", trials=2)
    found = opened(search)
    with taken(search, found) as one, taken(search, found) as two, taken(search, found) as three:
        assert (one, two, three) == (0, 1, None)
    with taken(search, found) as again:
        assert again == 0
        assert play(search, found, 0) is None
    with taken(search, found) as other:
        assert other == 1


def test_finalists_over_new_seeds_and_a_command_that_works(tmp_path):
    done = verbs_sweep.sweep(
        student="mlp-16", data="digits", method="ce", epochs=2, threads=1, over={"optim.lr": "log:0.0001..0.5"},
        trials=4, finalists=1, seeds=2, out=tmp_path / "sweep",
    )  # fmt: skip
    kept = json.loads((done.out / "sweep.json").read_text())
    assert [line["name"] for line in kept["finalists"]] == ["default", f"trial-{best(kept)['number']:04d}"]
    assert {run.metrics["seed"] for run in done.runs} == {1, 2}
    assert all("test" in run.metrics for run in done.runs)
    means = {line["name"]: line["validation"] for line in kept["finalists"]}
    assert means[kept["winner"]] == max(means.values())
    verb, *words = done.command.partition(" --out ")[0].removeprefix("sparring ").split()
    flags = {"--student": "student", "--data": "data", "--method": "method"}
    pairs = [f"{flags[flag]}={value}" for flag, value in pairwise(words) if flag in flags]
    typed = merged(Config(), overrides((*pairs, *(word for word in words if "=" in word))))
    assert verb == "distill"
    assert typed.optim.lr == done.best.optim.lr
    assert typed.epochs == 2
    before = (done.out / "sweep.json").read_text()
    again = verbs_sweep.sweep(config=done.best.model_copy(update={"optim": Optim()}), seeds=2, trials=4,
                              finalists=1, over=["optim.lr=log:0.0001..0.5"], out=done.out)  # fmt: skip
    assert again.command == done.command
    assert (done.out / "sweep.json").read_text() == before


def best(kept):
    """The trial of a search that is best."""
    return max((t for t in kept["trials"] if t["state"] == "complete"), key=lambda t: (t["value"], -t["number"]))


def test_a_command_keeps_what_was_given():
    config = merged(Config(), {"method": "da", "teacher": "a b", "student": "x", "perturb.alpha": 0.0123, "omit": "3"})
    assert command(config, Path("runs/x"), 3) == (
        "sparring distill --teacher 'a b' --student x --data digits --method da "
        """'omit=['"'"'3'"'"']' perturb.alpha=0.0123 --baseline --seeds 3 --out runs/x-winner"""
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"val": 0.0}}, "holds out no validation images"),
        ({"config": {"method": "kd"}}, r"a trial with optim.lr=0.0001 .*cannot be run: .*teacher"),
        (
            {
                "config": {"method": "at", "perturb.eps": 0.1},
                "space": space(["perturb.eps=0.1..0.2"], configured(method="at")),
            },
            "eps=0.1 is judged under attack within 0.1 .* and a trial with perturb.eps=0.2 under attack within 0.2",
        ),
        (
            {
                "config": {"method": "at", "perturb.eps": 0.1, "perturb.steps": -1},
                "space": space(["perturb.steps=1,2"], configured(method="at")),
            },
            "the defaults, which are run beside the best trials, cannot be run",
        ),
        ({"trials": 0}, "--trials 0: give 1 or more"),
        ({"shortest": 9}, "give --shortest from 1 to 3"),
        ({"storage": "nonsense://x:secret@y/z"}, r"--storage nonsense://x:\*\*\*@y/z cannot be opened"),
    ],
)
def test_what_every_trial_would_meet_is_told_first(tmp_path, changes, message):
    search = searched(tmp_path / "sweep")
    base = merged(search.base, changes.pop("config", {}))
    with pytest.raises(UserError, match=message) as caught:
        sweep(replace(search, base=base, **changes), finalists=1, seeds=1)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "sweep" / "trials").exists()


def test_another_search_or_a_run_is_not_gone_on_with(whole, tmp_path):
    for changes, message in (
        ({"base": merged(whole.base, {"epochs": 4})}, "epochs: 3 → 4"),
        ({"seed": 1}, "seed: 0 → 1"),
    ):
        with pytest.raises(Taken, match=message):
            work(replace(whole, **changes))
    run(configured(epochs=1), tmp_path / "run")
    with pytest.raises(Taken, match="is a run"):
        work(replace(whole, out=tmp_path / "run"))


def test_a_network_that_raises_fails_its_trials_and_not_the_search(tmp_path, monkeypatch):
    def raising(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr("sparring.launch.trials.run", raising)
    with pytest.raises(UserError, match=r"3 trials in a row could not be run; the last: RuntimeError: boom"):
        work(search := searched(tmp_path / "sweep"))
    trials = json.loads((search.out / "sweep.json").read_text())["trials"]
    assert [trial["state"] for trial in trials] == ["fail"] * 3


def test_without_optuna_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.launch.claimed.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs Optuna, .*pip install 'sparring\[hpo\]'"):
        work(searched(tmp_path / "sweep"))


POSTGRES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def database():
    """The URL of a database of its own on the loopback, for as long as a test lasts."""
    if not (POSTGRES / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    folder = Path(mkdtemp(prefix="sparring-postgres-"))  # pytest's own folders are closed to others by each session
    root = os.getuid() == 0  # whom PostgreSQL refuses
    who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    if root:
        subprocess.run(["chown", "postgres:postgres", folder], check=True)
    port = random.SystemRandom().randrange(20000, 60000)
    at = str(folder / "data")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"

    def call(program, *words):
        subprocess.run([*who, POSTGRES / program, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    call("initdb", "-D", at, "-A", "trust", "-U", "sparring", "--no-sync")
    call("pg_ctl", "-D", at, "-w", "-l", str(folder / "log"), "-o", options, "start")
    yield f"postgresql+psycopg://sparring@127.0.0.1:{port}/postgres"
    call("pg_ctl", "-D", at, "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.mark.slow
def test_workers_share_a_study_on_postgresql_and_one_is_killed(database, tmp_path):
    pytest.importorskip("psycopg")
    search = searched(tmp_path / "sweep", storage=database, trials=10, shortest=None)
    search = replace(search, base=merged(search.base, {"epochs": 30}))  # long enough for each to have its turn
    workers = [child(lambda: work(search), tmp_path / f"log-{at}") for at in range(3)]
    until = time.time() + 120
    while len(list(search.out.glob("trials/*/metrics.jsonl"))) < 3 and time.time() < until:
        time.sleep(0.02)
    os.kill(workers[0], signal.SIGKILL)
    assert [ended(number) for number in workers] == [-signal.SIGKILL, 0, 0]
    work(search)  # had the killed one held the last trial
    trials, _, within = told(search)
    assert [trial["number"] for trial in trials] == list(range(10))
    assert {trial["state"] for trial in trials} == {"complete"}
    assert all(math.isfinite(trial["value"]) for trial in trials)
    assert all(len(values) == trial["epochs"] for values, trial in zip(within, trials, strict=True))
    assert not (search.out / JOURNAL).exists()
    numbers = [set(words_of(tmp_path / f"log-{at}")) for at in range(3)]
    assert numbers[1]
    assert numbers[2]
    assert not numbers[1] & numbers[2]  # nobody does another's work twice
    with pytest.raises(Taken, match="belongs to another folder"):
        work(replace(search, out=tmp_path / "elsewhere" / "sweep"))


def words_of(log):
    """The numbers of the trials that a worker ended."""
    lines = log.read_text().splitlines()
    return [line.split()[1].rstrip(":") for line in lines if re.match(r"trial \d+:", line)]
