"""Parquet and IDX files, the hub, the cache, and the real sets."""

import gzip
import json
import shutil
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from sparring.core import UserError
from sparring.data import Resident, Streamed, dataset, load, names, parquet, refuse_two_meanings, stream
from sparring.data import cache as caching


def encoded(array, kind="PNG"):
    out = BytesIO()
    Image.fromarray(array).save(out, kind, lossless=True)
    return out.getvalue()


@pytest.fixture
def shards(tmp_path, picture):
    """Makes a folder of parquet files in the hub's layout: {"train-0": 20, …} → its path."""

    def make(rows, name="set", image="image", label="label", labels=None, classes=4, typed=True, form=None, kind="PNG"):
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True, exist_ok=True)
        for file, count in rows.items():
            pictures = [{"bytes": encoded(picture(n, **(form or {})), kind), "path": None} for n in range(count)]
            numbers = labels if labels is not None else [n % classes for n in range(count)]
            table = pa.table({image: pictures, label: numbers})
            if typed:
                features = {image: {"_type": "Image"}}
                features[label] = {"_type": "ClassLabel", "names": [f"class {n}" for n in range(classes)]}
                about = {"huggingface": json.dumps({"info": {"features": features}})}
                table = table.replace_schema_metadata(about)
            pq.write_table(table, folder / f"{file}.parquet", row_group_size=7)
        return tmp_path / name

    return make


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label"), ("picture", "kind")])
def test_parquet_columns_classes_and_rows(shards, cache, picture, image, label):
    root = shards({"train-00000-of-00002": 20, "train-00001-of-00002": 12, "test-00000-of-00001": 8}, "s", image, label)
    data = load(str(root), val=0)
    assert data.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert (len(data.train), len(data.test)) == (32, 8)
    for row, number in [(0, 0), (19, 19), (20, 0), (31, 11)]:
        assert np.array_equal(data.train.x[row].permute(1, 2, 0), picture(number))
    assert data.train.y.tolist() == [n % 4 for n in range(20)] + [n % 4 for n in range(12)]


def test_parquet_without_metadata_and_without_a_test(shards, cache):
    data = load(str(shards({"part-0": 60}, typed=False)))
    assert data.class_names == ("0", "1", "2", "3")
    assert (len(data.train), len(data.validation), len(data.test)) == (48, 4, 8)


def test_parquet_validation_is_the_test_where_there_is_no_other(shards, cache):
    data = load(str(shards({"train-0": 40, "valid-0": 8})))
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 8)
    data = load(str(shards({"train-0": 40, "validation-0": 8, "test-0": 12}, "three")))
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 8, 12)


def test_grey_kept_in_webp_is_grey(shards, cache):
    data = load(str(shards({"train-0": 40, "test-0": 8}, form={"channels": 1}, kind="WEBP")))
    assert data.shape == (1, 8, 8)


def test_large_parquet_is_unpacked_and_streamed_alike(shards, cache, monkeypatch):
    root = shards({"train-0": 20, "train-1": 21, "test-0": 8})
    held = load(str(root))
    monkeypatch.setattr(dataset, "RESIDENT_BYTES", 1000)
    monkeypatch.setattr(parquet, "_IN_MEMORY", 10)
    for _ in range(2):  # unpacks, then finds it unpacked
        flowing = load(str(root))
        assert isinstance(flowing.train, Streamed)
        for a, b in islice(zip(*(stream(d.train, batch_size=8, seed=0)(2) for d in (held, flowing)), strict=False), 6):
            assert torch.equal(a.x, b.x)
            assert torch.equal(a.y, b.y)


def test_wrong_parquet(shards, cache):
    with pytest.raises(UserError, match=r"Row 1 of the train split of s1 has label -1, but classes are numbered"):
        load(str(shards({"train": 3}, "s1", labels=[0, -1, 1])))
    with pytest.raises(UserError, match=r"Row 2 of the train split of s2 has label 9, but its 4 classes are 0 to 3"):
        load(str(shards({"train": 3}, "s2", labels=[0, 1, 9])))
    with pytest.raises(UserError, match=r"Column 'label' of .*train\.parquet holds double where class numbers"):
        load(str(shards({"train": 3}, "s3", labels=[0.0, 1.0, 2.0])))
    with pytest.raises(UserError, match=r"has no image column; its columns are photo, label: name one of them 'image'"):
        load(str(shards({"train": 3}, "s4", image="photo", typed=False)))
    with pytest.raises(UserError, match=r"s5 holds no training rows: expected a parquet file whose name starts with"):
        load(str(shards({"test": 3}, "s5")))
    root = shards({"train": 3}, "s6")
    file = root / "data" / "train.parquet"
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(UserError, match="s6 holds no train images"):
        load(str(root))
    root = shards({"train": 9, "test": 9}, "s7")
    file = root / "data" / "train.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"Cannot read .*train\.parquet \(.*\): fetch it again"):
        load(str(root))
    root = shards({"train": 4, "test": 4}, "s8", classes=2)
    shards({"test": 4}, "s8", labels=[0, 1, 2, 2], classes=3)
    with pytest.raises(UserError, match="Row 2 of the test split of s8 has label 2"):
        load(str(root))
    with pytest.raises(UserError, match=r"All images of s9 are of one class, '0': give two or more"):
        load(str(shards({"train": 3}, "s9", labels=[0, 0, 0], typed=False)))
    with pytest.raises(UserError, match=r"The labels of s10 begin at 1, but classes are numbered from 0: subtract 1"):
        load(str(shards({"train": 3}, "s10", labels=[1, 2, 2], typed=False)))
    root = shards({"train": 4}, "s11")
    shards({"test": 4}, "s11", label="kind")
    with pytest.raises(UserError, match=r"test\.parquet has no column 'label', as the first training file has"):
        load(str(root))


