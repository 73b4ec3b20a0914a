"""Kept answers are the teacher's own, or not there; and a method that learns from them keeps the contract."""

from __future__ import annotations

import errno
import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparring.core import Batch, Output, UserError, View
from sparring.methods import baseline, kd, mixing
from sparring.parts.bout import Bout
from sparring.parts.cached import CachedTeacher
from sparring.parts.chain import Chain
from sparring.parts.forms import Form
from sparring.parts.shelf import Shelf
from sparring.parts.teachers import Teacher
from sparring.testing import check_method, tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import Case

ROWS = 48


def viewed(batches: list[Batch], number: int = 0) -> list[Batch]:
    """Batches as the stream gives them where an image has views."""
    return [replace(batch, view=View(number, batch.index)) for batch in batches]


def opened(folder, *, keep="full", teacher=None, key="k") -> CachedTeacher:
    """A teacher with a shelf in `folder`."""
    targets = CachedTeacher(Teacher(teacher or tiny_net(1)))
    (batch,) = tiny_batches(1)
    form = Form(keep, targets.teacher(batch.x, batch))
    targets.open(Shelf(folder, key, rows=ROWS, width=form.width), form, lambda: None)
    return targets


def answered(targets: CachedTeacher, batch: Batch) -> Output:
    """One step's answer, written when the step is over."""
    answer = targets(batch.x, batch)
    targets.after_step(None)  # pyright: ignore[reportArgumentType]
    return answer


def shelf(folder, **more) -> Shelf:
    return Shelf(folder, "k", **{"rows": 6, "width": 5, **more})


def values(*rows: int) -> np.ndarray:
    return np.arange(len(rows) * 5, dtype=np.uint8).reshape(-1, 5) + np.array(rows, np.uint8)[:, None]


def test_records_are_read_as_they_were_written(tmp_path):
    kept, rows = shelf(tmp_path), np.array([4, 0, 3])
    assert kept.read(1, rows) is None
    kept.write(1, rows, values(4, 0, 3))
    for ours in (kept, shelf(tmp_path)):
        assert np.array_equal(ours.read(1, rows[::-1]), values(4, 0, 3)[::-1])
        assert ours.there(1, np.arange(6)).tolist() == [True, False, False, True, True, False]
        assert ours.read(1, np.array([4, 1])) is None
        assert ours.read(0, rows) is None
    assert Shelf(tmp_path, "another key", rows=6, width=5).read(1, rows) is None
    kept.write(1, rows, values(0, 0, 0))
    assert np.array_equal(kept.read(1, rows), values(4, 0, 3))  # the first stays


def test_a_record_that_is_zero_is_no_hole(tmp_path):
    kept = shelf(tmp_path)
    kept.write(0, np.array([2]), np.zeros((1, 5), np.uint8))
    assert kept.there(0, np.arange(6)).tolist() == [False, False, True, False, False, False]


