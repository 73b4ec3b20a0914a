"""The training stream is a function of (seed, step): not of where it began, how many share it, or how it is stored."""

import multiprocessing
import os
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from sparring.core import UserError
from sparring.data import Resident, batches, stream
from sparring.data import augment as A

AUGMENTATIONS = [*A.names(), "crop+flip+rotate", "resized-crop+shift2+noise+erase"]


def resident(count=50, channels=3, size=32):
    x = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    return Resident(x, torch.arange(count) % 5, torch.arange(count) + 100, "crop+flip")


def same(a, b):
    return torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and torch.equal(a.index, b.index)


@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_starting_later_gives_the_same_batches(augment):
    make = stream(resident(), batch_size=8, seed=3, augment=augment)
    whole = list(islice(make(0), 20))  # three epochs of six
    for start in (1, 5, 6, 7, 13, 18):
        for ours, theirs in zip(make(start), whole[start : start + 2], strict=False):
            assert same(ours, theirs)


@pytest.mark.parametrize("augment", AUGMENTATIONS)
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_laid_end_to_end_are_one_process(augment, world):
    part = resident()
    one = stream(part, batch_size=8, seed=3, augment=augment)(4)
    shares = [stream(part, batch_size=8, seed=3, augment=augment, rank=r, world=world)(4) for r in range(world)]
    for whole, *parts in islice(zip(one, *shares, strict=False), 5):
        assert torch.equal(whole.x, torch.cat([p.x for p in parts]))
        assert torch.equal(whole.index, torch.cat([p.index for p in parts]))


def test_batches_are_the_images_of_their_rows():
    part = resident()
    for batch in islice(stream(part, batch_size=8, seed=0, augment="none")(0), 8):
        at = batch.index - 100
        assert torch.equal(batch.x, part.x[at] / 255)
        assert torch.equal(batch.y, part.y[at])
        assert batch.x.is_contiguous()
        assert batch.y.dtype == batch.index.dtype == torch.int64


def test_an_epoch_has_no_image_twice_and_differs_from_the_next():
    make = stream(resident(), batch_size=8, seed=0)
    assert make.steps_per_epoch == 6
    rows = torch.stack([batch.index for batch in islice(make(0), 12)]).view(2, 48)
    assert all(len(epoch.unique()) == 48 for epoch in rows)
    assert not torch.equal(rows[0], rows[1])


def test_seeds_differ_and_the_default_augmentation_is_the_parts_own():
    part = resident()
    first, other = (next(stream(part, batch_size=8, seed=seed)(0)) for seed in (0, 1))
    assert not torch.equal(first.index, other.index)
    assert same(first, next(stream(part, batch_size=8, seed=0, augment="crop+flip")(0)))


def test_two_walks_of_one_stream_do_not_disturb_each_other():
    make = stream(resident(), batch_size=8, seed=0)
    alone, one, two = list(islice(make(0), 6)), make(0), make(3)
    for step in range(3):
        assert same(next(one), alone[step])
        assert same(next(two), alone[step + 3])


def test_evaluation_sees_everything_once_in_order_again_and_again():
    part = resident()
    walk = batches(part, batch_size=16)
    for _ in range(2):
        seen = list(walk)
        assert [len(batch) for batch in seen] == [16, 16, 16, 2]
        assert len(walk) == 4
        assert torch.equal(torch.cat([batch.x for batch in seen]), part.x / 255)
        assert torch.equal(torch.cat([batch.index for batch in seen]), part.index)


def test_refusals():
    part = resident()
    with pytest.raises(UserError, match="batch of 9 cannot be shared by 2 processes: choose a multiple of 2"):
        stream(part, batch_size=9, seed=0, world=2)
    with pytest.raises(UserError, match="has 50 images, fewer than the batch of 64: choose batch_size <= 50"):
        stream(part, batch_size=64, seed=0)
    with pytest.raises(UserError, match=r"no augmentation 'flipp'\. Did you mean 'flip'"):
        stream(part, batch_size=8, seed=0, augment="flipp")
    with pytest.raises(UserError, match="batch_size=0"):
        batches(part, batch_size=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_resident(both, workers):
    held, flowing = both
    assert replace(held, train=None, validation=None, test=None) == replace(  # pyright: ignore
        flowing,
        train=None,  # pyright: ignore
        validation=None,
        test=None,
    )
    for start in (0, 3):
        ours = stream(flowing.train, batch_size=8, seed=1, workers=workers)(start)
        for a, b in islice(zip(stream(held.train, batch_size=8, seed=1)(start), ours, strict=False), 7):
            assert same(a, b)
    for a, b in zip(
        batches(held.test, batch_size=3), batches(flowing.test, batch_size=3, workers=workers), strict=True
    ):
        assert same(a, b)


def test_a_killed_reader_is_told_when_its_batch_is_waited_for(both):
    batches_read = stream(both[1].train, batch_size=8, seed=1, workers=1)(0)
    next(batches_read)
    (reader,) = multiprocessing.active_children()
    assert os.getpgid(reader.pid) != os.getpgrp()  # Ctrl-C is for the run, which ends its readers itself
    reader.kill()
    time.sleep(0.3)  # nothing is raised here, whatever is being done
    with pytest.raises(
        UserError, match=r"A process that reads the images was killed, .* fewer workers= \(there were 1; .*--resume"
    ):
        list(islice(batches_read, 9))


def test_a_streamed_image_that_breaks_later_is_named(both):
    _, flowing = both
    victim = Path(flowing.test.source.where(2))
    victim.write_bytes(victim.read_bytes()[:400])
    with pytest.raises(UserError, match=r"Cannot read the image .*test.*0002\.png \(.*\): replace it or take it out"):
        list(batches(flowing.test, batch_size=4))
