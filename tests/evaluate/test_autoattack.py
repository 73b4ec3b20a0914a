"""AutoAttack: against closed forms, against its authors' own cascade, and what it refuses."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sparring.core import Batch, Network, UserError
from sparring.data.load import load
from sparring.evaluate import autoattack, robust_accuracy
from sparring.evaluate.autoattack import SURVIVES, VERSIONS, Standing, Trial, cascade, remarks, struck
from sparring.evaluate.climb import Climb, holds, withstands
from sparring.evaluate.sound import require_sound
from sparring.parts.attack import Ball

theirs = pytest.importorskip("pyautoattack", reason="the extra `attack` is not installed")
QUICK = {"steps": 8, "queries": 30}


def digits(count: int):
    """Some of the digits' test images (N, 1, 8, 8) in [0, 1], and their labels."""
    test = load("digits").test
    return test.x[:count].float() / 255, test.y[:count]


def picking(x, y):
    return lambda rows: Batch(x[rows], y[rows], torch.as_tensor(rows))


@pytest.fixture(scope="module")
def net():
    """A small convolutional network, a little trained on noisy digits."""
    train = load("digits").train
    x, y = train.x.float() / 255, train.y
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    )
    made = Network(body, mean=(0.3,), std=(0.37,))
    adam = torch.optim.Adam(made.parameters(), 1e-2)
    for _ in range(5):
        for rows in torch.randperm(len(x)).split(128):
            adam.zero_grad()
            moved = x[rows] + 0.3 * torch.randn_like(x[rows])
            nn.functional.cross_entropy(made(moved).logits, y[rows]).backward()
            adam.step()
    return made.train()  # every mode is given back


def outcome(net, x, y, trial, standing=None):
    """How the images stand at the end."""
    standing = standing or Standing.fresh(len(x))
    for step in cascade(net, picking(x, y), trial, standing):
        standing = step.standing
    return standing


def linear(weight, bias) -> Network:
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.weight.data, layer.bias.data = weight, bias
    return Network(nn.Sequential(nn.Flatten(), layer))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_falls_where_its_margin_says(norm):
    """Of two classes that matter, an image stands just if |f| > eps ‖w‖, the box being far."""
    g = torch.Generator().manual_seed(1)
    w = torch.randn(64, generator=g)
    tiny = 1e-3 * torch.randn(3, 64, generator=g)
    x = 0.5 + 0.1 * torch.randn(80, 1, 8, 8, generator=g).clamp(-3, 3)
    net = linear(torch.stack([w, *tiny]), torch.tensor([-float((0.5 * w).sum()), 0.0, -40.0, -50.0]))
    f = torch.tensor([[1.0, -1.0, 0.0, 0.0]]) @ net(x).logits.detach().T
    f, slope = f[0], (w - tiny[0])
    y = (f < 0).long()
    eps = {"linf": 0.02, "l2": 0.1}[norm]
    reach = eps * (slope.abs().sum() if norm == "linf" else slope.norm())
    sure = (f.abs() - reach).abs() > 0.01 * reach  # attacks stop a little short of the border
    stands = outcome(net, x, y, Trial(Ball(eps, norm), queries=100)).broken_by == SURVIVES
    expected = (f.abs() > reach).numpy()
    assert 10 < expected.sum() < 70
    assert (stands == expected)[sure.numpy()].all()


@pytest.mark.parametrize("version", list(VERSIONS))
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
def test_no_attack_alone_breaks_more(net, version, norm, eps):
    x, y = digits(40)
    trial = Trial(Ball(eps, norm), version, batch_size=16, **QUICK)
    standing = outcome(net, x, y, trial)
    shares = standing.right(version)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert min(shares.values()) < shares["clean"]
    for attack in VERSIONS[version]:
        alone, _ = struck(net, picking(x, y)(np.arange(len(x))), attack, trial, seed=3)
        assert shares[VERSIONS[version][-1]] <= 1 - alone.mean() + 1 / len(x)  # each by its own chance
        assert standing.farthest.get(attack, 0.0) <= eps + 1e-6
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
def test_apgd_breaks_what_pgd_breaks(net, norm, eps):
    x, y = digits(360)  # of which one is 0.3 %
    batch = picking(x, y)(np.arange(len(x)))
    fell, _ = struck(net, batch, "apgd-ce", Trial(Ball(eps, norm)), seed=0)
    torch.manual_seed(0)
    held = withstands(net.eval(), batch, climb=Climb(Ball(eps, norm), steps=20))
    net.train()
    assert 0.1 < float(held.float().mean()) < 0.9
    assert 1 - fell.mean() <= float(held.float().mean()) + 0.003