@pytest.mark.parametrize("about", ["{broken", "[1]", '{"info": null}'])
def test_metadata_of_another_kind_is_passed_over(shards, cache, about):
    root = shards({"train": 40}, "s", typed=False)
    file = root / "data" / "train.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": about}), file)
    assert load(str(root)).class_names == ("0", "1", "2", "3")


def test_a_damaged_row_is_named(tmp_path, cache, picture):
    pictures = [encoded(picture(n)) for n in range(9)]
    pictures[5] = pictures[5][:60]
    pq.write_table(pa.table({"image": pictures, "label": [0, 1, 2] * 3}), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"Cannot read the image in row 5 of .*train\.parquet"):
        load(str(tmp_path))


def write_idx(file, array):
    raw = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_files(tmp_path, cache, end):
    folder = tmp_path / "FashionMNIST" / "raw"
    images = np.random.RandomState(0).randint(0, 256, (60, 28, 28))
    for stem, count in [("train", 60), ("t10k", 20)]:
        write_idx(folder / f"{stem}-images-idx3-ubyte{end}", images[:count])
        write_idx(folder / f"{stem}-labels-idx1-ubyte{end}", np.arange(count) % 10)
    data = load("fashion-mnist", root=tmp_path)
    assert data.class_names[9] == "Ankle boot"
    assert (len(data.train), len(data.test), data.shape, data.train.augment) == (50, 20, (1, 28, 28), "none")
    assert np.array_equal(data.test.x[:, 0], images[:20])
    labels = folder / f"t10k-labels-idx1-ubyte{end}"
    write_idx(labels, np.arange(19) % 10)
    with pytest.raises(UserError, match="has 20 test images but 19 labels"):
        load("fashion-mnist", root=tmp_path)
    labels.write_bytes(b"\0\0\x08\x01\0\0\0\x09ab" if not end else b"no gzip")
    with pytest.raises(UserError, match=r"t10k-labels.*fetch it again"):
        load("fashion-mnist", root=tmp_path)
    labels.unlink()
    with pytest.raises(UserError, match=r"lacks the file t10k-labels-idx1-ubyte \(or"):
        load("fashion-mnist", root=tmp_path)


