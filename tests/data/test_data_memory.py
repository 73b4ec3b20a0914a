"""Streaming eight times as many images takes no more memory."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from itertools import islice
from sparring.data import Streamed, batches, dataset, load, stream
dataset.RESIDENT_BYTES = 1000
data = load(sys.argv[1], cache=sys.argv[2])
assert isinstance(data.train, Streamed)
for batch in islice(stream(data.train, batch_size=50, seed=0, workers=0)(0), 8): pass
for batch in batches(data.test, batch_size=50, workers=0): pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_is_flat_in_the_number_of_images(folder, cache):
    peaks = []
    for count in (500, 4000):
        root = folder({"a": 25, "b": 25}, f"set{count}", height=64, width=64)  # 12 KiB each
        for name in "ab":
            for n in range(25, count // 2):
                os.link(root / name / f"{n % 25:04d}.png", root / name / f"{n:04d}.png")
        ran = [sys.executable, "-c", PROGRAM, str(root), str(cache)]
        peaks.append(int(subprocess.run(ran, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 12 * 1024, peaks  # holding the other 3,500 would take 42 MiB
