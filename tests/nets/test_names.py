"""Building by name: normalisation, taps, starts, and what is refused."""

import pytest
import torch

from sparring.core import UserError
from sparring.nets import build, names
from sparring.nets.names import TABLE

SMALL = ["resnet10-xxs", "resnet8", "resnet8x4", "wrn-16-1", "wrn-16-2-post", "vgg8", "shufflenetv2", "mobilenetv2"]
SMALL += ["mlp-32", "orbit-mlp", "orbit-cnn", "vit-cifar"]


def make(name, side=32, **options):
    return build(name, classes=5, shape=(3, side, side), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3), **options)


def test_names_lists_every_network_with_a_line():
    assert set(names()) == set(TABLE)
    assert all("\n" not in line and len(line) < 100 for line in names().values())


def test_the_network_carries_its_normalisation_and_name():
    torch.manual_seed(0)
    net = make("resnet8").eval()
    x = torch.rand(2, 3, 32, 32)
    by_hand = (x - net.mean) / net.std
    assert torch.equal(net(x).logits, net.body(by_hand))
    assert net.name == net.origin.spec == "resnet8"
    assert not net.origin.trained


@pytest.mark.parametrize("name", SMALL)
def test_every_tap_speaks(name):
    net = make(name).eval()
    answer = net(torch.rand(2, 3, 32, 32), taps=tuple(net.taps))
    assert set(answer.features) == set(net.taps)
    assert answer.features["features"].ndim == 2
    if "map" in answer.features:
        channels = answer.features["map"].shape[1]
        assert answer.features["features"].shape == (2, channels)
        assert answer.features["map"].mean((2, 3)).allclose(answer.features["features"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tap", "shape"),
    [
        ("resnet10-s", "stem", (8, 32, 32)),
        ("resnet10-s", "stage3", (32, 8, 8)),
        ("resnet10-s", "stage4", (64, 4, 4)),
        ("resnet8x4", "stem", (32, 32, 32)),
        ("resnet8x4", "stage3", (256, 8, 8)),
        ("resnet20", "map", (64, 8, 8)),
        ("wrn-16-2", "stage2", (64, 16, 16)),
        ("wrn-16-2-post", "map", (128, 8, 8)),
        ("vgg8", "stem", (64, 32, 32)),
        ("vgg8", "stage1", (128, 16, 16)),
        ("vgg8", "stage4", (512, 4, 4)),
        ("shufflenetv2", "stage3", (464, 4, 4)),
        ("shufflenetv2", "map", (1024, 4, 4)),
        ("mobilenetv2", "stage2", (16, 8, 8)),
        ("mobilenetv2", "stage4", (160, 2, 2)),
        ("mobilenetv2", "map", (1280, 2, 2)),
        ("mlp-1200", "hidden2", (1200,)),
        ("vit-cifar", "tokens", (65, 512)),
        ("vit-cifar", "features", (512,)),
    ],
)
def test_taps_have_the_papers_shapes(name, tap, shape):
    with torch.device("meta"):
        net = make(name).eval()
        assert net(torch.zeros(2, 3, 32, 32), taps=(tap,)).features[tap].shape == (2, *shape)


def test_taps_of_activations_are_not_negative():
    net = make("resnet8x4").eval()
    seen = net(torch.rand(2, 3, 32, 32), taps=("stem", "stage1", "map")).features
    assert all(value.min() >= 0 for value in seen.values())


def test_vgg_halves_once_more_at_64_pixels():
    with torch.device("meta"):
        net = make("vgg8", side=64)
        assert net(torch.zeros(2, 3, 64, 64), taps=("map",)).features["map"].shape == (2, 512, 4, 4)


def test_starts_follow_the_sheet():
    torch.manual_seed(0)
    conv = make("resnet8x4").body.layer3[0].conv2.weight
    assert conv.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)
    vgg = make("vgg8").body
    assert vgg.block3[0].weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
    assert vgg.classifier.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not vgg.block0[0].bias.any()
    assert make("resnet10-s").body.conv1.weight.abs().max() <= 27**-0.5  # PyTorch's own: uniform in ±1/√fan_in


def test_options_reach_the_factory():
    net = make("vit-cifar", patch=8, depth=1, dim=32, mlp=16)
    assert len(net.body.blocks) == 1
    assert net.origin.options == {"patch": 8, "depth": 1, "dim": 32, "mlp": 16}


@pytest.mark.parametrize("name", ["resnet8", "wrn-16-1", "shufflenetv2", "mobilenetv2", "mlp-16", "vit-mnist"])
def test_bf16_channels_last_trains(name):
    side = 28 if name == "vit-mnist" else 16
    net = make(name, side=side).to(memory_format=torch.channels_last)
    x = torch.rand(4, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(x).logits
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", ["resnet8", "wrn-16-1", "shufflenetv2", "mobilenetv2", "vgg8", "mlp-16", "vit-mnist"])
def test_captured_in_one_graph(name):
    side = 28 if name == "vit-mnist" else 16
    net = make(name, side=side).eval()
    x = torch.rand(2, 3, side, side)
    whole = torch.compile(net.body, backend="eager", fullgraph=True)
    assert torch.equal(whole(x), net.body(x))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: make("resnet9"), r"no network is called 'resnet9'\. Did you mean 'resnet\d+'\?"),
        (lambda: make("WRN_40_2"), r"Did you mean 'wrn-40-2'\?"),
        (lambda: make("zzz"), r"no network is called 'zzz'\. Known: mlp-1200, "),
        (lambda: make("resnet8", blokcs=2), r"resnet8 has no option 'blokcs'\. Did you mean 'blocks'\?"),
        (lambda: make("vit-cifar", side=30), r"patches of 4 pixels, but the images are 30×30; give patch="),
        (lambda: make("orbit-cnn", side=8), r"needs images of 14 pixels or more, but they are 8×8"),
        (lambda: make("vgg8", side=4), r"the images are 4 pixels wide; give at least 8"),
        (
            lambda: build("resnet8", classes=5, shape=(1, 8, 8), mean=(0, 0, 0), std=(1,)),
            r"mean has 3 values but the images have 1 channels",
        ),
        (
            lambda: build("resnet8", classes=1, shape=(1, 8, 8), mean=(0,), std=(1,)),
            r"asked for 1 classes and images of shape \(1, 8, 8\); give two classes or more",
        ),
    ],
)
def test_mistakes_are_told(call, sentence):
    with pytest.raises(UserError, match=sentence):
        call()
