"""The papers' networks by name: one table, and the function that builds from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn

from sparring.core import Network, UserError, did_you_mean
from sparring.nets.mlp import mlp
from sparring.nets.mobilenet import mobilenet
from sparring.nets.orbit import orbit_cnn
from sparring.nets.origin import Origin, Shape, checked, network
from sparring.nets.resnet import four_stage, three_stage
from sparring.nets.shufflenet import shufflenet
from sparring.nets.signal import signal_cnn
from sparring.nets.small_cnn import small_cnn
from sparring.nets.vgg import vgg
from sparring.nets.vit import vit
from sparring.nets.wrn import wide


class Entry(NamedTuple):
    """factory: (classes, shape, **options) → module; note: one line for a list."""

    factory: Callable[..., nn.Module]
    note: str


def _small(*widths: int) -> partial[nn.Module]:
    return partial(four_stage, depths=(1, 1, 1, 1), widths=widths)


def _crd(blocks: int) -> partial[nn.Module]:
    return partial(three_stage, blocks=blocks)


def _times4(blocks: int) -> partial[nn.Module]:
    return partial(three_stage, blocks=blocks, stem=32, widths=(64, 128, 256))


def _post(blocks: int, k: int) -> partial[nn.Module]:
    return partial(three_stage, blocks=blocks, widths=(16 * k, 32 * k, 64 * k))


TABLE: Mapping[str, Entry] = {
    # Four stages: DiSK, Tf-KD, HARD on CIFAR and Tiny-ImageNet. Parameters are for 100 classes and 3 channels.
    "resnet10-xxxs": Entry(_small(4, 8, 8, 16), "4-stage residual network, 8 k parameters"),
    "resnet10-xxs": Entry(_small(8, 8, 16, 16), "4-stage residual network, 13 k parameters"),
    "resnet10-xs": Entry(_small(8, 16, 16, 32), "4-stage residual network, 28 k parameters"),
    "resnet10-s": Entry(_small(8, 16, 32, 64), "4-stage residual network, 84 k parameters"),
    "resnet10-m": Entry(_small(16, 32, 64, 128), "4-stage residual network, 0.3 M parameters"),
    "resnet10-l": Entry(_small(32, 64, 128, 256), "4-stage residual network, 1.3 M parameters"),
    "resnet10": Entry(_small(64, 128, 256, 512), "4-stage residual network, 4.9 M parameters"),
    "resnet18": Entry(four_stage, "4-stage residual network with a small stem, 11.2 M parameters"),
    "resnet34": Entry(partial(four_stage, depths=(3, 4, 6, 3)), "4-stage residual network, 21.3 M parameters"),
    "resnet50": Entry(
        partial(four_stage, depths=(3, 4, 6, 3), bottleneck=True), "4-stage bottleneck network, 23.7 M parameters"
    ),
    # Three stages: the networks of the CRD benchmark.
    "resnet8": Entry(_crd(1), "3-stage residual network, 84 k parameters"),
    "resnet14": Entry(_crd(2), "3-stage residual network, 0.18 M parameters"),
    "resnet20": Entry(_crd(3), "3-stage residual network, 0.28 M parameters"),
    "resnet32": Entry(_crd(5), "3-stage residual network, 0.47 M parameters"),
    "resnet44": Entry(_crd(7), "3-stage residual network, 0.67 M parameters"),
    "resnet56": Entry(_crd(9), "3-stage residual network, 0.86 M parameters"),
    "resnet110": Entry(_crd(18), "3-stage residual network, 1.7 M parameters"),
    "resnet8x4": Entry(_times4(1), "resnet8, four times wider, 1.2 M parameters"),
    "resnet32x4": Entry(_times4(5), "resnet32, four times wider, 7.4 M parameters"),
    # Wide residual networks, in both readings.
    "wrn-16-1": Entry(partial(wide, depth=16, widen=1), "wide residual network, 0.18 M parameters"),
    "wrn-16-2": Entry(partial(wide, depth=16, widen=2), "wide residual network, 0.70 M parameters"),
    "wrn-40-1": Entry(partial(wide, depth=40, widen=1), "wide residual network, 0.57 M parameters"),
    "wrn-40-2": Entry(partial(wide, depth=40, widen=2), "wide residual network, 2.3 M parameters"),
    "wrn-16-2-post": Entry(_post(2, 2), "WRN-16-2 as SimKD and DiSK define it (post-activation)"),
    "wrn-40-1-post": Entry(_post(6, 1), "WRN-40-1 as SimKD and DiSK define it (post-activation)"),
    "wrn-40-2-post": Entry(_post(6, 2), "WRN-40-2 as SimKD and DiSK define it (post-activation)"),
    "vgg8": Entry(vgg, "VGG with batch normalisation, 4.0 M parameters"),
    "vgg11": Entry(partial(vgg, depths=(1, 1, 2, 2, 2)), "VGG with batch normalisation, 9.3 M parameters"),
    "vgg13": Entry(partial(vgg, depths=(2, 2, 2, 2, 2)), "VGG with batch normalisation, 9.5 M parameters"),
    "vgg16": Entry(partial(vgg, depths=(2, 2, 3, 3, 3)), "VGG with batch normalisation, 14.8 M parameters"),
    "vgg19": Entry(partial(vgg, depths=(2, 2, 4, 4, 4)), "VGG with batch normalisation, 20.1 M parameters"),
    "shufflenetv2": Entry(shufflenet, "ShuffleNetV2 for small images, 1.4 M parameters"),
    "shufflenetv2-x1.5": Entry(
        partial(shufflenet, widths=(176, 352, 704)), "ShuffleNetV2, 1.5 times wider, 2.6 M parameters"
    ),
    "mobilenetv2": Entry(mobilenet, "MobileNetV2 of half width for small images, 0.8 M parameters"),
    "mobilenetv2x2": Entry(partial(mobilenet, width=1.0), "MobileNetV2 of width 1 for small images, 2.4 M parameters"),
    # Perceptrons, for images of any shape.
    "mlp-16": Entry(partial(mlp, widths=(16,)), "perceptron, one hidden layer of 16"),
    "mlp-32": Entry(partial(mlp, widths=(32,)), "perceptron, one hidden layer of 32"),
    "mlp-64": Entry(partial(mlp, widths=(64,)), "perceptron, one hidden layer of 64"),
    "mlp-128": Entry(partial(mlp, widths=(128,)), "perceptron, one hidden layer of 128"),
    "mlp-256": Entry(partial(mlp, widths=(256,)), "perceptron, one hidden layer of 256"),
    "mlp-400": Entry(partial(mlp, widths=(400,)), "perceptron, one hidden layer of 400 (MNIST student)"),
    "mlp-1200": Entry(partial(mlp, widths=(1200, 1200)), "perceptron, two hidden layers of 1200 (MNIST teacher)"),
    "orbit-mlp": Entry(
        partial(mlp, widths=(512, 128, 32), dropout=0.1, last_bias=False), "HARD's MNIST student, a perceptron"
    ),
    "orbit-cnn": Entry(orbit_cnn, "HARD's MNIST teacher, a small convolutional network"),
    "orbit-cnn-32": Entry(
        partial(orbit_cnn, widths=(32, 32, 32)), "the same with 32 channels throughout, an eighth of the work"
    ),
    "small-cnn": Entry(small_cnn, "small convolutional network of robustness on MNIST, 0.2 M parameters"),
    "small-cnn-2": Entry(partial(small_cnn, widths=(32, 64), hidden=200), "the same, twice as wide, 0.7 M parameters"),
    # The networks of MNIST-1D.
    "mnist1d-cnn": Entry(signal_cnn, "MNIST-1D's network of one-dimensional convolutions, 5 k parameters"),
    "mnist1d-mlp": Entry(partial(mlp, widths=(100, 100)), "MNIST-1D's perceptron, two hidden layers of 100"),
    # Transformers of the HARD paper.
    "vit-mnist": Entry(
        partial(vit, patch=7, dim=64, mlp=128, dropout=0.0, mlp_head=True), "HARD's MNIST vision transformer, 0.9 M"
    ),
    "vit-xs": Entry(
        partial(vit, patch=7, dim=64, depth=4, heads=4, dim_head=16, mlp=128, dropout=0.0, mlp_head=True),
        "small vision transformer, patches of 7, 0.15 M parameters: HARD's on a CPU",
    ),
    "vit-cifar": Entry(vit, "HARD's CIFAR vision transformer, patches of 4, 9.5 M parameters"),
    "vit-cifar-p8": Entry(partial(vit, patch=8), "HARD's CIFAR vision transformer, patches of 8, 9.6 M parameters"),
    "vit-cifar-wide": Entry(partial(vit, dim_head=512), "HARD's CIFAR vision transformer, wide heads, 54 M parameters"),
}


def names() -> Mapping[str, str]:
    """Every own network and a line about it."""
    return MappingProxyType({name: entry.note for name, entry in TABLE.items()})


def body(name: str, classes: int, shape: Shape, options: Mapping[str, Any]) -> nn.Module:
    """The bare module called `name`, untrained, for `classes` and images of `shape` (C, H, W)."""
    if name not in TABLE:
        raise UserError(f"no network is called {name!r}. {did_you_mean(name.lower().replace('_', '-'), TABLE)}")
    factory = TABLE[name].factory
    known = [option for option in inspect.signature(factory).parameters if option not in ("classes", "shape")]
    for option in options:
        if option not in known:
            raise UserError(f"{name} has no option {option!r}. {did_you_mean(option, known)}")
    return factory(classes, shape, **options)


def build(
    name: str,
    *,
    classes: int,
    shape: tuple[int, int, int],
    mean: Sequence[float],
    std: Sequence[float],
    **options: Any,
) -> Network:
    """An untrained own network for `classes` and images of `shape` (C, H, W), with its normalisation inside.

    mean, std: per channel (or one for all), in [0, 1] units. options: what its factory takes, such as dropout=.
    """
    classes, shape = checked(name, classes, shape)
    origin = Origin(name, classes, shape, tuple(mean), tuple(std), options=options)
    return network(body(name, classes, shape, options), origin)
