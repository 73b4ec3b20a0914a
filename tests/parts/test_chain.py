"""Perturbations one after the other, and what a link that learns is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sparring.core import Batch, Clock, Player, UserError
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.hard import Hard
from sparring.parts.bout import Bout
from sparring.parts.chain import Chain
from sparring.parts.part import Part, Targets
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting
from sparring.testing.trial import made

QUICK = {"begin": "augmentor", "l_min": 60.0, "l_max": 70.0, "patience": 1, "cap": 3, "rest": 1}


def half(batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
    return batch.x / 2


def relabelled(batch: Batch, student: nn.Module, targets: Targets) -> Batch:
    return Batch(batch.x + 1, (batch.y + 1) % 3, batch.index)


def case(*links: str, **options: object) -> Case:
    teacher = tiny_net(seed=7)
    setting = tiny_setting(teacher)
    parts = [PERTURB[name](setting, **(options if name == "hard" else {})) for name in links]
    soft = METHODS["kd-soft"].objective
    objective = OBJECTIVE[soft.name](setting, **soft.options)
    return Case(
        Bout(tiny_net(seed=3), perturb=Chain(parts), targets=TARGETS["teacher"](setting), objective=objective), teacher
    )


@pytest.mark.parametrize("links", [("mixes", "hard"), ("hard", "da"), ("noise", "mixup", "cutmix")])
def test_the_contract(links: tuple[str, ...]) -> None:
    check_method(lambda: case(*links, **QUICK), tiny_batches(3))


def test_each_link_sees_what_the_one_before_it_made() -> None:
    (batch,) = tiny_batches(1)
    net = tiny_net()
    forth = Chain([half, relabelled])(batch, net, lambda x, batch: None)
    back = Chain([relabelled, half])(batch, net, lambda x, batch: None)
    assert torch.equal(forth.x, batch.x / 2 + 1)
    assert torch.equal(back.x, (batch.x + 1) / 2)
    assert torch.equal(forth.y, (batch.y + 1) % 3)
    assert torch.equal(back.y, forth.y)


def test_labels_are_mixed_again_with_the_images() -> None:
    setting = tiny_setting(tiny_net())
    torch.manual_seed(0)
    own = torch.eye(3)[:, None, :, None].expand(3, 1, 3, 1)  # each image is its class's row of pixels
    batch = Batch(own, torch.arange(3), torch.arange(3))
    twice = Chain([PERTURB["mixup"](setting), PERTURB["mixup"](setting)])(batch, tiny_net(), lambda x, batch: None)
    assert twice.shares is not None
    assert torch.allclose(twice.shares[:, :3], twice.x[:, 0, :, 0])


def test_a_link_learns_on_the_rows_before_it() -> None:
    teacher = tiny_net(seed=7)
    setting = tiny_setting(teacher)
    seen: list[Tensor] = []

    class Watched(Hard):
        def attack(self, bout: Bout, batch: Batch):
            seen.append(batch.x)
            return super().attack(bout, batch)

    objective = OBJECTIVE["kd"](setting)
    hard = Watched(setting, begin="augmentor")
    chain = Bout(tiny_net(), perturb=Chain([half, hard]), targets=TARGETS["teacher"](setting), objective=objective)
    (batch,) = tiny_batches(1)
    assert chain.turns(Clock(0, 3, 6)) == ("augmentor",)
    chain.players["augmentor"].loss(batch)
    assert torch.equal(seen[0], batch.x / 2)


class Louder(Part):
    """A link that learns beside the student, dresses it, trains an adapter with it and tells of it."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.adapter = nn.PReLU(), nn.Linear(2, 2)

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        return self.gain(batch.x)

    def dress(self, student: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Identity(), student)

    @property
    def companion(self) -> nn.Module:
        return self.adapter

    def about(self) -> Sequence[str]:
        return ["louder"]

    def players(self, bout: Bout) -> Mapping[str, Player]:
        return {"gain": Player(self.gain, bout.student_loss)}


def test_what_a_link_brings_reaches_the_bout() -> None:
    setting = tiny_setting(tiny_net(seed=7))
    louder, hard = Louder(), Hard(setting, begin="augmentor")
    chain = Chain([louder, hard])
    bout = Bout(tiny_net(), perturb=chain, targets=TARGETS["teacher"](setting), objective=OBJECTIVE["kd"](setting))
    assert isinstance(bout.student, nn.Sequential)
    assert louder.adapter in set(bout.players["student"].module.modules())
    assert bout.about() == ["louder"]
    assert bout.turns(Clock(0, 3, 6)) == ("augmentor",)
    hard.phases.state = replace(hard.phases.state, attacking=0)
    assert bout.turns(Clock(0, 3, 6)) == ("gain", "student")
    again = Bout(tiny_net(), perturb=chain, targets=TARGETS["teacher"](setting), objective=OBJECTIVE["kd"](setting))
    assert again.turns(Clock(0, 3, 6)) == ("gain", "student")


def test_the_links_keep_and_show_what_is_theirs() -> None:
    method = made(lambda: case("noise", "hard", **QUICK, start_in_pool=True), seed=1).method
    assert isinstance(method, Bout)
    kept = method.perturb.keepsakes()
    assert {"1.final.spread", "1.pool.0.spread"} <= kept.keys()
    assert len(method.perturb.stages(kept)) == 2
    assert {"distance", "pool"} <= method.gauges().keys()
    assert method.most_bytes(100) > 0


def test_what_cannot_be_chained() -> None:
    setting = tiny_setting(tiny_net(seed=7))
    with pytest.raises(UserError, match=r"two links .* both decide who moves when"):
        Chain([Hard(setting), Hard(setting)])
    twice = [Hard(setting, turns="joint"), Hard(setting, turns="joint")]
    with pytest.raises(UserError, match="both bring a player named 'augmentor'"):
        Bout(tiny_net(), perturb=Chain(twice), targets=TARGETS["teacher"](setting), objective=OBJECTIVE["ce"](setting))
