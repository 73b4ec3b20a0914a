"""Small data sets of every layout, made on the spot, and the way to the real ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.data import Resident, Streamed, dataset, load


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own, and no copies of data anywhere else."""
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPARRING_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def real_root():
    """Where the real sets lie; skips where they do not."""
    root = Path(os.environ.get("SPARRING_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no real data: {root} does not exist (set SPARRING_DATA)")
    return root


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture
def picture():
    """(seed, height, width, channels) → a random picture, (H, W) or (H, W, 3) uint8."""

    def make(seed=0, height=8, width=8, channels=3):
        shape = (height, width, 3) if channels == 3 else (height, width)
        return np.random.RandomState(seed).randint(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def folder(tmp_path, picture):
    """Makes a folder of PNG files: {"train/cat": 10} or {"cat": 10} → its path."""

    def make(counts, name="photos", **form):
        root = tmp_path / name
        for place, (inside, count) in enumerate(counts.items()):
            (root / inside).mkdir(parents=True)
            for n in range(count):
                Image.fromarray(picture(1000 * place + n, **form)).save(root / inside / f"{n:04d}.png")
        return root

    return make


@pytest.fixture
def both(folder, cache, monkeypatch):
    """The same pictures decoded beforehand and streamed."""
    root = folder({"train/cat": 20, "train/dog": 20, "test/cat": 3, "test/dog": 4}, height=16, width=16)
    held = load(str(root))
    monkeypatch.setattr(dataset, "RESIDENT_BYTES", 1000)
    flowing = load(str(root))
    assert isinstance(held.train, Resident)
    assert isinstance(flowing.train, Streamed)
    return held, flowing
