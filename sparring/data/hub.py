"""Fetching public data sets from the Hugging Face hub."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from sparring.core import UserError
from sparring.files import atomic

_WAIT = 20  # seconds without an answer that mean there is no network


def fetch(repository: str, cache: Path, *, by_name: bool) -> Path:
    """The folder of a hub data set's parquet files, downloaded into the cache where they are not there yet.

    repository: "user/name"; by_name: the user gave a data set's name, not "hf:…", so advice speaks of local copies.
    Uses huggingface_hub where it is installed (private sets, tokens), else plain HTTP for sets known by name.
    Raises UserError where there is no network, no such set, or no huggingface_hub for an "hf:" name.
    """
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UserError(f"'hf:{repository}' names no data set on the hub: write hf:user/name.")
    folder = cache / "hub" / repository.replace("/", "--")
    if (folder / "complete").is_file():
        return folder
    installed = find_spec("huggingface_hub") is not None
    if not installed and not by_name:
        raise UserError(f"Reading hf:{repository} needs huggingface_hub: pip install huggingface_hub.")
    try:
        (_by_library if installed else _by_http)(repository, folder)
        (folder / "complete").touch()
    except UserError:
        raise
    except Exception as error:
        raise _failed(repository, by_name, error) from None
    return folder


def _by_library(repository: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download  # pyright: ignore[reportMissingImports]

    snapshot_download(repository, repo_type="dataset", allow_patterns="*.parquet", local_dir=folder)
    if next(folder.rglob("*.parquet"), None) is None:
        raise UserError(f"hf:{repository} holds no parquet files: export it as parquet, or give a local folder.")


def _by_http(repository: str, folder: Path) -> None:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    with urlopen(f"{hub}/api/datasets/{repository}", timeout=_WAIT) as answer:
        files = [item["rfilename"] for item in json.load(answer)["siblings"]]
    for file in (file for file in files if file.endswith(".parquet")):
        target = (folder / file).resolve()
        if folder.resolve() in target.parents and not target.is_file():
            address = f"{hub}/datasets/{repository}/resolve/main/{quote(file)}"
            with urlopen(address, timeout=_WAIT) as answer, atomic(target) as part, part.open("wb") as out:
                shutil.copyfileobj(answer, out)


def _failed(repository: str, by_name: bool, error: Exception) -> UserError:
    status = error.code if isinstance(error, HTTPError) else getattr(getattr(error, "response", None), "status_code", 0)
    if status in (401, 403, 404):
        return UserError(f"The hub does not give out the data set {repository} (HTTP {status}): check its name.")
    if isinstance(error, OSError) and error.filename:
        return UserError(f"Cannot store {repository} in {error.filename} ({error.strerror}): choose another cache.")
    advice = "with --data-root point to a folder that holds a copy" if by_name else "give the path of a local copy"
    return UserError(
        f"Cannot fetch {repository} from the Hugging Face hub: there seems to be no network "
        f"({type(error).__name__}). Connect, or {advice}."
    )
