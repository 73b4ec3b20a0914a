"""FitNets (Romero et al. 2015): the student's features, through an adapter, should be the teacher's.

    L = CE + T² KL + 100 · mean ‖r(f_s) − f_t‖²

As today's toolboxes have it: the adapter r (a convolution that brings f_s to the teacher's size and channels,
BatchNorm, ReLU) trains with the student from the first epoch, where the paper had a stage of hints before.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sparring.core import Output, Setting
from sparring.parts import taps
from sparring.parts.hint import Hint, HintObjective, averaged, both, squares
from sparring.parts.part import Objective


def adapter(student: tuple[int, ...], teacher: tuple[int, ...]) -> nn.Sequential:
    """From the student's map (C, H, W) to the teacher's, or to a size that the teacher's is averaged down to."""
    (c, *own), (to, *theirs) = student, teacher
    if own == [2 * side for side in theirs]:
        change: nn.Module = nn.Conv2d(c, to, 3, stride=2, padding=1)
    elif [2 * side for side in own] == theirs:
        change = nn.ConvTranspose2d(c, to, 4, stride=2, padding=1)
    else:  # along each side: to the teacher's where the student's is the longer one, else as long as it was
        pairs = zip(own, theirs, strict=True)
        (high, pad_high), (wide, pad_wide) = ((1 + a - b, 0) if a >= b else (3, 1) for a, b in pairs)
        change = nn.Conv2d(c, to, (high, wide), padding=(pad_high, pad_wide))
    return nn.Sequential(change, nn.BatchNorm2d(to), nn.ReLU())


class FitNets(Hint):
    """The hint at the end of one stage of both networks."""

    weight = 100.0

    def __init__(self, setting: Setting, layer: str = "stage1", teacher_layer: str | None = None) -> None:
        super().__init__()
        self.student_taps, self.target_taps = (layer,), (teacher_layer or layer,)
        student, teacher = both(setting)
        what = "FitNets compares feature maps (C, H, W)"
        own = taps.shape_of(student, setting.shape, self.student_taps[0], 3, what)
        theirs = taps.shape_of(teacher, setting.shape, self.target_taps[0], 3, what)
        self.adapter = adapter(own, theirs)
        ends = taps.place(student, self.student_taps[0]), taps.place(teacher, self.target_taps[0])
        self.told = f"student {ends[0]} {own} → {type(self.adapter[0]).__name__} → teacher {ends[1]} {theirs}"

    def forward(self, output: Output, target: Output) -> Tensor:
        seen = self.adapter(output.features[self.student_taps[0]]).float()
        return squares(seen, averaged(target.features[self.target_taps[0]], seen))

    def about(self) -> Sequence[str]:
        return [self.told]


def fitnets(
    setting: Setting,
    *,
    layer: str = "stage1",
    teacher_layer: str | None = None,
    weight: float = FitNets.weight,
    ce: float = 1.0,
    kd: float = 1.0,
    T: float = 4.0,
) -> Objective:
    """FitNets: the features after one stage should be the teacher's.

    layer, teacher_layer: taps of student and teacher (the same name if not given; "stage1" as SimKD's toolbox,
    "stage2" as RepDistiller). weight: of the hint, beside ce · CE and kd · T² KL (kd=0 as RepDistiller).
    """
    return HintObjective(FitNets(setting, layer, teacher_layer), weight=weight, ce=ce, kd=kd, T=T)
