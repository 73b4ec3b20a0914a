"""Names and paths to data."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sparring.core import UserError, did_you_mean
from sparring.data.cache import cache_dir
from sparring.data.dataset import VAL, Data, build
from sparring.data.digits import read_digits
from sparring.data.folder import holds_pictures, is_tiny_imagenet, read_folder, read_tiny_imagenet
from sparring.data.found import Found
from sparring.data.hub import fetch
from sparring.data.idx import has_idx, read_idx
from sparring.data.mnist1d import read_mnist1d
from sparring.data.parquet import has_parquet, read_parquet
from sparring.data.wrap import wrap
from sparring.userfile import imported

DEBIAN = Path("/usr/share/datasets")  # where Debian's packages of data sets put them


@dataclass(frozen=True, slots=True)
class Known:
    """A data set known by name: where copies of it are looked for, and where it is fetched from."""

    about: str
    classes: int
    hub: str | None = None
    folders: tuple[str, ...] = ()
    augment: str | None = None
    class_names: tuple[str, ...] = ()


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_DIGITS = tuple("0123456789")

KNOWN: Mapping[str, Known] = {
    "digits": Known("1,797 hand-written digits, 8x8 grey, 10 classes; comes with scikit-learn", 10, augment="none"),
    "mnist1d": Known("5,000 signals of 40 numbers, 10 classes; made by the package mnist1d", 10, augment="none"),
    "mnist": Known(
        "70,000 hand-written digits, 28x28 grey, 10 classes", 10, "ylecun/mnist", ("mnist", "MNIST"), "none", _DIGITS
    ),
    "fashion-mnist": Known(
        "70,000 garments, 28x28 grey, 10 classes",
        10,
        "zalando-datasets/fashion_mnist",
        ("fashion-mnist", "fashion_mnist", "FashionMNIST"),
        "none",
        _FASHION,
    ),
    "cifar10": Known("60,000 photographs, 32x32 colour, 10 classes", 10, "uoft-cs/cifar10", ("cifar10", "cifar-10")),
    "cifar100": Known(
        "60,000 photographs, 32x32 colour, 100 classes", 100, "uoft-cs/cifar100", ("cifar100", "cifar-100")
    ),
    "tiny-imagenet": Known(
        "110,000 photographs, 64x64 colour, 200 classes; its public validation set is the test set",
        200,
        "zh-plus/tiny-imagenet",
        ("tiny-imagenet-200", "tiny-imagenet"),
    ),
}


def names() -> Mapping[str, str]:
    """The names that `load` knows, each with one line about it."""
    return {name: known.about for name, known in KNOWN.items()} | {
        "PATH": "a folder of images (one sub-folder a class, perhaps within train/ val/ test/) or of parquet files",
        "FILE.py:NAME": "a dataset of yours, a (train, test) tuple of two, or a function that returns either",
        "hf:USER/NAME": "any image classification set on the Hugging Face hub that is stored as parquet",
    }


def load(
    name: str,
    *,
    root: str | Path | None = None,
    val: float = VAL,
    size: int | None = None,
    cache: str | Path | None = None,
) -> Data:
    """Find, decode and split a data set by its name (see `names`), its path, "hf:user/name" or "file.py:name".

    root: the folder that holds local copies; after it $SPARRING_DATA, ./data and the cache are searched, and then the
    hub is asked; val: the part of the training images held out for validation, the same rows for every seed, where the
    set has no validation part of its own (0 for no validation at all); size: scale each image until its shorter side
    has `size` pixels and cut size × size out of the middle, so that nothing is distorted; cache: where decoded arrays
    and downloads are kept, else $SPARRING_CACHE, else ~/.cache/sparring. Raises UserError for whatever the user must
    mend.
    """
    kept = cache_dir(cache)
    if ".py:" in str(name):
        return wrap(_own(str(name)), name=str(name), val=val, size=size, cache=kept)
    return build(_find(str(name), Path(root).expanduser() if root else None, kept), val=val, size=size, cache=kept)


def _find(name: str, root: Path | None, cache: Path) -> Found:
    if name == "digits":
        return read_digits()
    if name == "mnist1d":
        return read_mnist1d()
    if name in KNOWN:
        return _known(name, KNOWN[name], root, cache)
    if name.startswith("hf:"):
        return read_parquet(fetch(name.removeprefix("hf:"), cache, by_name=False), name, cache)
    path = Path(name).expanduser()
    if path.is_dir():
        own = path.resolve().name
        return replace(read_path(path, cache), name=f"./{own}" if own in KNOWN else own)
    if path.exists():
        raise UserError(f"{name} is a file: give the folder that holds the images or parquet files.")
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        raise UserError(f"The path {name} does not exist: check it, or give a data set's name ({', '.join(KNOWN)}).")
    near = [entry.name for entry in os.scandir() if entry.is_dir() and get_close_matches(name, [entry.name])]
    raise UserError(f"{name!r} is neither a known data set nor a folder. {did_you_mean(name, [*KNOWN, *near])}")


def _own(spec: str) -> Any:
    """The dataset, or the (train, test) tuple of two, that a Python file of the user's holds or makes."""
    found = imported(spec)
    if not inspect.isroutine(found) and not inspect.isclass(found):
        return found
    try:
        return found()
    except Exception as error:
        raise UserError(f"{spec} raised {type(error).__name__}: {error}. It is called without arguments.") from error