def test_the_difference_of_logits_ratio_is_the_papers():
    z = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    made = autoattack.library()
    plain = made.APGDAttack(lambda x: x, eps=0.1, loss="dlr")
    assert [float(plain.dlr_loss(z, torch.tensor([y]))) for y in (0, 1)] == pytest.approx([-0.5, 0.5])
    aimed = made.APGDAttack_targeted(lambda x: x, eps=0.1)
    for target, wanted in ((1, -0.4), (3, -1.2)):
        aimed.y_target = torch.tensor([target])
        assert float(aimed.dlr_loss_targeted(z, torch.tensor([0]))) == pytest.approx(wanted)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_ball_of_no_radius_leaves_the_clean_accuracy(net, norm):
    x, y = digits(30)
    standing = outcome(net, x, y, Trial(Ball(0.0, norm), **QUICK))
    with torch.no_grad():
        wrong = (net.eval()(x).logits.argmax(1) != y).numpy()
    net.train()
    assert ((standing.broken_by == "clean") == wrong).all()
    assert set(standing.broken_by) <= {"clean", SURVIVES}


def official(net, x, y, trial, batch_size=250):
    """On which images the network is right still after the authors' own cascade (N,) bool."""

    class Logits(nn.Module):
        def forward(self, x):
            return net(x).logits

    net.eval()
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    norm = {"linf": "Linf", "l2": "L2"}[trial.ball.norm]
    whole = theirs.AutoAttack(Logits(), eps=trial.ball.eps, norm=norm, version=trial.version, seed=5)
    whole.square.n_queries = trial.queries
    for part, attack in (("apgd", "APGDAttack"), ("apgd_targeted", "APGDAttack_targeted"), ("fab", "FABAttack_PT")):
        theirs_part, made = getattr(whole, part), getattr(theirs.autoattack, attack)
        fresh = made(None, n_iter=trial.steps, eps=trial.ball.eps, norm=norm)
        for name in ("n_iter", "n_iter_orig", "n_iter_2", "n_iter_min", "size_decr"):
            if hasattr(fresh, name):
                setattr(theirs_part, name, getattr(fresh, name))
    moved, _ = whole.run_standard_evaluation(x, y, batch_size=batch_size)
    with torch.no_grad():
        right = (net(moved).logits.argmax(1) == y).numpy()
    net.train()
    return right


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
def test_with_one_seed_it_is_the_authors_cascade(net, version, norm, eps, monkeypatch):
    """Given their seed for every chunk, each image ends as in their own loop."""
    monkeypatch.setattr(autoattack, "chunk_seed", lambda seed, attack, chunk: 5)
    x, y = digits(40)
    trial = Trial(Ball(eps, norm), version, batch_size=16, **QUICK)
    ours = outcome(net, x, y, trial).broken_by == SURVIVES
    assert (ours == official(net, x, y, trial, batch_size=16)).all()
    assert 0 < ours.sum() < len(x)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
def test_in_full_it_agrees_with_the_authors(net, version, norm, eps):
    """By other seeds, at full length."""
    x, y = digits(100)
    trial = Trial(Ball(eps, norm), version)
    ours = outcome(net, x, y, trial).broken_by == SURVIVES
    assert (ours == official(net, x, y, trial)).mean() >= 0.98


def test_it_goes_on_from_wherever_it_was_left(net):
    x, y = digits(30)
    trial = Trial(Ball(0.1), batch_size=10, **QUICK)
    steps = list(cascade(net, picking(x, y), trial, Standing.fresh(len(x))))
    assert len(steps) > 6
    last = steps[-1].standing
    for left in (steps[0], steps[len(steps) // 2], steps[-1]):
        again = outcome(net, x, y, trial, left.standing)
        assert (again.broken_by == last.broken_by).all()
        assert again.farthest == last.farthest


def test_chance_is_left_as_it_was(net):
    x, y = digits(8)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    outcome(net, x, y, Trial(Ball(0.1), **QUICK))
    assert torch.rand(1) == expected


def test_what_square_alone_breaks_is_remarked():
    standing = Standing(np.array(["square", "", "apgd-ce", "square"]))
    (remark,) = remarks(standing, "standard")
    assert "gradient masking? Square, which sees no gradients, broke 2 images" in remark
    assert remarks(standing, "plus") == []  # others follow it there


class Odd(nn.Module):
    """A linear network that does something that it should not."""

    def __init__(self, what: str, classes: int = 10) -> None:
        super().__init__()
        self.what, self.fc = what, nn.Linear(64, classes)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        x = x.flatten(1)
        match self.what:
            case "chance":
                x = x + 0.1 * torch.randn_like(x)
            case "rounds":
                x = (x * 4).round() / 4
            case "cuts":
                x = torch.from_numpy(x.detach().numpy().copy())
            case "train":
                self.train()
            case "counts":
                self.seen += 1
            case "adapts":
                with torch.enable_grad():
                    leaf = x.detach().clone().requires_grad_()
                    x = x + torch.autograd.grad(self.fc(leaf).sum(), leaf)[0]
            case "softmax":
                return self.fc(x).softmax(1)
            case "nan":
                return self.fc(x) * torch.nan
        return self.fc(x)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("chance", "it is randomised; take the version rand"),
        ("rounds", "the gradient is exactly zero at 20 of 20 images"),
        ("cuts", "no gradient of the answers reaches the pixels"),
        ("train", "goes into train mode when it is asked"),
        ("counts", "changes its body.seen"),
        ("adapts", "it seems to adapt to each image"),
        ("softmax", "look like probabilities"),
        ("nan", "answers NaN or infinity"),
    ],
)
def test_what_cannot_be_believed_is_refused(what, message):
    x, y = digits(20)
    torch.manual_seed(0)
    batch = picking(x, y)(np.arange(20))
    with pytest.raises(UserError, match=message):
        require_sound(Network(Odd(what)), batch, Trial(Ball(0.1)))


