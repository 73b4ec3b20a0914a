"""SimKD (Chen et al. 2022): the student keeps its body, takes the teacher's classifier, and learns to feed it.

    L = mean (g(f_s) − f_t)²,     prediction  FC_t(mean over the map of g(f_s))

g is a projector of three convolutions. The trained student *is* body, projector and the teacher's frozen classifier:
they are counted, saved and deployed together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Network, Output, Setting, UserError
from sparring.nets.reused import reusing
from sparring.parts import taps
from sparring.parts.hint import Hint, HintObjective, averaged, squares
from sparring.parts.part import Objective


class SimKD(Hint):
    """The hint on the last feature map, from a student that is dressed in projector and classifier."""

    weight = 1.0
    student_taps, target_taps = ("projected",), ("map",)

    def __init__(self, setting: Setting, factor: int = 2) -> None:
        super().__init__()
        assert setting.teacher is not None
        if factor < 1:
            raise ValueError(f"factor is {factor}: give what the projector's inner channels are divided by, 1 or more")
        self.shape, self.factor = setting.shape, factor
        what = "SimKD compares the last feature maps (C, H, W)"
        self.wanted = taps.shape_of(setting.teacher, setting.shape, "map", 3, what)
        self.held = (teachers_classifier(setting.teacher, setting.shape),)  # in a tuple: it is the teacher's, not ours
        self.told: list[str] = []

    def dress(self, student: nn.Module) -> nn.Module:
        """The student with a projector and the teacher's classifier in place of its own."""
        assert isinstance(student, Network)
        own = taps.shape_of(student, self.shape, "map", 3, "SimKD compares the last feature maps (C, H, W)")
        self.told = [f"student map {own} → projector (÷ {self.factor}) → teacher map {self.wanted} → its classifier"]
        path = taps.classifier(student, self.shape)
        return reusing(student, path, own, self.wanted, self.held[0], self.factor)

    def forward(self, output: Output, target: Output) -> Tensor:
        seen = output.features["projected"].float()
        return squares(seen, averaged(target.features["map"], seen))

    def about(self) -> Sequence[str]:
        return self.told


def teachers_classifier(teacher: Network, shape: tuple[int, int, int]) -> nn.Linear:
    """The linear layer that ends a teacher. Raises UserError where it does not see the mean over the last map."""
    layer = teacher.body.get_submodule(taps.classifier(teacher, shape))
    assert isinstance(layer, nn.Linear)
    answer = taps.asked(teacher, shape, lambda x: teacher(x, ("map",)))
    pooled = answer.features["map"].float().mean((2, 3))
    if layer.in_features != pooled.shape[1] or not F.linear(pooled, layer.weight, layer.bias).allclose(
        answer.logits, atol=1e-3, rtol=1e-3
    ):
        raise UserError(
            f"the classifier of {teacher.name} does not see the mean over its last feature map, so no projector can "
            "feed it; choose another method, such as fitnets"
        )
    return layer


def simkd(
    setting: Setting, *, factor: int = 2, weight: float = SimKD.weight, ce: float = 0.0, kd: float = 0.0, T: float = 4.0
) -> Objective:
    """SimKD: the student learns to feed the teacher's own classifier, and is trained on features alone.

    factor: what the projector's inner channels are the teacher's divided by; weight, ce, kd, T: as for other hints.
    """
    return HintObjective(SimKD(setting, factor), weight=weight, ce=ce, kd=kd, T=T)
