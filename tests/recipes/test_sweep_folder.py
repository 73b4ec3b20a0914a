"""A search and its folder: full disks, cut files, other names, other storages; what is refused, and what is left."""

import errno
import json
import shutil
from dataclasses import replace

import pytest
from searches import searched, told

from sparring.errors import Taken, UserError
from sparring.launch import sweep as through
from sparring.launch import trials
from sparring.launch.claimed import opened
from sparring.launch.search import JOURNAL, SWEEP
from sparring.launch.sweep import sweep
from sparring.launch.trials import work
from sparring.recipes import folder
from sparring.recipes.config import merged
from sparring.recipes.space import space

study = pytest.importorskip("sparring.launch.study")  # which needs Optuna
journal = pytest.importorskip("sparring.launch.journal")


@pytest.fixture
def copied(whole, tmp_path):
    """A search that is through, in a folder of another name."""
    shutil.copytree(whole.out, tmp_path / "copied")
    return replace(whole, out=tmp_path / "copied")


def records(search):
    return (search.out / JOURNAL).read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("call", [4, 19, 36])
def test_a_search_that_a_full_disk_stopped_ends_as_one_that_it_did_not(whole, tmp_path, monkeypatch, call):
    search, calls, append = replace(whole, out=tmp_path / "full"), [], journal.JournalFileBackend.append_logs

    def full(self, logs):
        calls.append(logs)
        if len(calls) < call:
            return append(self, logs)
        with open(self._file_path, "ab") as file:
            file.write(json.dumps(logs[0])[:-9].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal.JournalFileBackend, "append_logs", full)
        with pytest.raises(UserError, match=r"cannot write .*journal.log: No space left on device; make room there"):
            work(search)
    work(search)
    assert told(search) == told(whole)


@pytest.mark.parametrize("how", ["while it writes", "before it begins"])
def test_a_trial_that_a_full_disk_stopped_is_begun_again(whole, tmp_path, monkeypatch, how):
    search, calls, run = replace(whole, out=tmp_path / "full"), [], trials.run

    def fills(config, out, **more):
        calls.append(out)
        if how == "before it begins" and len(calls) > 2:
            usage = shutil.disk_usage(out.parent)._replace(free=2**10)
            monkeypatch.setattr(folder.shutil, "disk_usage", lambda _: usage)
        elif len(calls) > 2:
            hear = more["hear"]
            more["hear"] = lambda *told: hear(*told) or (out / "gone" / "file").write_text("")
        return run(config, out, **more)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "run", fills)
        with pytest.raises(UserError, match=r"the search in .*full stopped: .*Once that is mended, the same command"):
            work(search)
        assert len(calls) == 3  # it ends at once
        monkeypatch.undo()
    work(search)
    assert told(search) == told(whole)


