"""One run seed, many independent streams of chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch


def seed_for(*parts: object) -> int:
    """A 63-bit seed that depends on every one of `parts` and on nothing else: the same in every process and version."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little") >> 1


@contextmanager
def chance_restored() -> Iterator[None]:
    """Put torch's generators back as they were when what runs inside, or the function so decorated, has ended."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        yield
