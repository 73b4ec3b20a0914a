"""Parameters and multiply-adds of every network, as measured on the public definitions (shared/methods/models.md)."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sparring.nets.names import TABLE, body

C100, TINY, C10, MNIST = (100, (3, 32, 32)), (200, (3, 64, 64)), (10, (3, 32, 32)), (10, (1, 28, 28))
M = 1e6

ROWS = [  # name, (classes, shape), parameters, multiply-adds and their rounding; None where the sheet gives none
    ("resnet10-xxxs", C100, 8_008, 0.772 * M, 1e3),
    ("resnet10-xxs", C100, 13_020, 2.021 * M, 1e3),
    ("resnet10-xs", C100, 27_884, 2.862 * M, 1e3),
    ("resnet10-s", C100, 83_852, 4.160 * M, 1e3),
    ("resnet10-m", C100, 320_436, 16.184 * M, 1e3),
    ("resnet10-l", C100, 1_252_100, 63.825 * M, 1e3),
    ("resnet10", C100, 4_949_412, 253.479 * M, 1e3),
    ("resnet18", C100, 11_220_132, 555.469 * M, 1e3),
    ("resnet34", C100, 21_328_292, 1159.449 * M, 1e3),
    ("resnet50", C100, 23_705_252, 1298.014 * M, 1e3),
    ("resnet10-xxxs", TINY, 9_708, 3.08 * M, 1e4),
    ("resnet10-xxs", TINY, 14_720, 8.08 * M, 1e4),
    ("resnet10-xs", TINY, 31_184, 11.44 * M, 1e4),
    ("resnet10-s", TINY, 90_352, 16.63 * M, 1e4),
    ("resnet10-m", TINY, 333_336, 64.71 * M, 1e4),
    ("resnet10-l", TINY, 1_277_800, 255.25 * M, 1e4),
    ("resnet10", TINY, 5_000_712, 1013.81 * M, 1e4),
    ("resnet18", TINY, 11_271_432, 2221.77 * M, 1e4),
    ("resnet34", TINY, 21_379_592, 4637.69 * M, 1e4),
    ("resnet50", TINY, 23_910_152, 5191.65 * M, 1e4),
    ("resnet18", C10, 11_173_962, 555.423 * M, 1e3),
    ("resnet34", C10, 21_282_122, None, 0),
    ("resnet50", C10, 23_520_842, 1297.83 * M, 1e4),
    ("resnet10-m", C10, 308_826, None, 0),
    ("resnet10-l", C10, 1_228_970, None, 0),
    ("resnet10", C10, 4_903_242, None, 0),
    ("resnet8x4", C100, 1_233_540, 177.07 * M, 1e4),
    ("resnet32x4", C100, 7_433_860, 1083.04 * M, 1e4),
    ("resnet20", C100, 278_324, 40.82 * M, 1e4),
    ("resnet32", C100, 472_756, 69.13 * M, 1e4),
    ("resnet56", C100, 861_620, 125.75 * M, 1e4),
    ("resnet110", C100, 1_736_564, 253.16 * M, 1e4),
    ("wrn-40-2", C100, 2_255_156, 327.61 * M, 1e4),
    ("wrn-40-1", C100, 569_780, 83.29 * M, 1e4),
    ("wrn-16-2", C100, 703_284, 101.12 * M, 1e4),
    ("wrn-40-2-post", C100, 2_255_604, 327.61 * M, 1e4),
    ("wrn-40-1-post", C100, 569_972, 83.29 * M, 1e4),
    ("wrn-16-2-post", C100, 703_732, 101.12 * M, 1e4),
    ("vgg8", C100, 3_965_028, 96.19 * M, 1e4),
    ("vgg13", C100, 9_462_180, 284.94 * M, 1e4),
    ("shufflenetv2", C100, 1_355_528, 44.50 * M, 1e4),
    ("shufflenetv2-x1.5", C100, 2_580_548, 93.76 * M, 1e4),
    ("mobilenetv2", C100, 812_836, 6.52 * M, 1e4),
    ("mobilenetv2x2", C100, 2_353_060, 22.38 * M, 1e4),
    ("mlp-1200", MNIST, 2_395_210, 2_392_800, 1),
    ("mlp-400", MNIST, 318_010, 317_600, 1),
    ("mnist1d-cnn", (10, (1, 1, 40)), 5_210, None, 0),
    ("mnist1d-mlp", (10, (1, 1, 40)), 15_210, None, 0),
    ("orbit-cnn", MNIST, 112_650, None, 0),
    ("orbit-cnn-32", MNIST, 19_146, None, 0),
    ("orbit-mlp", MNIST, 472_032, None, 0),
    ("resnet18", MNIST, 11_172_810, None, 0),
    ("vit-mnist", MNIST, 901_770, None, 0),
    ("vit-xs", MNIST, 147_082, None, 0),
    ("vit-cifar", C10, 9_523_722, 615 * M, 1e6),
    ("vit-cifar-wide", C10, 53_563_914, None, 0),
    ("vit-cifar-p8", C10, 9_572_874, None, 0),
]


def multiply_adds(net, shape):
    """Of convolutions and linear layers for one image; the products inside attention are not in the sheet's counts."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, *shape, device="meta"))
    counts = counter.get_flop_counts()["Global"]
    return sum(n for op, n in counts.items() if "bmm" not in str(op) and "attention" not in str(op)) / 2


@pytest.mark.parametrize(
    ("name", "task", "parameters", "macs", "unit"), ROWS, ids=[f"{r[0]}-{r[1][0]}-{r[1][1][1]}" for r in ROWS]
)
def test_counts_are_the_sheets(name, task, parameters, macs, unit):
    classes, shape = task
    with torch.device("meta"):
        net = body(name, classes, shape, {})
    assert sum(p.numel() for p in net.parameters()) == parameters
    if macs is not None:
        assert multiply_adds(net, shape) == pytest.approx(macs, abs=unit * 0.51 + 1e-6 * macs)


@pytest.mark.parametrize("side", [8, 28, 64])
@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_network_answers_on_common_image_sizes(name, side):
    if (
        (name.startswith("orbit-cnn") and side == 8)
        or (name in ("vit-mnist", "vit-xs") and side != 28)
        or (name == "vit-cifar-p8" and side == 28)
    ):
        pytest.skip("refused by design: see test_names")
    with torch.device("meta"):
        net = body(name, 7, (1, side, side), {})
        assert net(torch.zeros(2, 1, side, side)).shape == (2, 7)
