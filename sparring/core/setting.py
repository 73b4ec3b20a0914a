"""What a part is told about what it is made for."""

from __future__ import annotations

from dataclasses import dataclass

from sparring.core.network import Network


@dataclass(frozen=True, slots=True)
class Setting:
    """The facts a part may need when it is built: classes K, image shape (C, H, W), the training pixels' mean and
    standard deviation per channel (pixels in [0, 1]), the teacher, where the run has one, the student, and how many
    images a process sees in a step (0: not told)."""

    classes: int
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    teacher: Network | None = None
    student: Network | None = None
    batch_size: int = 0
