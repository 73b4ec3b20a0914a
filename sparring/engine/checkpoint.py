"""A run's state on disk: whole, checked, and never executed."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sparring.files import atomic

KEPT = 2  # how many states are left: the newest, and one before it in case that is damaged
ADVICE = "the checkpoint before it is kept: make room there and go on with --resume"


class Checkpoints:
    """The last few states of a run in one folder, each file named after its step and its own SHA-256.

    `warn` is told when a damaged file is passed over.
    """

    def __init__(self, folder: Path, *, warn: Callable[[str], None] = print) -> None:
        self.folder, self.warn = folder, warn

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the state of `step` atomically, then drop the oldest. Raises UserError where it cannot be written."""
        written = io.BytesIO()  # in memory first: torch tells a full disk as a RuntimeError about its own file format
        torch.save(state, written)
        content = written.getvalue()
        path = self.folder / f"step-{step:08d}.{digest(content)}.pt"
        with atomic(path, advice=ADVICE) as temporary:
            temporary.write_bytes(content)
        for old in self.files()[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def latest(self) -> dict[str, Any] | None:
        """The newest state that is whole, on the CPU, or None where there is none; damaged ones are passed over, saying
        so. Generators' states must stay there; `load_state_dict` takes the others to where they belong."""
        files = self.files()
        for path in reversed(files):
            content = path.read_bytes()
            if digest(content) != path.suffixes[-2].removeprefix("."):
                self.warn(f"checkpoint {path} is damaged (its checksum differs); falling back to the one before it")
                continue
            try:
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            except (pickle.UnpicklingError, RuntimeError) as error:
                self.warn(f"checkpoint {path} cannot be read ({error}); falling back to the one before it")
        if files:
            self.warn(f"no checkpoint in {self.folder} is whole; starting from the beginning")
        return None

    def clear(self) -> None:
        """Drop every state: what they were kept for is done."""
        for path in self.files():
            path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """The checkpoint files, oldest first."""
        return sorted(self.folder.glob("step-*.*.pt"))


def digest(content: bytes) -> str:
    """The first 16 hex digits of the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()[:16]
