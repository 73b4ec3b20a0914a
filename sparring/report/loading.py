"""How an exported student is used: a few lines of Python for each of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ONNX = """\
import json

import numpy as np
import onnxruntime

net = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
names = json.loads(net.get_modelmeta().custom_metadata_map["class_names"])
pixels = np.zeros({shape}, np.float32)  # yours, in [0, 1]
(logits,) = net.run(["{output}"], {{"{input}": pixels}})
print([names[best] for best in logits.argmax(1)])"""
TORCH = """\
import json

import torch

kept = {{"class_names.json": ""}}
net = torch.export.load("{file}", extra_files=kept).module()
names = json.loads(kept["class_names.json"])
pixels = torch.zeros{shape}  # yours, in [0, 1]
with torch.inference_mode():
    logits = net(pixels)
print([names[best] for best in logits.argmax(1)])"""
SPARRING = """\
import torch
from sparring import nets

net = nets.load("{file}").eval()
names = nets.origin_of(net).class_names
pixels = torch.zeros{shape}  # yours, in [0, 1]; the network normalises them
with torch.inference_mode():
    logits = net(pixels).logits
print([names[best] for best in logits.argmax(1)])"""
OWN = """\
import json

import torch
from safetensors import safe_open
from safetensors.torch import load_model
{imported}
net = {call}{as_made}
load_model(net, "{file}")
net.eval()
with safe_open("{file}", "pt") as opened:
    names = json.loads(opened.metadata()["network"])["class_names"]
mean, std = (torch.tensor(each).view(-1, 1, 1) for each in ({mean}, {std}))
pixels = torch.zeros{shape}  # yours, in [0, 1]
with torch.inference_mode():
    logits = net((pixels - mean) / std)
print([names[best] for best in logits.argmax(1)])"""


def snippets(told: Mapping[str, Any]) -> dict[str, str]:
    """For each file that export.json tells of, under what it needs, the lines that load and ask it."""
    _, *sides = told["input"]["shape"]
    common = {"shape": (1, *sides), "input": told["input"]["name"], "output": told["output"]["name"]}
    common |= {"mean": told["mean"], "std": told["std"]}
    found = {}
    for form, each in told["files"].items():
        needs, code = {"onnx": ("With onnxruntime alone", ONNX), "torch": ("With PyTorch alone", TORCH)}.get(
            form, _weights(told["own_class"])
        )
        found[f"{needs}, `{each['file']}`"] = code.format(file=each["file"], **common, **_made(told["own_class"]))
    return found


def _weights(own: Mapping[str, Any] | None) -> tuple[str, str]:
    """What weights alone are used with."""
    return ("With sparring", SPARRING) if own is None else ("With your own class", OWN)


def _made(own: Mapping[str, Any] | None) -> dict[str, str]:
    """How the class is come by that weights alone are of."""
    if own is None:
        return {}
    call, file = own["call"], own["file"]
    if file is None:
        return {"imported": "", "call": call, "as_made": "  # your class, made as it was for the training"}
    path = Path(file)
    return {
        "imported": f"from {path.stem} import {call.partition('(')[0]}  # {path.name}\n",
        "call": call,
        "as_made": "",
    }
