"""Data sets handed over as Python objects."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from sparring.core import UserError
from sparring.data import load, wrap


class Pairs(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], self.labels[row]


@pytest.fixture
def arrays(picture):
    return [picture(n) for n in range(40)]


LABELS = [n % 4 for n in range(40)]


@pytest.mark.parametrize("kind", ["pil", "array", "uint8 tensor", "float tensor", "tensors"])
def test_every_kind_of_image_gives_the_same_pixels(arrays, cache, kind):
    planes = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    images = {
        "pil": [Image.fromarray(a) for a in arrays],
        "array": arrays,
        "uint8 tensor": list(planes),
        "float tensor": list(planes / 255),
    }
    given = TensorDataset(planes / 255, torch.tensor(LABELS)) if kind == "tensors" else Pairs(images[kind], LABELS)
    data = wrap(given, val=0, carve_test=0)
    assert torch.equal(data.train.x, planes)
    assert data.train.y.tolist() == LABELS
    assert data.test is None
    assert data.validation is None
    assert data.class_names == ("0", "1", "2", "3")


def test_a_tuple_is_train_and_test(arrays, cache):
    named = Pairs(arrays, LABELS)
    named.classes = ["a", "b", "c", "d"]
    data = wrap((named, Pairs(arrays[:5], LABELS[:5])), name="mine")
    assert (data.name, len(data.train), len(data.validation), len(data.test)) == ("mine", 36, 4, 5)
    assert data.class_names == ("a", "b", "c", "d")
    same = wrap(named, test=Pairs(arrays[:5], LABELS[:5]), class_names="abcd")
    assert same.fingerprint == data.fingerprint
    assert wrap(named).fingerprint != data.fingerprint


def test_without_a_test_set_one_is_held_out(arrays, cache):
    data = wrap(Pairs(arrays, LABELS), val=0.1)
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 4, 4)
    rows = torch.cat([part.index for part in (data.train, data.validation, data.test)])
    assert rows.sort().values.tolist() == list(range(40))


FILE = """
import torch
from torch.utils.data import TensorDataset
SETS = tuple(TensorDataset(torch.rand(n, 3, 8, 8), torch.arange(n) % 4) for n in (40, 8))
def make(): return SETS[0]
def broken(): raise RuntimeError("out of cheese")
"""


def test_a_set_out_of_a_file(cache, tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    held, made = load(f"{tmp_path}/mine.py:SETS", val=0), load(f"{tmp_path}/mine.py:make", val=0)
    assert (held.name, len(held.train), len(held.test)) == (f"{tmp_path}/mine.py:SETS", 40, 8)
    assert (len(made.train), len(made.test), made.classes) == (36, 4, 4)
    with pytest.raises(UserError, match=r"mine\.py:broken raised RuntimeError: out of cheese\. It is called without"):
        load(f"{tmp_path}/mine.py:broken")
    with pytest.raises(UserError, match=r"mine\.py has no 'mke'\. Did you mean 'make'\?"):
        load(f"{tmp_path}/mine.py:mke")


def test_grey_kinds(cache):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert wrap(Pairs([grey] * 20, [0, 1] * 10)).shape == (1, 8, 8)
    assert wrap(Pairs([Image.fromarray(grey)] * 20, [0, 1] * 10), size=4).shape == (1, 4, 4)
    assert wrap(Pairs([grey] * 19 + [np.zeros((8, 8, 3), np.uint8)], [0, 1] * 10)).shape == (3, 8, 8)


def spoiled(images, row, image):
    return [image if n == row else kept for n, kept in enumerate(images)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "has NaN pixels"),
        (255.0, r"has pixels from 0\.5 to 255"),
        (-1.5, r"has pixels from -1\.5 to 0\.5"),
    ],
)
def test_float_pixels_must_be_in_range(cache, whole, value, said):
    x = torch.full((20, 3, 4, 4), 0.5)
    x[7, 0, 1, 2] = value
    given = TensorDataset(x, torch.arange(20) % 2) if whole else Pairs(list(x), LABELS[:20])
    with pytest.raises(UserError, match=rf"item 7 of the train dataset {said}, but pixels must lie in \[0, 1\]"):
        wrap(given)


def test_wrong_items(arrays, cache):
    with pytest.raises(UserError, match=r"The label of item 3 of the train dataset is 1\.5: give a whole number"):
        wrap(Pairs(arrays, [1.5 if n == 3 else 0 for n in range(40)]))
    with pytest.raises(UserError, match=r"Row 3 of the train split of wrapped has label -1"):
        wrap(Pairs(arrays, [-1 if n == 3 else 0 for n in range(40)]))
    with pytest.raises(UserError, match=r"Row 2 of the train split of wrapped has label 2, but its 2 classes"):
        wrap(Pairs(arrays, LABELS), class_names=["a", "b"])
    with pytest.raises(UserError, match=r"item 4 of the train dataset is 9x8 but item 0 is 8x8\. Pass size="):
        wrap(Pairs(spoiled(arrays, 4, np.zeros((8, 9, 3), np.uint8)), LABELS))
    assert wrap(Pairs(spoiled(arrays, 4, np.zeros((8, 9, 3), np.uint8)), LABELS), size=8).shape == (3, 8, 8)
    with pytest.raises(UserError, match=r"image of item 4 .* is float64 of shape \(8, 8, 3\): give a PIL image"):
        wrap(Pairs(spoiled(arrays, 4, np.zeros((8, 8, 3))), LABELS))
    with pytest.raises(UserError, match=r"image of item 4 .* is str: give a PIL image"):
        wrap(Pairs(spoiled(arrays, 4, "cat.png"), LABELS))
    with pytest.raises(UserError, match=r"image of item 4 .* has 4 channels: give 1 .grey. or 3"):
        wrap(Pairs(spoiled(arrays, 4, np.zeros((8, 8, 4), np.uint8)), LABELS))
    with pytest.raises(UserError, match="The train dataset is empty"):
        wrap(Pairs([], []))
    with pytest.raises(UserError, match="The train dataset is empty"):
        wrap(TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0).long()))
    with pytest.raises(UserError, match=r"The train dataset \(generator\) does not give \(image, label\) pairs"):
        wrap(n for n in range(3))
    with pytest.raises(UserError, match=r"labels are torch\.float32 of shape \(40,\): give \(N,\) whole numbers"):
        wrap(TensorDataset(torch.zeros(40, 3, 8, 8), torch.zeros(40)))
    with pytest.raises(UserError, match=r"images are torch\.int64: give uint8, or float in"):
        wrap(TensorDataset(torch.zeros(40, 3, 8, 8).long(), torch.zeros(40).long()))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_height_width_channels(cache, channels, kind, whole):
    x = torch.ones(20, 16, 12, channels).to(kind)
    said = rf"item 0 .* is a tensor of shape \(16, 12, {channels}\), which looks like \(height, width, channels\): "
    with pytest.raises(UserError, match=said):
        wrap(TensorDataset(x, torch.arange(20) % 2) if whole else Pairs(list(x), LABELS[:20]))


def test_an_array_of_channels_height_width(arrays, cache):
    with pytest.raises(UserError, match=r"is an array of shape \(3, 8, 8\), which looks like \(channels, height"):
        wrap(Pairs([a.transpose(2, 0, 1) for a in arrays], LABELS))


class Items(Pairs):
    """A dataset whose item is what `make` makes of image and label."""

    def __init__(self, images, labels, make):
        super().__init__(images, labels)
        self.make = make

    def __getitem__(self, row):
        return self.make(*super().__getitem__(row))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, y: {"image": x, "label": y}, "is a dict with the keys image, label, not a pair: let it return"),
        (lambda x, y: (x, y, "path"), r"is a tuple of 3, not a pair: let it return \(image, label\)"),
        (lambda x, y: x, r"is a ndarray, not a pair: .*TensorDataset\(x, y\) makes such pairs"),
        (lambda x, y: x["image"], r"\(Items\) could not be had: it raised IndexError: only integers"),
        (lambda x, y: Image.open("/none"), r"\(Items\) could not be had: it raised FileNotFoundError: .*/none'\. Mend"),
    ],
)
def test_items_that_are_no_pairs(arrays, cache, make, said):
    with pytest.raises(UserError, match=f"Item 0 of the train dataset {said}"):
        wrap(Items(arrays, LABELS, make))


def test_labels_that_do_not_begin_at_0(arrays, cache):
    with pytest.raises(UserError, match=r"labels of wrapped begin at 1, but classes are numbered from 0: subtract 1"):
        wrap(Pairs(arrays, [label + 1 for label in LABELS]))
    assert wrap(Pairs(arrays, [label + 1 for label in LABELS]), class_names="abcde").classes == 5
    with pytest.raises(UserError, match=r"All images of wrapped are of one class, '0': give two or more"):
        wrap(Pairs(arrays, [0] * 40))


def test_train_and_test_must_be_alike(arrays, cache):
    grey = Pairs([a[..., 0] for a in arrays], LABELS)
    with pytest.raises(UserError, match=r"Training images are \(3, 8, 8\) .* but test images \(1, 8, 8\)"):
        wrap((Pairs(arrays, LABELS), grey))
    with pytest.raises(UserError, match="Class '3' of wrapped has test images but no training image"):
        wrap((Pairs(arrays, [n % 3 for n in range(40)]), Pairs(arrays, LABELS)))
