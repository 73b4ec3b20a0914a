"""Weights: reading a file without running what is in it, and putting them into a module completely or not at all."""

from __future__ import annotations

import codecs
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sparring.core import UserError
from sparring.files import ADVICE, atomic

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "student")  # under which checkpoints keep the weights
PREFIXES = ("_orig_mod.", "module.", "body.", "model.", "net.")  # put before every key by compile, DDP and trainers
ZIP, PICKLE = b"PK\x03\x04", b"\x80"  # how the files of torch.save begin, today's and those before 1.6
SPELLINGS = (  # how the released CRD and mdistiller checkpoints, and common CIFAR code, spell our layers
    ("downsample.", "shortcut."),
    ("convShortcut.", "shortcut."),
    (".layer.", "."),
    ("classifier.0.", "classifier."),
    ("linear.", "fc."),
)


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a .safetensors, .pt or .pth file, by name, and its metadata (empty for the latter two)."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"the weights file {path} does not exist; check the part after @")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_pickle(path), {}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as wrong:
        raise _foreign(path, wrong) from wrong


def _foreign(path: Path, wrong: Exception) -> UserError:
    """The error for a file that is not whole, or not of its ending's kind."""
    head = _head(path)
    if not head:
        return UserError(f"the weights file {path} is empty; fetch it again, or save it again")
    if _is_text(head):
        begins = head.decode("utf-8", "ignore").strip().splitlines()[0][:60]
        return UserError(f"{path} is a text file (it begins with {begins!r}) and no weights file; fetch it again")
    safe, of_torch = path.suffix == ".safetensors", head.startswith((ZIP, PICKLE))
    if safe and of_torch:
        return UserError(f"{path} is no safetensors file, but may be one of PyTorch's: let its name end in .pt")
    if safe or of_torch:
        said = f" ({str(wrong).rpartition(': ')[2]})" if safe else ""
        return UserError(f"the weights file {path} is cut short or damaged{said}; fetch it again, or save it again")
    return UserError(f"{path} is no weights file of PyTorch's; check the path, or save it with torch.save")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(200)
    except OSError as wrong:
        raise UserError(f"cannot read {path}: {wrong.strerror}; check the file") from wrong


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut in two
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and all(letter.isprintable() or letter.isspace() for letter in text)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():  # torch warns of an unusual pickle before it refuses it
            warnings.simplefilter("ignore")
            told = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as wrong:  # damaged bytes make the unpickler raise errors of many kinds
        if isinstance(wrong, pickle.UnpicklingError) and _head(path).startswith((ZIP, PICKLE)):
            found = re.search(r"GLOBAL (\S+)", str(wrong))
            named = f" ({found[1]})" if found else ""
            raise UserError(
                f"{path} holds more than tensors{named}, and opening that could run code, so it was not opened; save "
                "the weights alone, with torch.save(net.state_dict(), ...) or as safetensors"
            ) from wrong
        raise _foreign(path, wrong) from wrong
    while isinstance(told, Mapping) and (inner := [k for k in WRAPPERS if isinstance(told.get(k), Mapping)]):
        told = told[inner[0]]
    if not isinstance(told, Mapping) or not any(isinstance(value, Tensor) for value in told.values()):
        raise UserError(
            f"{path} holds no weights: expected tensors by name, or these under one of {', '.join(WRAPPERS)}; "
            "save torch.save(net.state_dict(), ...)"
        )
    return {str(name): value for name, value in told.items() if isinstance(value, Tensor)}


