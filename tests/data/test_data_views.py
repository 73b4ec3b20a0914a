"""Views that come back: what an image looks like follows from its row and the number of the view, and nothing else."""

from __future__ import annotations

import sys
from itertools import islice

import pytest
import torch
from test_data_stream import AUGMENTATIONS, resident, same

from sparring.core import UserError
from sparring.data import stream
from sparring.data.stream import Stream, view_of

MANY = [name for name in AUGMENTATIONS if name != "none"]


def seen(make: Stream, epochs: range) -> dict[tuple[int, int], torch.Tensor]:
    """(row, view) → the image, over some epochs; the same wherever it comes again."""
    found: dict[tuple[int, int], torch.Tensor] = {}
    steps = make.steps_per_epoch
    for batch in islice(make(epochs.start * steps), len(epochs) * steps):
        assert batch.view is not None
        assert torch.equal(batch.view.rows + 100, batch.index)
        for row, image in zip(batch.view.rows.tolist(), batch.x, strict=True):
            assert torch.equal(found.setdefault((row, batch.view.number), image), image)
    return found


@pytest.mark.parametrize("augment", MANY)
def test_an_image_is_the_same_in_a_view_whatever_the_seed_batch_and_epoch(augment):
    part = resident()
    first = seen(stream(part, batch_size=8, seed=3, augment=augment, views=2), range(4))
    other = seen(stream(part, batch_size=10, seed=4, augment=augment, views=2), range(2, 4))
    assert {view for _, view in first} == {0, 1}
    both_know = first.keys() & other.keys()
    assert len(both_know) > 80
    assert all(torch.equal(first[key], other[key]) for key in both_know)
    moved = [not torch.equal(first[row, 0], first[row, 1]) for row in range(50) if {(row, 0), (row, 1)} <= first.keys()]
    assert sum(moved) > 5


def test_seeds_order_the_rows_of_an_epoch_each_in_its_own_way():
    ours, theirs = (stream(resident(), batch_size=8, seed=seed, views=3) for seed in (0, 1))
    for epoch in range(4):
        a, b = (torch.cat([batch.index for batch in islice(make(epoch * 6), 6)]) for make in (ours, theirs))
        assert not torch.equal(a, b)
        assert torch.equal(a.sort()[0], b.sort()[0])  # the two that are left out are the same ones too
    assert len({int(batch.index.sum()) for batch in islice(ours(0), 24)}) > 12


@pytest.mark.parametrize(("views", "turn"), [(12, 1), (6, 3), (4, 1), (5, 1)])
def test_who_moves_in_every_other_turn_sees_all_views(views, turn):
    seen = {view_of(epoch, views) for epoch in range(4 * views) if epoch // turn % 2}
    assert seen == set(range(views))
    assert [view_of(epoch, views) for epoch in range(views)] == list(range(views))


def test_every_image_is_seen_in_time():
    rows = torch.cat([batch.index for batch in islice(stream(resident(), batch_size=8, seed=0, views=1)(0), 24)])
    assert len(rows.unique()) == 50


@pytest.mark.parametrize("augment", [*MANY[:3], "none"])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_laid_end_to_end_are_one_process(augment, world):
    part = resident()
    one = stream(part, batch_size=8, seed=3, augment=augment, views=2)(4)
    told = {"batch_size": 8, "seed": 3, "augment": augment, "views": 2}
    shares = [stream(part, rank=rank, world=world, **told)(4) for rank in range(world)]
    for whole, *parts in islice(zip(one, *shares, strict=False), 12):
        assert torch.equal(whole.x, torch.cat([p.x for p in parts]))
        assert torch.equal(whole.view.rows, torch.cat([p.view.rows for p in parts]))
        assert {p.view.number for p in parts} == {whole.view.number}


def test_starting_later_gives_the_same_batches():
    make = stream(resident(), batch_size=8, seed=3, views=2)
    whole = list(islice(make(0), 20))
    for start in (1, 5, 6, 7, 13, 18):
        for ours, theirs in zip(make(start), whole[start : start + 2], strict=False):
            assert same(ours, theirs)
            assert ours.view.number == theirs.view.number


def test_without_an_augmentation_there_is_one_view():
    make = stream(resident(), batch_size=8, seed=3, augment="none", views=4)
    assert {batch.view.number for batch in islice(make(0), 24)} == {0}


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_resident(both, workers):
    held, flowing = both
    for start in (0, 3):
        ours = stream(flowing.train, batch_size=8, seed=1, workers=workers, views=2)(start)
        for a, b in islice(zip(stream(held.train, batch_size=8, seed=1, views=2)(start), ours, strict=False), 9):
            assert same(a, b)
            assert torch.equal(a.view.rows, b.view.rows)


def test_other_inputs_are_no_view():
    batch = next(stream(resident(), batch_size=8, seed=3, views=2)(0))
    assert batch.at(batch.x).view is batch.view
    assert batch.at(batch.x.clone()).view is None
    assert next(stream(resident(), batch_size=8, seed=3)(0)).view is None


def test_too_much_chance_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules[Stream.__module__], "_DRAWN_BYTES", 1000)
    with pytest.raises(UserError, match=r"draws 0\.0 GiB of chance for one view of the 50 images, which is too much"):
        stream(resident(), batch_size=8, seed=0, augment="noise", views=2)
