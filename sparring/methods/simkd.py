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
from sparring.nets.origin import refuse_dressed
from sparring.nets.reused import KIND, reusing
from sparring.parts import taps
from sparring.parts.hint import Hint, HintObjective, averaged, both, squares
from sparring.parts.part import Objective


class SimKD(Hint):
    """The hint on the last feature map, from a student that is dressed in projector and classifier."""

    weight = 1.0
    student_taps, target_taps = ("projected",), ("map",)

    def __init__(self, setting: Setting, factor: int = 2) -> None:
        super().__init__()
        _, teacher = both(setting)
        if factor < 1:
            raise ValueError(f"factor is {factor}: give what the projector's inner channels are divided by, 1 or more")
        self.shape, self.factor = setting.shape, factor
        what = "SimKD compares the last feature maps (C, H, W)"
        self.wanted = taps.shape_of(teacher, setting.shape, "map", 3, what)
        self.theirs = taps.place(teacher, "map")
        self.held = (teachers_classifier(teacher, setting.shape),)  # in a tuple: it is the teacher's, not ours
        self.told: list[str] = []

    def dress(self, student: nn.Module) -> nn.Module:
        """The student up to its last stage, with a projector and the teacher's classifier behind it."""
        if not isinstance(student, Network):
            raise UserError("SimKD rebuilds its student, which must be a sparring Network: wrap yours (nets.wrap)")
        refuse_dressed(student, "a projector is put behind a network as it was made", but=KIND)
        tap = last_stage(student, self.shape)
        own = taps.shape_of(student, self.shape, tap, 3, "SimKD compares the last feature maps (C, H, W)")
        projected = f"student {taps.place(student, tap)} {own} → projector (÷ {self.factor})"
        self.told = [f"{projected} → teacher {self.theirs} {self.wanted} → its classifier"]
        unused = weights_after(student, self.shape, tap)
        dressed = reusing(
            student, tap, unused, own=own, wanted=self.wanted, classifier=self.held[0], factor=self.factor
        )
        if dressed is not student:
            self.told.append(f"left out of the student, as what follows its last stage: {', '.join(unused)}")
        return dressed

    def forward(self, output: Output, target: Output) -> Tensor:
        seen = output.features["projected"].float()
        return squares(seen, averaged(target.features["map"], seen))

    def about(self) -> Sequence[str]:
        return self.told


def last_stage(student: Network, shape: tuple[int, int, int]) -> str:
    """The tap of a student's last stage, as the paper's code has it; its last map where it has no stages.

    They differ where a convolution follows the stages (ShuffleNetV2, MobileNetV2), which the student then does without.
    """
    return ["map", *taps.maps(student, shape)][-1]


def weights_after(net: Network, shape: tuple[int, int, int], tap: str) -> list[str]:
    """The outermost submodules that hold weights and are only called once the one at `tap` has answered."""
    path, order = net.taps.get(tap, tap), [call.path for call in taps.listened(net, shape)[0]]
    at = len(order) - order[::-1].index(path)
    later = [
        name
        for name in dict.fromkeys(order[at:])
        if any(True for _ in net.body.get_submodule(name).parameters())
        and not any(f"{earlier}.".startswith(f"{name}.") for earlier in order[:at])
    ]
    return [name for name in later if not any(name.startswith(f"{outer}.") for outer in later)]


def teachers_classifier(teacher: Network, shape: tuple[int, int, int]) -> nn.Linear:
    """The linear layer that ends a teacher. Raises UserError where it does not see the mean over the last map."""
    layer = teacher.body.get_submodule(taps.classifier(teacher, shape))
    assert isinstance(layer, nn.Linear)
    answer = taps.asked(teacher, shape, lambda x: teacher(x, ("map",)))
    pooled = answer.features["map"].float().mean((2, 3))
    wanted = answer.logits if layer.bias is None else answer.logits - layer.bias
    if layer.in_features != pooled.shape[1] or not close(F.linear(pooled, layer.weight), wanted):
        raise UserError(
            f"the classifier of {teacher.name} does not see the mean over its last feature map (other layers lie "
            "between them, or it is pooled otherwise), so no projector can feed it; choose another method, as fitnets"
        )
    return layer


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same up to rounding, measured by how large they are: a head's logits may be tiny."""
    return bool((a - b).abs().max() <= 1e-3 * b.abs().max())


def simkd(
    setting: Setting, *, factor: int = 2, weight: float = SimKD.weight, ce: float = 0.0, kd: float = 0.0, T: float = 4.0
) -> Objective:
    """SimKD: the student learns to feed the teacher's own classifier, and is trained on features alone.

    factor: what the projector's inner channels are the teacher's divided by; weight, ce, kd, T: as for other hints.
    """
    return HintObjective(SimKD(setting, factor), weight=weight, ce=ce, kd=kd, T=T)