def test_a_network_that_makes_something_at_its_first_forward_is_attacked():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.grid = nn.Linear(64, 10), None

        def forward(self, x):
            self.grid = torch.linspace(1, 2, 64) if self.grid is None else self.grid
            return self.fc(x.flatten(1) * self.grid)

    x, y = digits(20)
    torch.manual_seed(0)
    assert require_sound(Network(Lazy()), picking(x, y)(np.arange(20)), Trial(Ball(0.1))) == []


class Sure(nn.Module):
    """Answers with logits of some kind."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return x.flatten(1)[:, :10].to(self.kind)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"x": torch.rand(20, 1, 9, 9)}, r"does not answer images of \(20, 1, 9, 9\): RuntimeError: mat1 and mat2"),
        ({"x": torch.full((20, 1, 8, 8), torch.nan)}, r"NaN or infinite"),
        ({"y": torch.full((20,), 10)}, r"the labels are 10 to 10, and the network answers for 10 classes"),
        ({"y": torch.full((20,), -1)}, r"the labels are -1 to -1"),
        ({"y": torch.zeros(20, 10)}, r"give images \(N, C, H, W\) and N class numbers"),
        (
            {"x": torch.zeros(20, 1, 8, 8, dtype=torch.uint8)},
            r"x is of torch.uint8: give pixels in \[0, 1\], as x / 255",
        ),
        ({"x": [["a"]]}, r"x and y cannot be made tensors"),
        ({"x": torch.zeros(20, 1, 0, 8)}, r"give images that have pixels"),
        ({"y": torch.zeros(20)}, r"y is of torch.float32: give class numbers, as whole numbers"),
        ({"eps": "wide"}, r"eps is 'wide': give a number such as 0.1 or 8/255"),
        ({"eps": True}, r"eps is True: give a number"),
        ({"eps": [0.1]}, r"eps is \[0.1\]: give a number"),
        ({"norm": None}, r"norm None does not exist: choose linf or l2"),
        ({"version": None}, r"version None does not exist. Known: few, plus"),
        ({"version": ["standard"]}, r"version \['standard'\] does not exist"),
        ({"seed": True}, r"seed is True: give a whole number, 0 or more"),
        ({"batch_size": 2.5}, r"batch_size is 2.5: give a whole number, 1 or more"),
        ({"net": nn.Linear}, r"a network must be a torch.nn.Module, but type was given"),
        ({"net": Sure(torch.int64)}, r"returned logits of torch.int64, .* let its forward return real numbers"),
        ({"net": Sure(torch.complex64)}, r"returned logits of torch.complex64"),
        ({"batch_size": 0}, r"batch_size is 0: give a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_told(change, told):
    x, y = digits(20)
    given = {"net": nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "x": x, "y": y, "eps": 0.1, **change}
    with pytest.raises(UserError, match=told):
        robust_accuracy(**given)


def test_an_answer_of_nan_is_wrong():
    x, y = torch.rand(6, 1, 8, 8), torch.zeros(6).long()
    torch.manual_seed(0)
    batch, net = picking(x, y)(np.arange(6)), Network(Odd("nan"))
    assert not holds(net, batch, x).any()
    assert struck(net, batch, "clean", Trial(Ball(0.1)), seed=0)[0].all()


def test_what_is_sound_passes():
    x, y = digits(20)
    torch.manual_seed(0)
    batch, trial = picking(x, y)(np.arange(20)), Trial(Ball(0.1))
    assert require_sound(Network(Odd("nothing")), batch, trial) == []
    assert require_sound(Network(Odd("chance")), batch, replace(trial, version="rand")) == []
    assert (
        "standard is the stronger" in require_sound(Network(Odd("nothing")), batch, replace(trial, version="rand"))[0]
    )


@pytest.mark.parametrize(
    ("classes", "version", "message"),
    [
        (3, "standard", "needs 4 classes .* take few .--attack few., without such losses"),
        (2, "standard", "needs 4 classes"),
        (2, "rand", "needs 3 classes"),
    ],
)
def test_few_classes_are_refused(classes, version, message):
    x, y = digits(20)
    with pytest.raises(UserError, match=message):
        require_sound(Network(Odd("", classes)), picking(x, y % 2)(np.arange(20)), Trial(Ball(0.1), version))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_two_classes_are_attacked_without_the_losses_that_need_more(norm):
    g = torch.Generator().manual_seed(1)
    w, x = torch.randn(64, generator=g), 0.5 + 0.1 * torch.randn(80, 1, 8, 8, generator=g).clamp(-3, 3)
    net = linear(torch.stack([w, -w]), torch.tensor([-float((0.5 * w).sum()), float((0.5 * w).sum())]))
    f = net(x).logits.detach()[:, 0]
    eps = {"linf": 0.02, "l2": 0.1}[norm]
    reach = eps * (w.abs().sum() if norm == "linf" else w.norm())
    shares, broken_by = robust_accuracy(net, x, (f < 0).long(), eps=eps, norm=norm, version="few")
    assert list(shares) == ["clean", "apgd-ce", "fab-t", "square"]
    sure = (f.abs() - reach).abs() > 0.01 * reach
    expected = (f.abs() > reach).numpy()
    assert 10 < expected.sum() < 70
    assert ((broken_by == SURVIVES) == expected)[sure.numpy()].all()


def test_four_classes_have_three_targets():
    x, y = digits(20)
    torch.manual_seed(0)
    net = Network(Odd("", 4))
    with torch.no_grad():
        y = net(x).logits.argmax(1)
    assert set(outcome(net, x, y, Trial(Ball(0.1), **QUICK)).right("standard")) == {"clean", *VERSIONS["standard"]}


def test_small_images_have_no_l2_windows():
    net = Network(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)))
    batch = picking(torch.rand(4, 1, 4, 4), torch.zeros(4).long())(np.arange(4))
    with pytest.raises(UserError, match="5 pixels a side"):
        require_sound(net, batch, Trial(Ball(0.1, "l2")))


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyautoattack.autoattack", None)
    with pytest.raises(UserError, match=r'pip install "sparring\[attack\]"'):
        next(cascade(Network(nn.Identity()), picking(*digits(2)), Trial(Ball(0.1)), Standing.fresh(2)))


def test_any_module_in_one_call():
    """A linear network that normalises its own pixels: what withstands is told by the margin, and image by image."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 5))
    x = 0.4 + 0.2 * torch.rand(30, 1, 6, 6)
    with torch.no_grad():
        y = net(x).argmax(1)
    shares, broken_by = robust_accuracy(net, x, y, eps="1/100", version="rand", batch_size=16)
    weight = net[1].weight.detach()
    lead = net(x).gather(1, y[:, None]) - net(x)
    reach = 0.01 * (weight[y][:, None] - weight[None]).abs().sum(2)
    stands = ((lead > reach) | (torch.arange(5) == y[:, None])).all(1)
    assert shares["apgd-dlr"] == pytest.approx(float(stands.float().mean()))
    assert (broken_by == "").tolist() == stands.tolist()
    assert net[1].weight.requires_grad
    with pytest.raises(UserError, match=r"x lies in \[.*\]: give pixels in \[0, 1\]"):
        robust_accuracy(net, 3 * x, y, eps=0.01)
    with pytest.raises(UserError, match=r"give images \(N, C, H, W\) and N class numbers"):
        robust_accuracy(net, x, y[:3], eps=0.01)
    for wrong, message in (
        ({"eps": 8}, r"eps is 8, and pixels lie in \[0, 1\]: did you mean 8/255"),
        ({}, "no one radius for grey images"),
        ({"eps": 0.1, "norm": "L2"}, "norm L2 does not exist: choose linf or l2"),
        ({"eps": 0.1, "version": "standart"}, "Did you mean 'standard'"),
    ):
        with pytest.raises(UserError, match=message):
            robust_accuracy(net, x, y.int(), **wrong)
