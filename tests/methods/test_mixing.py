"""Mixup, CutMix, the coin between them, and noise: what they do to pixels and to labels."""

from __future__ import annotations

import pytest
import torch

from sparring.core import Batch
from sparring.methods import OBJECTIVE, PERTURB, TARGETS
from sparring.methods.mixing import blend, hole, inside, mixed
from sparring.parts.bout import Bout
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting

SETTING = tiny_setting(None)


def perturbed(name: str, batch: Batch, seed: int = 0, **options: object) -> Batch:
    torch.manual_seed(seed)
    return PERTURB[name](SETTING, **options)(batch, tiny_net(), lambda x, batch: None)  # pyright: ignore


def rows(count: int = 6) -> Batch:
    """Image i is i / 10 everywhere, its label i mod 5."""
    x = (torch.arange(count) / 10).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    return Batch(x, torch.arange(count) % 5, torch.arange(count))


@pytest.mark.parametrize("name", ["mixup", "cutmix", "mixes"])
def test_labels_are_shared_out_as_pixels_are(name: str) -> None:
    batch = rows(5)
    for seed in range(20):
        met = perturbed(name, batch, seed)
        assert met.shares is not None
        torch.testing.assert_close(met.shares.sum(1), torch.ones(5))
        numbers = torch.arange(5) / 10  # the label's number is the image's value: means must agree
        torch.testing.assert_close(met.shares @ numbers, met.x.mean((1, 2, 3)))
        assert torch.equal(met.y, batch.y)
        assert torch.equal(met.index, batch.index)
        assert ((met.shares > 0).sum(0) <= 2).all()  # every row is the partner of one


def test_mixup_is_one_blend_and_cutmix_one_box() -> None:
    for seed in range(20):
        blended, cut = (perturbed(name, rows(), seed).x for name in ("mixup", "cutmix"))
        assert torch.equal(blended, blended[..., :1, :1].expand_as(blended))
        other = (cut != rows().x)[:, 0]
        box = other.any(0)
        assert torch.equal(box, box.any(1)[:, None] & box.any(0))
        assert all(torch.equal(row, box) or not row.any() for row in other)


def test_the_coin_falls_both_ways() -> None:
    met = [perturbed("mixes", rows(), seed).x for seed in range(60)]
    plain = sum(torch.equal(x, x[..., :1, :1].expand_as(x)) for x in met)
    assert 20 <= plain <= 45  # CutMix's box is sometimes empty or whole


def test_the_worked_mixture() -> None:
    torch.manual_seed(0)
    batch = rows(2)
    met = next(m for m in (mixed(batch, torch.full((8, 8), 0.25), 5) for _ in range(20)) if m.x[0].any())
    assert met.x[:, 0, 0, 0].tolist() == pytest.approx([0.075, 0.025])
    assert met.shares is not None
    assert met.shares.tolist() == [[0.25, 0.75, 0, 0, 0], [0.75, 0.25, 0, 0, 0]]


@pytest.mark.parametrize(("alpha", "spread"), [(1e4, 0.0035), (1.0, 0.289), (0.05, 0.477)])
def test_alpha_shapes_the_share(alpha: float, spread: float) -> None:
    torch.manual_seed(0)
    shares = torch.stack([blend(torch.zeros(1, 1, 1, 1), alpha).squeeze() for _ in range(500)])
    assert shares.std().item() == pytest.approx(spread, rel=0.1)  # 1 / sqrt(4 (2 alpha + 1))
    assert shares.mean().item() == pytest.approx(0.5, abs=0.06)


def test_boxes_have_the_area_that_is_drawn_and_stay_in_the_image() -> None:
    torch.manual_seed(0)
    part = torch.tensor(0.5)
    lengths = torch.stack([inside(10, part, part).sum() for _ in range(300)])
    assert set(lengths.tolist()) == {3, 4, 5}  # cut off at the border: 5 around 0, 1, 9; 4 and 3 are left
    assert sum(inside(10, part, part) for _ in range(300)).min() > 0  # pyright: ignore
    masks = torch.stack([hole(torch.zeros(1, 1, 50, 50), 1e4) for _ in range(100)])  # lambda is one half
    assert masks.mean((1, 2)).min().item() == pytest.approx(0.5, abs=0.05)
    assert set(hole(torch.zeros(1, 1, 8, 8), 1.0).unique().tolist()) <= {0.0, 1.0}


def test_noise_is_sigma_wide_and_clamped_only_on_request() -> None:
    batch = Batch(torch.full((50, 3, 8, 8), 0.5), torch.zeros(50).long(), torch.arange(50))
    options = [{}, {"sigma": 0.1}, {"clamp": "box"}]
    met = []
    for option in options:
        torch.manual_seed(0)
        met.append(PERTURB["noise"](SETTING, **option)(batch, tiny_net(), lambda x, batch: None))
    assert (met[0] - 0.5).std().item() == pytest.approx(1.0, rel=0.03)
    assert (met[1] - 0.5).std().item() == pytest.approx(0.1, rel=0.03)
    assert torch.equal(met[2], met[0].clamp(0, 1))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mixup", {"alpha": 0.0}, "alpha is 0: give a number above 0"),
        ("cutmix", {"alpha": -1.0}, "alpha is -1"),
        ("mixes", {"cutmix": 0.0}, "cutmix is 0"),
        ("noise", {"sigma": -0.5}, "sigma is -0.5"),
    ],
)
def test_refusals(name: str, options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PERTURB[name](SETTING, **options)


@pytest.mark.parametrize("objective", ["ce", "kd"])
def test_cross_entropy_is_to_the_shares(objective: str) -> None:
    batch = tiny_batches(1)[0]
    teacher = tiny_net(7)
    setting = tiny_setting(teacher)
    student = tiny_net().eval()
    bout = Bout(
        student,
        perturb=PERTURB["mixup"](setting),
        targets=TARGETS["teacher"](setting),
        objective=OBJECTIVE[objective](setting),
    )
    torch.manual_seed(5)
    found = bout.student_loss(batch)
    met = perturbed("mixup", batch, 5)
    wanted = -(met.shares * student(met.x).logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(found.terms["ce"][1], wanted)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "mixes", "noise"])
def test_the_contract(name: str) -> None:
    def make() -> Case:
        teacher = tiny_net(7)
        setting = tiny_setting(teacher)
        parts = PERTURB[name](setting), TARGETS["teacher"](setting), OBJECTIVE["kd"](setting)
        return Case(Bout(tiny_net(), perturb=parts[0], targets=parts[1], objective=parts[2]), teacher)

    check_method(make, tiny_batches(3))
