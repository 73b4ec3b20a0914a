"""Folders of images: what is found in them, how it is split, and every sentence about what is wrong with them."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.core import UserError
from sparring.data import dataset, load
from sparring.recipes.config import Config


def test_class_folders_alone_get_a_test_and_a_validation_part(folder, cache):
    data = load(str(folder({"cat": 40, "dog": 20, "eel": 20})))
    assert data.class_names == ("cat", "dog", "eel")
    assert data.shape == (3, 8, 8)
    assert data.name == "photos"
    assert (len(data.train), len(data.validation), len(data.test)) == (64, 8, 8)
    assert torch.bincount(data.test.y).tolist() == [4, 2, 2]
    assert torch.bincount(data.validation.y).tolist() == [4, 2, 2]
    rows = torch.cat([data.train.index, data.validation.index, data.test.index])
    assert torch.equal(rows.sort().values, torch.arange(80))


def test_rows_are_the_pictures_in_order(folder, cache):
    root = folder({"train/a": 3, "train/b": 2, "test/a": 1, "test/b": 1})
    data = load(str(root), val=0)
    assert data.validation is None
    for image, (place, number) in zip(data.train.x, [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)], strict=True):
        stored = np.asarray(Image.open(root / "train" / place / f"{number:04d}.png"))
        assert np.array_equal(image.permute(1, 2, 0), stored)
    assert data.train.y.tolist() == [0, 0, 0, 1, 1]
    pixels = data.train.x.double() / 255
    assert torch.allclose(torch.tensor(data.mean).double(), pixels.mean((0, 2, 3)))
    assert torch.allclose(torch.tensor(data.std).double(), pixels.std((0, 2, 3), correction=0), atol=1e-6)


def test_given_splits_are_kept_and_a_lone_val_is_the_test(folder, cache):
    three = load(
        str(folder({f"{s}/{c}": n for s, n in [("train", 9), ("val", 2), ("test", 3)] for c in "ab"}, "three"))
    )
    assert (len(three.train), len(three.validation), len(three.test)) == (18, 4, 6)
    two = load(str(folder({f"{s}/{c}": n for s, n in [("train", 10), ("val", 2)] for c in "ab"}, "two")))
    assert (len(two.train), len(two.validation), len(two.test)) == (18, 2, 4)


def test_the_split_is_the_same_every_time_and_the_fingerprint_is_the_contents(folder, cache, picture):
    root = folder({"a": 30, "b": 30})
    one, two = load(str(root)), load(str(root), cache=cache / "other")
    assert torch.equal(one.validation.index, two.validation.index)
    os.utime(root / "a" / "0000.png", (1, 1))
    assert load(str(root)).fingerprint == one.fingerprint == two.fingerprint
    Image.fromarray(picture(5)).save(root / "a" / "0000.png")
    assert load(str(root)).fingerprint != one.fingerprint


def test_hidden_and_other_files_are_passed_over(folder, cache):
    root = folder({"a": 12, "b": 12})
    for name in ("a/.DS_Store", "a/._0000.png", "b/notes.txt", ".DS_Store"):
        (root / name).write_bytes(b"no image")
    (root / ".git").mkdir()
    assert len(load(str(root), val=0).train) == 22


def test_grey_beside_colour_is_colour_and_all_grey_is_grey(folder, cache):
    grey = load(str(folder({"a": 20, "b": 20}, "grey", channels=1)))
    assert grey.shape == (1, 8, 8)
    root = folder({"a": 20, "b": 20}, "mixed", channels=1)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(root / "b" / "0000.png")
    mixed = load(str(root), val=0)
    assert mixed.shape == (3, 8, 8)
    assert torch.equal(mixed.train.x[0, 0], mixed.train.x[0, 2])


def test_alpha_palette_cmyk_and_exif(folder, cache):
    root = folder({"train/a": 1, "train/b": 1, "test/a": 1, "test/b": 1})
    a = root / "train" / "a"
    Image.new("RGBA", (8, 8), (10, 20, 30, 0)).save(a / "1.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).convert("P").save(a / "2.png")
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(a / "3.jpg")
    turned = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    turned.save(a / "4.png", exif=exif)
    x = load(str(root), val=0).train.x
    assert x[1, :, 0, 0].tolist() == [10, 20, 30]
    assert x[2, :, 0, 0].tolist() == [255, 0, 0]
    assert x[3].max() < 5
    assert np.array_equal(x[4, 0], np.rot90(np.arange(64).reshape(8, 8), -1))


def test_size_brings_all_to_one_size(folder, cache, picture):
    root = folder({"a": 20, "b": 20})
    Image.fromarray(picture(0, height=12, width=20)).save(root / "b" / "0000.png")
    with pytest.raises(UserError, match=r"b/0000\.png is 20x12 but .*a/0000\.png is 8x8\. Pass size= to bring all"):
        load(str(root))
    assert load(str(root), size=16).shape == (3, 16, 16)
    assert load(str(root), size=16).fingerprint != load(str(root), size=12).fingerprint
    with pytest.raises(UserError, match="size=0 is no image size"):
        load(str(root), size=0)


def test_default_augmentation_goes_by_size(folder, cache):
    assert load(str(folder({"a": 20, "b": 20}, "small"))).train.augment == "crop+flip"
    assert load(str(folder({"a": 10, "b": 10}, "large")), size=65).train.augment == "resized-crop+flip"


@pytest.mark.parametrize("streamed", [False, True])
def test_mixed_sizes_and_bad_headers_are_found_before_training(folder, cache, picture, monkeypatch, streamed):
    if streamed:
        monkeypatch.setattr(dataset, "RESIDENT_BYTES", 1000)
    root = folder({"a": 20, "b": 20})
    (root / "b" / "0007.png").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"Cannot read the image .*b/0007\.png \(not an image file\): replace it"):
        load(str(root))
    Image.fromarray(picture(0, height=9)).save(root / "b" / "0007.png")
    with pytest.raises(UserError, match=r"differ in size: .*0007\.png is 8x9 but .*a/0000\.png is 8x8. Pass size="):
        load(str(root))


def test_a_truncated_image_is_named(folder, cache):
    root = folder({"a": 20, "b": 20}, height=64)
    whole = (root / "a" / "0011.png").read_bytes()
    (root / "a" / "0011.png").write_bytes(whole[:-200])
    with pytest.raises(UserError, match=r"Cannot read the image .*a/0011\.png \(.*truncated.*\): replace it"):
        load(str(root))


def test_deep_pixels_are_refused(folder, cache):
    root = folder({"a": 20, "b": 20})
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(root / "a" / "0003.png")
    with pytest.raises(UserError, match=r"a/0003\.png has pixels of mode I(;16)? .*convert it to 8 bits"):
        load(str(root))


def test_wrong_folders(folder, cache, tmp_path):
    root = folder({"train/a": 4, "train/b": 0, "test/a": 2, "test/b": 2}, "empty")
    with pytest.raises(UserError, match=r"class folder .*train/b holds no images: put some in"):
        load(str(root))
    root = folder({"train/a": 4, "train/b": 4, "test/a": 2}, "lacking")
    with pytest.raises(UserError, match=r"Class 'b' is in .*train but missing in .*test: every split needs the same"):
        load(str(root))
    root = folder({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2, "test/c": 2}, "strange")
    with pytest.raises(UserError, match=r"Class 'c' is in .*test but missing in .*train"):
        load(str(root))
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match=r"bare holds no class folders: expected images in .*bare/CLASS/"):
        load(str(tmp_path / "bare"))
    (tmp_path / "file.zip").write_bytes(b"")
    with pytest.raises(UserError, match=r"file\.zip is a file: give the folder"):
        load(str(tmp_path / "file.zip"))
    with pytest.raises(UserError, match=r"The path .*nowhere does not exist: check it"):
        load(str(tmp_path / "nowhere"))


def test_a_single_class(folder, cache):
    with pytest.raises(UserError, match=r"photos holds one class folder only, cat/: two or more are needed"):
        load(str(folder({"cat": 4})))
    with pytest.raises(UserError, match=r"split/train holds one class folder only, cat/: two or more"):
        load(str(folder({"train/cat": 4, "test/cat": 4}, "split")))
    with pytest.raises(UserError, match=r"outer holds one class folder only, all/: did you mean .*outer/all\?"):
        load(str(folder({"all/cat": 4, "all/dog": 4}, "outer")))


def test_splits_without_train(folder, cache):
    with pytest.raises(UserError, match=r"photos holds test/ but no train/: put the .* in .*photos/train/CLASS/"):
        load(str(folder({"test/cat": 4, "test/dog": 4})))
    with pytest.raises(UserError, match=r"holds val/ but no train/"):
        load(str(folder({"val": 4}, "flat")))
    with pytest.raises(UserError, match=r"holds test/ but no train/"):
        load(str(folder({"cat": 20, "dog": 20, "test/cat": 4, "test/dog": 4}, "beside")))
    assert load(str(folder({"test": 20, "train set": 20}, "classes"))).class_names == ("test", "train set")


def test_links_that_lead_nowhere(folder, cache):
    root = folder({"a": 20, "b": 20})
    (root / "b" / "lost.png").symlink_to(root / "gone.png")
    with pytest.raises(UserError, match=r"Cannot read .*b/lost\.png \(No such file or directory\): mend that file or"):
        load(str(root))
    (root / "b" / "lost.png").unlink()
    (root / "b" / "up").symlink_to(root)
    with pytest.raises(UserError, match=r"Cannot read .*b/up/.* \(.*symbolic links\)"):
        load(str(root))


def test_names_that_are_no_text(folder, cache):
    root = folder({"a": 20, "b": 20})
    picture, odd = root / "a" / "0003.png", root / "a" / os.fsdecode(b"caf\xe9.png")
    picture.rename(odd)
    assert load(str(root)).shape == (3, 8, 8)
    odd.write_bytes(b"hello")
    with pytest.raises(UserError, match=r"Cannot read the image .*a/caf\ufffd\.png"):
        load(str(root))
    (root / "a").rename(root / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UserError, match=r"The folder 'caf.udce9' in .*photos has a name that is not UTF-8: rename"):
        load(str(root))


def test_pixels_are_measured_in_pieces(folder, cache, monkeypatch):
    root = folder({"a": 20, "b": 20})
    whole = load(str(root)).std
    monkeypatch.setattr(dataset, "_AT_ONCE", 1000)
    assert load(str(root), cache=cache / "other").std == whole


def test_images_of_kinds_we_do_not_know(folder, cache):
    root = folder({"a": 2, "b": 0})
    (root / "b" / "1.heic").write_bytes(b"")
    with pytest.raises(UserError, match=r"photos/b holds no images \(1\.heic is none of \.jpg, .*\): put some in"):
        load(str(root))
    (root / "b" / "1.heic").rename(root / "b" / "1.jpg")
    with pytest.raises(UserError, match=r"Cannot read the image .*b/1\.jpg \(it is empty\)"):
        load(str(root))


@pytest.mark.parametrize("transparency", [0, b"\x00\x80\xff"])
def test_a_palette_with_transparency_keeps_its_colours_without_a_word(folder, cache, recwarn, transparency):
    root = folder({"train/a": 1, "train/b": 2, "test/a": 1, "test/b": 1})
    Image.new("RGB", (8, 8), (255, 0, 0)).convert("P").save(
        root / "train" / "a" / "0000.png", transparency=transparency
    )
    assert load(str(root), val=0).train.x[0, :, 0, 0].tolist() == [255, 0, 0]
    assert not [str(warning.message) for warning in recwarn]


def test_val_beside_validation_images(folder, cache):
    root = folder({f"{split}/{name}": 9 for split in ("train", "val", "test") for name in "ab"})
    with pytest.raises(UserError, match=r"has validation images of its own, so val=0\.2 would hold none out"):
        load(str(root), val=0.2)
    assert Config().val == dataset.VAL
    assert len(load(str(root)).validation) == 18
    assert load(str(root), val=0).validation is None


def test_size_scales_the_shorter_side_and_cuts_the_middle(folder, cache):
    root = folder({"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255
    Image.fromarray(wide).save(root / "train" / "a" / "0000.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(root / "train" / "a" / "0001.png")
    x = load(str(root), size=4, val=0).train.x
    assert x[:2].min() > 200  # stretched, it would show the black on both sides


def test_too_few_to_hold_out(folder, cache):
    root = folder({"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1})
    with pytest.raises(UserError, match=r"4 training images, too few to hold out 10% .*validation: raise val, or pass"):
        load(str(root))
    with pytest.raises(UserError, match=r"val=1\.5 is no part of the training set: choose 0 <= val < 1"):
        load(str(root), val=1.5)


@pytest.fixture
def tiny(folder, picture):
    root = folder({"train/n01/images": 10, "train/n02/images": 10}, "tiny-imagenet-200", height=64, width=64)
    (root / "val" / "images").mkdir(parents=True)
    notes = []
    for n, wnid in enumerate(["n02", "n01", "n02"]):
        Image.fromarray(picture(n, 64, 64)).save(root / "val" / "images" / f"val_{n}.JPEG")
        notes.append(f"val_{n}.JPEG\t{wnid}\t0\t0\t62\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(notes))
    return root


def test_tiny_imagenet_layout(tiny, cache):
    data = load(str(tiny))
    assert data.class_names == ("n01", "n02")
    assert data.test.y.tolist() == [1, 0, 1]
    assert (len(data.train), len(data.validation), data.shape) == (18, 2, (3, 64, 64))
    assert data.train.augment == "crop+flip"
    with pytest.raises(UserError, match=r"The copy of tiny-imagenet in .* has 2 classes instead of 200"):
        load("tiny-imagenet", root=tiny.parent)
    (tiny / "val" / "images" / "val_1.JPEG").unlink()
    with pytest.raises(UserError, match=r"Line 2 of .* names 'val_1\.JPEG', which is not in"):
        load(str(tiny))
    (tiny / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn77\n")
    with pytest.raises(UserError, match=r"Line 1 of .* names 'n77', which is no folder of"):
        load(str(tiny))


def test_classes_in_an_order_of_ones_own(folder, cache):
    root = folder({f"{split}/{name}": 12 for split in ("train", "test") for name in ("eight", "five", "four")})
    by_name = load(str(root))
    assert by_name.class_names == ("eight", "five", "four")
    (root / "classes.txt").write_bytes("\ufefffour\r\n five\r\n\r\neight\r\n".encode())
    data = load(str(root))
    assert data.class_names == ("four", "five", "eight")
    assert torch.equal(data.test.x[data.test.y == 0], by_name.test.x[by_name.test.y == 2])
    assert torch.equal(data.test.x[data.test.y == 2], by_name.test.x[by_name.test.y == 0])
    assert data.fingerprint != by_name.fingerprint
    for text, told in (
        ("four\nfive\neight\nnine", r"classes\.txt names 'nine', which is no class folder: it sets the order"),
        ("four\nfive", r"classes\.txt lacks the class folder 'eight'"),
        ("four\nfive\neight\nfive", r"classes\.txt names 'five' more than once"),
    ):
        (root / "classes.txt").write_text(text)
        with pytest.raises(UserError, match=told):
            load(str(root))
    (root / "classes.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"Cannot read .*classes\.txt"):
        load(str(root))
