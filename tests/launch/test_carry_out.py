"""The loop over tasks: order, losses, refusals and stops, by a launcher that does what the test tells it."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from sparring.errors import Interrupted, UserError
from sparring.launch import carry_out as loop
from sparring.launch.carry_out import carry_out
from sparring.launch.tasks import Ended, Task
from sparring.launch.where import Lost, Where

AWAY = Where("local:2")


@dataclass
class Later:
    """Ends at the second look, as its script says: an Ended, Lost or another error."""

    says: object
    looks: int = 0

    def done(self):
        self.looks += 1
        return self.looks > 1

    def result(self):
        if isinstance(self.says, Ended):
            return self.says
        raise self.says


@dataclass
class Scripted:
    """Notes what begins; each task ends as its next line says, well where there is none."""

    lines: dict = field(default_factory=dict)
    room: int = 2
    threads: int = 1
    pause: float = 0.0
    begun: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def submit(self, errand):
        name = errand.log.parent.name
        self.begun.append(name)
        says = self.lines.get(name, [])
        return Later(says.pop(0) if says else Ended())

    def stop(self):
        self.told.append("stop")

    def close(self):
        self.told.append("close")


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """Carry out a, b, c, … of which some need others, by a scripted launcher."""

    def go(needs, **script):
        carrier = Scripted(**script)
        monkeypatch.setattr(loop, "launcher", lambda *_: carrier)
        tasks = [Task(print, name, tmp_path / name / ".log", frozenset(of)) for name, of in needs.items()]
        return carrier, lambda: carry_out(tasks, AWAY)

    return go


def test_each_begins_once_what_it_needs_has_ended(scripted):
    carrier, go = scripted({"a": "", "b": "a", "c": "", "d": "bc"}, room=9)
    go()
    assert carrier.begun == ["a", "c", "b", "d"]
    assert carrier.told == ["close"]


def test_no_more_begin_than_there_is_room_for(scripted, monkeypatch):
    most = []
    hear = loop.hear
    monkeypatch.setattr(loop, "hear", lambda *given: (most.append(len(given[2].under_way)), hear(*given)))
    carrier, go = scripted(dict.fromkeys("abcde", ""), room=2)
    go()
    assert sorted(carrier.begun) == [*"abcde"]
    assert max(most) == 2


def test_what_is_lost_begins_again_and_is_told(scripted, capsys):
    stopped = Ended(stopped="stopped after step 3", signal=15)
    carrier, go = scripted({"a": "", "b": ""}, lines={"a": [Lost()], "b": [stopped]})
    go()
    assert sorted(carrier.begun) == ["a", "a", "b", "b"]
    told = capsys.readouterr().err
    assert "a: its worker is gone; it goes on from its checkpoint" in told
    assert "b: stopped after step 3; it goes on from its checkpoint" in told


def test_what_is_lost_each_time_is_given_up(scripted):
    carrier, go = scripted({"a": ""}, lines={"a": [Lost() for _ in range(9)]})
    with pytest.raises(UserError, match=r"^its worker is gone, 5 times without coming any further; "):
        go()
    assert carrier.begun == ["a"] * 5
    assert carrier.told == ["close"]


def test_what_comes_further_each_time_is_never_given_up(scripted, tmp_path):
    (tmp_path / "a").mkdir()
    log = tmp_path / "a" / ".log"

    class Further(Later):
        def result(self):
            with log.open("a") as file:
                file.write("a: epoch 1/9, validation 50.00%\n")
            return super().result()

    carrier, go = scripted({"a": ""})
    losses = [Lost() for _ in range(12)]
    carrier.submit = lambda errand: carrier.begun.append("a") or Further(losses.pop() if losses else Ended())
    go()
    assert carrier.begun == ["a"] * 13


@pytest.mark.parametrize("place", ["elsewhere", "here"])
def test_one_that_cannot_be_done_ends_no_other_but_those_that_need_it(scripted, place, tmp_path, capsys):
    needs = {"a": "", "b": "", "of-a": "a", "of-b": "b", "of-of-a": ("of-a",), "c": ""}
    needs = {name: frozenset(of) for name, of in needs.items()}
    if place == "elsewhere":
        carrier, go = scripted(needs, lines={"a": [Ended(refused="Give another.")], "c": [Ended(refused="No room.")]})
        done = carrier.begun
    else:
        done, refused = [], {"a": "Give another.", "c": "No room."}

        def work(name):
            done.append(name)
            if name in refused:
                raise UserError(refused[name])

        tasks = [Task(partial(work, name), name, tmp_path / name / ".log", of) for name, of in needs.items()]
        go = partial(carry_out, tasks, Where("local:1"))
    with pytest.raises(UserError) as caught:
        go()
    assert sorted(done) == ["a", "b", "c", "of-b"]
    assert str(caught.value).splitlines() == [
        "2 of 6 could not be done; `sparring report` shows the others:",
        "a: Give another.",
        "c: No room.",
    ]
    assert "a: Give another." in capsys.readouterr().err  # at once


def test_where_all_fail_alike_it_is_said_once_and_of_no_others(tmp_path, capsys):
    def fail(name):
        raise UserError(f"cannot write {name}/x: No space left on device")

    names = [str(tmp_path / each) for each in "abc"]
    tasks = [Task(partial(fail, name), name, Path(name) / ".log") for name in names]
    with pytest.raises(UserError) as caught:
        carry_out(tasks, Where("local:1"))
    assert capsys.readouterr().err.count("The others go on") == 1
    assert str(caught.value).splitlines() == [
        "3 of 3 could not be done:",
        f"{', '.join(names)}: cannot write {names[0]}/x: No space left on device",
    ]


def test_of_one_task_its_own_words_are_told(scripted):
    _, go = scripted({"a": ""}, lines={"a": [Ended(refused="Give another.")]})
    with pytest.raises(UserError, match=r"^Give another\.$"):
        go()


def test_a_bug_is_not_hidden(scripted):
    carrier, go = scripted({"a": "", "b": ""}, lines={"a": [ZeroDivisionError("ours")]})
    with pytest.raises(ZeroDivisionError, match="ours") as caught:
        go()
    assert caught.value.__notes__ == ["in a"]
    assert carrier.told == ["stop", "close"]


def test_a_signal_stops_all(scripted, monkeypatch):
    carrier, go = scripted(dict.fromkeys("abc", ""))
    calls = iter([0, 0, 0, 15])
    monkeypatch.setattr(loop, "listening", partial(loop_of, lambda: next(calls, 15)))
    with pytest.raises(Interrupted) as caught:
        go()
    assert caught.value.signal == 15
    assert carrier.told == ["stop", "close"]


class loop_of:
    """A `listening` that answers as told."""

    def __init__(self, asked):
        self.asked = asked

    def __enter__(self):
        return self.asked

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(
    ("on", "cpus", "gpus", "told"),
    [
        ("moon", None, None, "--on moon: runs are carried out on local, ray or slurm"),
        ("", None, None, "--on '': runs are carried out on local, ray or slurm"),
        ("local:no", None, None, "give a number of processes, as local:4"),
        ("local:0", None, None, "give a number of processes"),
        ("local:", None, None, "give a number of processes"),
        ("ray:8", None, None, "give ray, or a cluster's address as ray://HOST:PORT"),
        ("ray:", None, None, "give ray, or a cluster's address as ray://HOST:PORT"),
        ("ray://", None, None, "give ray, or a cluster's address as ray://HOST:PORT"),
        ("LOCAL", None, None, "--on LOCAL: runs are carried out on local, ray or slurm"),
        *((f"slurm:{odd}", None, None, f"--on slurm:{odd}: '") for odd in ("", ":", ",", "partition", "a=1,", "a=")),
        ("local", 0, None, "--cpus 0: give 1 or more"),
        ("ray", None, -1.0, "--gpus -1.0: give how many each run needs"),
        ("ray", None, float("nan"), "--gpus nan: give how many each run needs"),
        ("local", None, 1.0, "--gpus 1.0 is for ray and slurm"),
        ("slurm", None, 0.5, "--gpus 0.5: Slurm gives whole GPUs"),
    ],
)
def test_where_nothing_can_be_carried_out(on, cpus, gpus, told):
    with pytest.raises(UserError, match="--") as caught:
        Where.given(on, cpus, gpus)
    assert told in str(caught.value)


def test_the_environment_says_where_if_nobody_does(monkeypatch):
    monkeypatch.setenv("SPARRING_ON", "local:3")
    assert Where.given(None, None, None).on == "local:3"
    assert Where.given("ray", None, None).on == "ray"
    monkeypatch.delenv("SPARRING_ON")
    assert Where.given(None, 2, None) == Where("local", 2)
    monkeypatch.setenv("SPARRING_ON", "slurm:gpu")
    with pytest.raises(UserError, match=r"^SPARRING_ON=slurm:gpu: 'gpu' is no option; write slurm:partition=gpu"):
        Where.given(None, None, None)
    assert Where.given("local", None, None).on == "local"
