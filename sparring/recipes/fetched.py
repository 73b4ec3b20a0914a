"""How long a run waits for its data."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from sparring.core import Batch
from sparring.data import Stream


class Fetched:
    """A stream of batches that knows how long the device has waited for them.

    On a CPU that is the time until the next batch is there. A GPU works on while the host makes a batch, so its own
    time counts: from the end of a step's work to the batch lying on the GPU, measured by events in its queue. Where the
    host is ahead that is only what the GPU itself does for a batch, such as augmenting it. Nothing here waits.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seconds = 0.0
        self.events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def steps_per_epoch(self) -> int:
        """As the stream's own."""
        return self.stream.steps_per_epoch

    def __call__(self, start: int = 0) -> Iterator[Batch]:
        """The stream's batches, from step `start` on."""
        batches = self.stream(start)
        while True:
            yield self.timed(batches)

    def timed(self, batches: Iterator[Batch]) -> Batch:
        """The next batch, its time noted."""
        if self.stream.device.type != "cuda":
            began = time.perf_counter()
            batch = next(batches)
            self.seconds += time.perf_counter() - began
            return batch
        queue = torch.cuda.current_stream(self.stream.device)
        free, there = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        free.record(queue)
        batch = next(batches)
        there.record(queue)
        self.events.append((free, there))
        return batch

    def spent(self) -> float:
        """The seconds waited since last asked. On a GPU, ask once it has done all it was given."""
        seconds = self.seconds + sum(free.elapsed_time(there) for free, there in self.events) / 1000
        self.seconds, self.events = 0.0, []
        return seconds