def test_names(cache, tmp_path, monkeypatch):
    assert {"digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "tiny-imagenet"} < set(names())
    with pytest.raises(
        UserError, match=r"'cifar-100' is neither a known data set nor a folder\. Did you mean 'cifar100"
    ):
        load("cifar-100")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-images").mkdir()
    with pytest.raises(UserError, match=r"'my_images' is neither .* nor a folder\. Did you mean 'my-images'\?"):
        load("my_images")
    with pytest.raises(UserError, match=r"The data root .*gone does not exist: give the folder that holds cifar100/"):
        load("cifar100", root=tmp_path / "gone")


def test_a_folder_that_is_called_like_a_known_set(cache, folder, tmp_path, monkeypatch):
    """What may mean two things is refused; a folder given as such is not called as the known set is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["sparring.data.load"], "DEBIAN", tmp_path / "no such package")
    refuse_two_meanings("digits")
    for run in ("digits/teacher", "digits/kd/seed-0"):
        (tmp_path / run).mkdir(parents=True)
        for left in ("config.yaml", "guide.png"):
            (tmp_path / run / left).write_bytes(b"")
    refuse_two_meanings("digits")
    shutil.rmtree(tmp_path / "digits")
    for name in ("digits", "mnist", "elsewhere/MNIST"):
        folder({f"{name}/train/six": 12, f"{name}/train/nine": 12}, ".")
    assert load("./digits").name == load(str(tmp_path / "digits")).name == "./digits"
    assert load("elsewhere/MNIST").name == "MNIST"
    assert load("digits").class_names[0] == "0"
    with pytest.raises(UserError, match=r"write \./digits for the folder; for the data set rename the folder"):
        refuse_two_meanings("digits")
    with pytest.raises(UserError, match=r"write \./mnist for the folder; for the data set give --data-root"):
        refuse_two_meanings("mnist")
    with pytest.raises(UserError, match=r"write elsewhere/MNIST for the folder"):
        refuse_two_meanings("mnist", "elsewhere")  # pictures, which are not read as mnist's copy
    for known in ("copies/mnist", "data/mnist"):
        write_idx(tmp_path / known / "train-images-idx3-ubyte", np.zeros((3, 28, 28)))
    refuse_two_meanings("mnist", "copies")
    with pytest.raises(UserError, match=r"write \./mnist"):
        refuse_two_meanings("mnist")  # ./data, which nobody named, has a copy
    monkeypatch.chdir(tmp_path / "copies")
    with pytest.raises(UserError, match=r"write \./mnist"):
        refuse_two_meanings("mnist")
    refuse_two_meanings("mnist", ".")
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "copies"))
    refuse_two_meanings("mnist")  # one folder, whichever is meant


def test_no_network(cache, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("sparring.data.hub.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"Cannot fetch uoft-cs/cifar10 .*no network \(URLError\).*--data-root"):
        load("cifar10")
    with pytest.raises(UserError, match=r"Reading hf:some/set needs huggingface_hub: pip install"):
        load("hf:some/set")
    with pytest.raises(UserError, match=r"'hf:set' names no data set on the hub: write hf:user/name"):
        load("hf:set")


def test_a_known_set_is_fetched_once(cache, monkeypatch, tmp_path, shards):
    root = shards({"train-0": 40, "test-0": 10}, "uoft-cs/cifar10", image="img", classes=10)
    site = tmp_path / "site"
    files = [{"rfilename": f"data/{n}-0.parquet"} for n in ("train", "test")] + [{"rfilename": "README.md"}]
    (site / "api" / "datasets" / "uoft-cs").mkdir(parents=True)
    (site / "api" / "datasets" / "uoft-cs" / "cifar10").write_text(json.dumps({"siblings": files}))
    (site / "datasets" / "uoft-cs" / "cifar10" / "resolve").mkdir(parents=True)
    root.rename(site / "datasets" / "uoft-cs" / "cifar10" / "resolve" / "main")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sparring.data.hub.find_spec", lambda _: None)
    monkeypatch.setattr(sys.modules["sparring.data.load"], "DEBIAN", tmp_path / "no such package")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    first = load("cifar10", val=0)
    with pytest.raises(UserError, match=r"does not give out the data set zalando-datasets/fashion_mnist \(HTTP 404\)"):
        load("fashion-mnist")
    server.shutdown()
    server.server_close()
    assert len(first.train) == 40
    assert load("cifar10", val=0).fingerprint == first.fingerprint


def test_the_cache_is_used_mended_and_done_without(folder, cache, monkeypatch):
    root = folder({"a": 20, "b": 20})
    first = load(str(root), val=0)
    files = sorted((cache / "arrays").glob("*.npy"))
    assert len(files) == 1

    def never(*_):
        raise AssertionError("decoded again")

    with monkeypatch.context() as inside:
        inside.setattr(dataset, "decode_all", never)
        assert torch.equal(load(str(root), val=0).train.x, first.train.x)
    whole = files[0].read_bytes()
    for damage in (whole[:-10], b"", whole[:-10] + bytes(10), b"\x93NUMPY garbage"):
        files[0].write_bytes(damage)
        assert torch.equal(load(str(root), val=0).train.x, first.train.x)
        assert files[0].read_bytes() == whole
    for facts in (cache / "facts").iterdir():
        facts.write_text("{")
    assert load(str(root), val=0).mean == first.mean
    for nowhere in ("/dev/null/x", "/proc/x"):
        assert torch.equal(load(str(root), val=0, cache=nowhere).train.x, first.train.x)


def test_the_cache_lies_where_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    assert caching.cache_dir() == tmp_path
    assert caching.cache_dir(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("SPARRING_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert caching.cache_dir() == tmp_path / "xdg" / "sparring"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert caching.cache_dir().parts[-2:] == (".cache", "sparring")


def test_digits(cache):
    data = load("digits")
    assert (data.shape, data.classes, data.train.augment) == ((1, 8, 8), 10, "none")
    assert len(data.train) + len(data.validation) + len(data.test) == 1797
    assert abs(len(data.test) / 1797 - 0.2) < 0.005
    assert data.test.x.max() == 255


def four(values):
    return [round(value, 4) for value in values]


def test_real_mnist(real_root, real_cache):
    if not (real_root / "mnist").is_dir():
        pytest.skip(f"no mnist in {real_root}")
    data = load("mnist", root=real_root, cache=real_cache)
    assert (four(data.mean), four(data.std)) == ([0.1307], [0.3081])
    assert (len(data.train) + len(data.validation), len(data.test), data.shape) == (60_000, 10_000, (1, 28, 28))


def test_real_cifar100(real_root, real_cache):
    if not (real_root / "cifar100").is_dir():
        pytest.skip(f"no cifar100 in {real_root}")
    data = load("cifar100", root=real_root, cache=real_cache)
    assert (four(data.mean), four(data.std)) == ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])
    assert (len(data.train), len(data.validation), len(data.test)) == (45_000, 5_000, 10_000)
    assert torch.bincount(data.validation.y).unique().tolist() == [50]
    assert (data.class_names[0], data.class_names[99]) == ("apple", "worm")
    assert isinstance(data.train, Resident)