def test_every_bit_counts(tmp_path):
    kept, rows = shelf(tmp_path), np.array([1])
    kept.write(0, rows, values(1))
    file, size = kept.file(0), 9
    whole = file.read_bytes()
    for bit in range(size * 8):
        damaged = bytearray(whole)
        damaged[size + bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        assert shelf(tmp_path).read(0, rows) is None
    moved = bytearray(whole)
    moved[2 * size : 3 * size] = whole[size : 2 * size]  # a whole record, in another row's place
    file.write_bytes(moved)
    again = shelf(tmp_path)
    assert again.there(0, np.arange(6)).tolist() == [False, True, False, False, False, False]
    assert again.read(0, np.arange(6)) is None
    assert again.damaged == 1
    file.write_bytes(whole[:-1])  # cut off: nothing is trusted until it is made whole again
    again = shelf(tmp_path)
    assert again.read(0, rows) is None
    again.write(0, np.array([5]), values(5))
    assert again.there(0, np.arange(6)).tolist() == [False, True, False, False, False, True]


def test_a_full_disk_is_done_without(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    kept = shelf(tmp_path)
    kept.write(0, np.array([1]), values(1))
    assert kept.full == f"{tmp_path} takes no more (No space left on device)"
    monkeypatch.undo()
    kept.write(0, np.array([1]), values(1))
    assert kept.read(0, np.array([1])) is None


@pytest.mark.parametrize("keep", ["full", "half", 2])
def test_what_is_kept_is_what_is_learned_from(keep, tmp_path):
    targets, (batch,) = opened(tmp_path, keep=keep), viewed(tiny_batches(1))
    exact = targets.teacher(batch.x, batch).logits
    first, again = (answered(targets, batch).logits for _ in range(2))
    assert (targets.asked, targets.read) == (1, 1)
    assert torch.equal(first, again)
    if keep == "full":
        assert torch.equal(first, exact)
        return
    assert torch.allclose(first, exact, atol=2e-3) == (keep == "half")
    p, q = first.softmax(1), exact.softmax(1)
    assert torch.allclose(p.topk(2)[0], q.topk(2)[0], atol=1e-3)
    if keep == 2:
        rest = p.scatter(1, exact.topk(2)[1], 0)
        assert torch.allclose(rest.sum(1), 1 - q.topk(2)[0].sum(1), atol=1e-3)
        assert torch.allclose(rest.topk(3)[0], rest.sum(1, keepdim=True).expand(-1, 3) / 3)


@pytest.mark.parametrize("keep", ["full", "half", 2])
def test_features_are_kept_beside_the_logits(keep):
    chance = torch.Generator().manual_seed(0)
    maps = torch.randn(4, 3, 2, 2, generator=chance).to(memory_format=torch.channels_last)
    vectors = torch.randn(4, 6, generator=chance).bfloat16()
    answer = Output(torch.randn(4, 5, generator=chance), {"map": maps, "features": vectors})
    form = Form(keep, answer)
    packed = form.packed(answer)
    assert packed.shape == (4, form.width)
    got = form.unpacked(packed)
    assert got.features.keys() == answer.features.keys()
    assert got.features["map"].stride() == maps.stride()
    assert got.features["features"].dtype == torch.bfloat16
    tell = torch.equal if keep == "full" else lambda a, b: torch.allclose(a, b, atol=1e-2)
    assert tell(got.features["map"], maps)
    assert tell(got.features["features"], vectors)


@pytest.mark.parametrize("keep", ["half", 4])
def test_what_half_precision_cannot_hold_stays_finite(keep):
    answer = Output(torch.tensor([[1e6, -1e6, 0.0, -2e6, 3.0]]))
    form = Form(keep, answer)
    assert form.unpacked(form.packed(answer)).logits.softmax(1).tolist() == [[1, 0, 0, 0, 0]]
    assert form.unpacked(form.packed(answer)).logits.isfinite().all()


def test_the_highest_of_all_is_refused():
    with pytest.raises(UserError, match="cache_keep=5 of 5 classes leaves none to spread the rest over: give a number"):
        Form(5, Output(torch.zeros(2, 5)))


def test_only_known_views_at_their_own_inputs_are_kept(tmp_path):
    targets, (batch,) = opened(tmp_path), viewed(tiny_batches(1))
    for x, rows in ((batch.x.clone(), batch), (batch.x, replace(batch, view=None)), (batch.x, batch.at(batch.x + 0))):
        targets(x, rows)
        targets.after_step(None)  # pyright: ignore[reportArgumentType]
    assert targets.asked == targets.read == 0
    assert not list(tmp_path.iterdir())


def test_a_batch_that_lacks_a_row_is_asked_whole(tmp_path):
    targets, batches = opened(tmp_path), viewed(tiny_batches(2))
    answered(targets, batches[0])
    rows = torch.cat([batches[0].index[:5], batches[1].index[:3]])
    mixed = Batch(
        torch.cat([batches[0].x[:5], batches[1].x[:3]]), torch.zeros(8, dtype=torch.long), rows, view=View(0, rows)
    )
    assert torch.equal(answered(targets, mixed).logits, targets.teacher(mixed.x, mixed).logits)
    assert (targets.asked, targets.read) == (2, 0)
    assert targets.shelf.there(0, np.arange(16)).tolist() == [True] * 11 + [False] * 5


def test_another_teacher_is_found_out(tmp_path):
    """Also where the key says that all is as it was."""
    (batch,) = viewed(tiny_batches(1))
    answered(opened(tmp_path), batch)
    with pytest.raises(UserError, match=r"are not those that the teacher gives now .they differ by up to .* --cache"):
        answered(opened(tmp_path, teacher=tiny_net(2)), batch)


def test_a_rehearsal_leaves_nothing(tmp_path):
    targets, batches = opened(tmp_path), viewed(tiny_batches(2))
    for batch in batches:
        targets(batch.x, batch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", ["full", 2])
@pytest.mark.parametrize("filled", [False, True])
def test_the_contract(keep, filled, tmp_path):
    """With one shelf for all, that grows fuller with every run, and with one that is new each time."""
    folders = itertools.repeat(tmp_path) if filled else (tmp_path / str(n) for n in itertools.count())

    def make() -> Case:
        teacher = tiny_net(1)
        targets = opened(next(folders), keep=keep, teacher=teacher)
        setting = tiny_setting(teacher)
        return Case(
            Bout(tiny_net(2), perturb=baseline.clean(setting), targets=targets, objective=kd.kd(setting)), teacher
        )

    check_method(make, viewed(tiny_batches()))


def test_moved_inputs_are_refused(tmp_path):
    setting = tiny_setting(tiny_net(1))
    still, moving = baseline.clean(setting), mixing.mixup(setting)
    for perturb in (moving, Chain([still, moving]), Chain([moving, still])):
        with pytest.raises(UserError, match=r"targets part needs inputs as they come, since answers are kept .--cache"):
            Bout(tiny_net(2), perturb=perturb, targets=opened(tmp_path), objective=kd.kd(setting))
    for perturb in (still, Chain([still, baseline.clean(setting)])):
        Bout(tiny_net(2), perturb=perturb, targets=opened(tmp_path), objective=kd.kd(setting))