def test_of_two_that_write_one_drops_what_the_other_left(copied):
    found = opened(copied)
    before = records(copied)
    with (copied.out / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 2, "worker' + bytes(2**17))
    found.set_user_attr("one", 1)
    assert records(copied)[:-1] == before
    assert study.opened(study.storage(copied.out, None, new=False), found.study_name).user_attrs["one"] == 1


def test_a_line_that_is_broken_in_the_middle_is_told(copied):
    lines = records(copied)
    (copied.out / JOURNAL).write_bytes(b"".join([*lines[:3], lines[3][:20], *lines[4:]]))
    with pytest.raises(UserError, match=r"journal.log is damaged in line 4, .*: restore the file from a copy"):
        work(copied)


def test_a_folder_with_another_name_is_the_same_search(whole, copied):
    assert told(copied) == told(whole)
    assert study.names(study.storage(copied.out, None, new=False)) == [opened(whole).study_name]
    shared = [replace(whole, out=whole.out / name, storage="sqlite://").name for name in ("a", "b")]
    assert shared[0] != shared[1]
    assert {study.bracketed(name) for name in shared} == {study.bracketed(whole.name)}


def test_a_study_that_bears_its_folders_name_is_gone_on_with(tmp_path):
    search = searched(tmp_path / "sweep")
    study.opened(study.storage(search.out, None, new=True), f"sweep-{search.digest}")
    assert opened(search).study_name == f"sweep-{search.digest}"  # found without sweep.json
    moved = replace(search, out=search.out.rename(tmp_path / "moved"))
    kept = json.loads((moved.out / SWEEP).read_text())
    (moved.out / SWEEP).write_text(json.dumps(kept | {"study": f"sweep-{search.digest}"}))
    assert opened(moved).study_name == f"sweep-{search.digest}"


@pytest.mark.parametrize("text", [None, "{", "{}", '{"plan": {}, "study": "x"}'])
def test_sweep_json_is_made_anew_from_the_journal(whole, copied, text):
    (copied.out / SWEEP).unlink()
    if text is not None:
        (copied.out / SWEEP).write_text(text)
    work(copied)
    assert told(copied) == told(whole)
    assert json.loads((copied.out / SWEEP).read_text()) == json.loads((whole.out / SWEEP).read_text())


def test_a_journal_of_another_search_is_told_without_sweep_json(copied):
    (copied.out / SWEEP).unlink()
    with pytest.raises(Taken, match=r"journal.log is of a search with other arguments"):
        work(replace(copied, seed=1))
    with pytest.raises(Taken, match=r"lies in its own journal.log, and --storage sqlite:///x was given: leave out"):
        work(replace(copied, storage="sqlite:///x"))


@pytest.mark.parametrize("lost", ["journal.log", "its lines"])
def test_a_journal_that_is_gone_is_told(copied, lost):
    before = (copied.out / SWEEP).read_bytes()
    (copied.out / JOURNAL).unlink() if lost == "journal.log" else (copied.out / JOURNAL).write_bytes(b"")
    with pytest.raises(Taken, match=r"is gone: restore it|no more: restore it"):
        work(copied)
    assert (copied.out / SWEEP).read_bytes() == before


def test_a_folders_study_stays_in_its_storage(copied, tmp_path):
    one, other = (f"sqlite:///{tmp_path / name}" for name in ("one", "other"))
    search = searched(tmp_path / "shared", storage=one)
    opened(search)
    before = (search.out / SWEEP).read_bytes()
    (search.out / SWEEP).unlink()
    opened(search)  # its place is found again
    assert (search.out / SWEEP).read_bytes() == before
    with pytest.raises(Taken, match=rf"shared is shared-{search.digest} in {one}, and no --storage was given: give"):
        opened(replace(search, storage=None))
    with pytest.raises(UserError, match=rf"other cannot be opened: there is no such file.*of .*shared lies in {one}"):
        opened(replace(search, storage=other))
    opened(searched(tmp_path / "else", storage=other))
    with pytest.raises(Taken, match=rf"in {one}, and the --storage that was given does not have it: give the one"):
        opened(replace(search, storage=other))
    with pytest.raises(Taken, match=r"lies in its own journal.log, and --storage .*other was given: leave out"):
        opened(replace(copied, storage=other))
    assert (search.out / SWEEP).read_bytes() == before
    assert not (search.out / JOURNAL).exists()
    moved, there = (
        replace(search, out=search.out.rename(tmp_path / "moved")),
        (tmp_path / "one").rename(tmp_path / "two"),
    )
    assert opened(replace(moved, storage=f"sqlite:///{there}")).study_name == search.name
    with pytest.raises(Taken, match=r"belongs to another folder than .*elsewhere"):
        opened(replace(search, out=tmp_path / "elsewhere" / "shared", storage=f"sqlite:///{there}"))


def test_a_refused_search_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_):
        raise UserError("nobody is there to carry it out")

    search = searched(tmp_path / "runs" / "sweep")
    taught = merged(search.base, {"method": "da"})
    wrong = replace(search, base=taught, space=space(["perturb.p=0.5..1.5"], taught))
    nowhere = replace(search, storage="postgresql+psycopg:/me:secret@127.0.0.1")
    for each, message in (
        (wrong, "cannot be run"),
        (nowhere, r"--storage postgresql\+psycopg:\*\*\*@127.0.0.1 cannot"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            sweep(each, finalists=1, seeds=1)
        assert "secret" not in str(caught.value)
        assert not (tmp_path / "runs").exists()
    monkeypatch.setattr(through, "work_on", refuse)
    with pytest.raises(UserError, match="nobody"):
        sweep(search, finalists=1, seeds=1)
    assert not (tmp_path / "runs").exists()


def test_a_refused_search_leaves_what_was_there(copied, monkeypatch):
    def refuse(*_):
        raise UserError("nobody is there to carry it out")

    (copied.out / SWEEP).unlink()
    monkeypatch.setattr(through, "work_on", refuse)
    with pytest.raises(UserError, match="nobody"):
        sweep(copied, finalists=1, seeds=1)
    assert (copied.out / JOURNAL).exists()