def put(module: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Load `tensors` into `module`; every tensor must find its place and every place its tensor, or nothing is loaded.

    Nothing is ever re-initialised in silence. `where` names the source in errors.
    """
    places = module.state_dict()
    tensors = _respelt(tensors, places)
    for group in _tied(places):  # a tied weight is stored once: hand it to all its names
        if have := next((name for name in group if name in tensors), None):
            tensors |= {name: tensors[have] for name in group if name not in tensors}
    missing = [k for k in places if k not in tensors and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in tensors if k not in places]
    misshapen = {k: (v, places[k]) for k, v in tensors.items() if k in places and v.shape != places[k].shape}
    if misshapen and not missing and not unexpected:
        _refuse_other_classes(misshapen, where)
        _refuse_other_channels(misshapen, where)
    if missing or unexpected or misshapen:
        shapes = [f"{k} {tuple(a.shape)} for {tuple(b.shape)}" for k, (a, b) in misshapen.items()]
        faults = [_few("missing", missing), _few("unexpected", unexpected), _few("of another shape", shapes)]
        raise UserError(
            f"the weights in {where} do not fit the network: {'; '.join(filter(None, faults))}. "
            "Nothing was loaded; name the network and options they were made with"
        )
    module.load_state_dict(tensors, strict=False)


def _few(kind: str, names: list[str]) -> str:
    return f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})" if names else ""


def _refuse_other_classes(misshapen: Mapping[str, tuple[Tensor, Tensor]], where: object) -> None:
    rows = {
        (given.shape[0], place.shape[0]) if given.ndim and place.ndim and given.shape[1:] == place.shape[1:] else None
        for given, place in misshapen.values()
    }
    if len(misshapen) <= 2 and len(rows) == 1 and (pair := rows.pop()):
        raise other_classes(where, *pair)


def _refuse_other_channels(misshapen: Mapping[str, tuple[Tensor, Tensor]], where: object) -> None:
    """Refuse weights whose first convolution alone is of another shape, and there only in the channels it takes."""
    if len(misshapen) == 1:
        ((given, place),) = ((tuple(a.shape), tuple(b.shape)) for a, b in misshapen.values())
        alike = len(given) == len(place) == 4 and given[:1] + given[2:] == place[:1] + place[2:]
        if alike and {given[1], place[1]} == {1, 3}:
            raise UserError(
                f"the weights in {where} take images of {given[1]} channels, but these have {place[1]} "
                "(1 is grey, 3 is colour): give images or weights of the other kind"
            )


def other_classes(where: object, given: int, wanted: int) -> UserError:
    """The error for a trained network whose number of classes is not the data's."""
    return UserError(
        f"{where} answers {given} classes, but {wanted} are asked for; "
        f"take weights trained on data with {wanted} classes, or train this network on your data first"
    )


def _respelt(tensors: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` without the prefixes that wrappers put before every key, and with other spellings translated."""
    again = True
    while again:
        again = False
        for prefix in PREFIXES:
            wrapped = tensors and all(k.startswith(prefix) for k in tensors)
            if wrapped and not any(k.startswith(prefix) for k in places):
                tensors, again = {k.removeprefix(prefix): v for k, v in tensors.items()}, True
    return {_translated(k, places, tensors): v for k, v in tensors.items()}


def _translated(key: str, places: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    if key in places:
        return key
    ours = key
    for theirs, mine in SPELLINGS:
        ours = ours.replace(theirs, mine)
        if ours in places and ours not in tensors:
            return ours
    return key


def _tied(places: Mapping[str, Tensor]) -> Iterable[list[str]]:
    """Groups of names that are one and the same tensor in memory."""
    groups: dict[Any, list[str]] = {}
    for name, tensor in places.items():
        if tensor.numel() and tensor.device.type != "meta":
            same = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
            groups.setdefault(same, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def write(module: nn.Module, path: Path, notes: Mapping[str, str], *, advice: str = ADVICE) -> None:
    """Write the state of `module` and string `notes` as safetensors; the file appears whole or not at all.

    Tied tensors are written once; channels-last ones are made contiguous, as the format demands.
    """
    state = {name.replace("_orig_mod.", ""): value for name, value in module.state_dict().items()}
    if odd := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise UserError(f"{odd[0]} in the network's state is not a tensor and cannot be kept in a weights file")
    repeated = {name for group in _tied(state) for name in group[1:]}
    write_tensors({name: value for name, value in state.items() if name not in repeated}, path, notes, advice=advice)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, notes: Mapping[str, str], *, advice: str = ADVICE) -> None:
    """Write tensors by name and string `notes` as safetensors; the file appears whole or not at all."""
    copies = {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    with atomic(path, advice=advice) as unfinished:
        unfinished.write_bytes(save(copies, metadata=dict(notes)))