def read_path(path: Path, cache: Path, known: Known | None = None) -> Found:
    """Whatever lies in the folder `path`: parquet files, IDX files, tiny-imagenet-200 or images by class."""
    if is_tiny_imagenet(path):
        return read_tiny_imagenet(path, cache)
    if has_idx(path):
        return read_idx(path, path.resolve().name, known.class_names if known else ())
    if has_parquet(path):
        return read_parquet(path, path.resolve().name, cache)
    return read_folder(path, cache)


def _known(name: str, known: Known, root: Path | None, cache: Path) -> Found:
    if root is not None and not root.is_dir():
        raise UserError(f"The data root {root} does not exist: give the folder that holds {known.folders[0]}/.")
    folder = next(_copies(name, known, root, cache), None) or fetch(known.hub or "", cache, by_name=True)
    found = read_path(folder, cache, known)
    if len(found.class_names) != known.classes:
        raise UserError(
            f"The copy of {name} in {folder} has {len(found.class_names)} classes instead of {known.classes}: "
            "it is another data set."
        )
    return Found(name, found.class_names, found.splits, found.key, known.augment, found.carve_test)


def _copies(name: str, known: Known, root: Path | None, cache: Path) -> Iterator[Path]:
    """Every folder that seems to hold a copy of the known data set, the first choice first."""
    given = os.environ.get("SPARRING_DATA")
    for base in (root, Path(given).expanduser() if given else None, Path("data"), cache):
        if base is None:
            continue
        places = [base / folder for folder in known.folders]
        if base.name in known.folders:
            places.insert(0, base)
        for place in places:
            yield from (p for p in (place, place / "raw") if p.is_dir() and _holds_data(p))
    debian = DEBIAN / name
    if has_idx(debian):
        yield debian


def refuse_two_meanings(name: str, root: str | Path | None = None) -> None:
    """Raise UserError where `name` is a known data set's, and that of a folder of images that would be passed over.

    The folder may lie in the working directory or under `root`, where copies of known data sets lie. What is read as
    the known data set is no other, and a copy under the root that the user names is what they mean.
    """
    if name not in KNOWN:
        return
    known, root = KNOWN[name], Path(root).expanduser() if root else None
    copy = next(_copies(name, known, root, cache_dir()), None)
    if copy is not None and root is not None and copy.resolve().is_relative_to(root.resolve()):
        return
    under = [root / folder for folder in (name, *known.folders)] if root else []
    for folder in (*under, Path(name)):
        inside = {folder.resolve(), (folder / "raw").resolve()}
        if (copy is None or copy.resolve() not in inside) and _is_data(folder):
            shown = f"./{folder}" if len(folder.parts) == 1 else folder
            way = "give --data-root with the folder of a copy of it, or " if known.folders else ""
            raise UserError(
                f"{name} is a data set that comes by its name, and {shown} is a folder of data too: write {shown} for "
                f"the folder; for the data set {way}rename the folder."
            )


def _is_data(folder: Path) -> bool:
    return folder.is_dir() and (_holds_data(folder) or _holds_data(folder / "raw") or holds_pictures(folder))


def _holds_data(folder: Path) -> bool:
    return has_idx(folder) or is_tiny_imagenet(folder) or has_parquet(folder)
