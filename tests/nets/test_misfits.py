"""Names, files and networks that cannot do are told in a sentence, and nothing in them is run."""

import os
import pickle

import pytest
import torch
from made import DATA, same
from safetensors.torch import save_file
from torch import nn

from sparring.core import Network, UserError
from sparring.nets import build, classes_of, load, save, wrap


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/sparring-was-here",)


def wrong_files(folder):
    """One file of every kind that must be refused; → {name: path}."""
    net = load("resnet8", **DATA)
    state = net.body.state_dict()
    torch.save({**state, "evil": Evil()}, folder / "evil.pt")
    (folder / "evil.safetensors").write_bytes(pickle.dumps(Evil()))
    (folder / "old.pkl").write_bytes(pickle.dumps(Evil()))
    (folder / "bytes.pt").write_bytes(bytes(range(129, 256)))
    (folder / "cut.pt").write_bytes((folder / "evil.pt").read_bytes()[:1000])
    (folder / "text.pt").write_text("not weights")
    (folder / "text.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (folder / "empty.pt").write_bytes(b"")
    torch.save([1, 2], folder / "list.pt")
    save(net, folder / "whole.safetensors")
    whole = (folder / "whole.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file({"w": torch.zeros(1)}, folder / "bare.safetensors")
    save_file({"w": torch.zeros(1)}, folder / "odd.safetensors", metadata={"network": '{"spec": 3}'})
    torch.save(build("resnet8", **{**DATA, "classes": 10}).body.state_dict(), folder / "ten.pt")
    torch.save({k: v for k, v in state.items() if "layer3" not in k} | {"extra.w": torch.zeros(1)}, folder / "part.pt")
    torch.save({**state, "conv1.weight": torch.zeros(16, 1, 3, 3)}, folder / "grey.pt")
    (folder / "nothing").mkdir()


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("resnet8@none.pt", r"the weights file .*none\.pt does not exist; check the part after @"),
        (
            "resnet8@evil.pt",
            r"holds more than tensors \(\w+\.system\), and opening that could run code, so it was not opened; save the",
        ),
        ("resnet8@evil.safetensors", r"is no safetensors file, but may be one of PyTorch's: let its name end in \.pt"),
        ("resnet8@cut.safetensors", r"cut\.safetensors is cut short or damaged \(.*\); fetch it again"),
        ("resnet8@cut.pt", r"the weights file cut\.pt is cut short or damaged; fetch it again, or save it again"),
        ("resnet8@old.pkl", r"old\.pkl holds more than tensors, and opening that could run code, so it was not"),
        ("resnet8@bytes.pt", r"bytes\.pt is no weights file of PyTorch's; check the path"),
        ("resnet8@nothing", r"the directory nothing holds no student\.safetensors, so it is no finished run"),
        ("resnet8@text.safetensors", r"text\.safetensors is a text file \(it begins with 'version https"),
        ("resnet8@text.pt", r"text\.pt is a text file \(it begins with 'not weights'\) and no weights file"),
        ("resnet8@empty.pt", r"the weights file empty\.pt is empty; fetch it again"),
        ("resnet8@list.pt", r"holds no weights: expected tensors by name"),
        ("resnet8@ten.pt", r"answers 10 classes, but 5 are asked for; take weights trained on data with 5 classes"),
        (
            "resnet8@part.pt",
            r"do not fit the network: 15 missing \(layer3.*, …\); 1 unexpected \(extra\.w\)\. Nothing was loaded",
        ),
        ("resnet8@grey.pt", r"the weights in grey\.pt take images of 1 channels, but these have 3"),
        ("resnet20@whole.safetensors", r"\d+ missing \(layer1"),
        ("bare.safetensors", r"does not say which network its weights belong to; give NAME@"),
        ("odd.safetensors", r"does not describe its network in a way this version understands"),
        ("none.safetensors", r"the weights file .*none\.safetensors does not exist"),
        ("nothing", r"the directory .*nothing holds no student\.safetensors"),
        ("resnet8@", r"is not the name of a network; write NAME or NAME@weights"),
        ("resnt8", r"no network is called '.*resnt8'"),
        ("mine.py", r"names no class or function of the file; give path/to/file\.py:callable"),
        ("mine.py:", r"names no class or function of the file"),
        ("none.py:f", r"the Python file .*none\.py does not exist"),
        ("mine.py:fiev", r"has no 'fiev'\. Did you mean 'five'\?"),
        ("mine.py:WIDTHS", r"mine\.py:WIDTHS is tuple; give a class or function that makes a network"),
        ("mine.py:broken", r"mine\.py:broken raised RuntimeError: out of cheese"),
        ("mine.py:number", r"mine\.py:number returned int; it must return a torch\.nn\.Module"),
        (
            "mine.py:flat",
            r"mine\.py:flat does not answer with logits: the network returned a tensor of shape",
        ),
        ("syntax.py:f", r"syntax\.py could not be run: SyntaxError"),
    ],
)
def test_mistakes_are_told(spec, sentence, file, tmp_path, monkeypatch, recwarn):
    wrong_files(tmp_path)
    (tmp_path / "syntax.py").write_text("def f(:")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=sentence):
        load(spec, **DATA)
    assert not os.path.exists("/tmp/sparring-was-here")
    assert not [str(warning.message) for warning in recwarn if "pickle" in str(warning.message)]


def test_a_run_for_other_data_is_refused(file, tmp_path):
    net = load(f"{file}:ten", **DATA)
    save(net, tmp_path / "student.safetensors")
    with pytest.raises(UserError, match=r"student\.safetensors answers 5 classes, but 7 are asked for"):
        load(str(tmp_path), **{**DATA, "classes": 7})
    with pytest.raises(UserError, match=r"trained on images of 3 channels, but these have 1; give it data"):
        load(str(tmp_path), **{**DATA, "shape": (1, 16, 16)})
    with pytest.raises(UserError, match=r"knows its network's options, but patch was given"):
        load(str(tmp_path), **DATA, patch=3)
    same(net, load(str(tmp_path), **{**DATA, "shape": (3, 20, 20)}))
    file.unlink()
    with pytest.raises(UserError, match=r"mine\.py:ten, which is no longer there; give path/to/file\.py:ten@"):
        load(str(tmp_path), **DATA)


def test_a_run_of_a_perceptron_refuses_other_sizes(tmp_path):
    save(load("mlp-16", **DATA), tmp_path / "student.safetensors")
    with pytest.raises(UserError, match=r"mlp-16 does not answer images of shape \(3, 20, 20\) \(RuntimeError: mat1"):
        load(str(tmp_path), **{**DATA, "shape": (3, 20, 20)})


def test_what_is_missing_is_asked_for(file):
    with pytest.raises(UserError, match=r"'resnet8' does not say what it was made for; give classes= and shape="):
        load("resnet8")
    with pytest.raises(UserError, match=r"five answers 5 classes, but 7 are asked for; let it take num_classes="):
        load(f"{file}:five", **{**DATA, "classes": 7})
    with pytest.raises(UserError, match=r"cannot be written down \(.*not JSON serializable\)"):
        load(f"{file}:Tiny", **DATA, width=torch.tensor(4))


def taking(channels):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("net", "given", "sentence"),
    [
        (
            taking(3),
            1,
            r"takes colour images \(3 channels\), .* grey images \(1 channel\): save them as RGB, or .*",
        ),
        (
            taking(1),
            3,
            r"takes grey images \(1 channel\), .* colour images \(3 channels\): save .* as grey.*x\.mean",
        ),
        (taking(3), 4, r"takes colour images .*, but these are images of 4 channels: give a network made for 4"),
        (taking(2), 3, r"does not answer images of shape \(3, 8, 8\) \(RuntimeError: .*another size="),
        (taking(3).double(), 3, r"has weights of torch\.float64, but images are float32: give net\.float\(\)"),
        (
            nn.Sequential(nn.Flatten(0)),
            3,
            r"does not answer with logits: the network returned a tensor of shape \(384,\)",
        ),
    ],
)
def test_images_of_another_kind(net, given, sentence):
    net[1:].eval()  # a part that someone keeps in eval mode
    modes = [module.training for module in net.modules()]
    with pytest.raises(UserError, match=f"^the teacher {sentence}"):
        classes_of(Network(net, mean=(0.5,) * given, std=(0.2,) * given), (given, 8, 8), "the teacher")
    assert modes == [module.training for module in net.modules()]


def test_a_class_is_no_network():
    with pytest.raises(UserError, match=r"must be a torch\.nn\.Module, but function was given; call it first"):
        wrap(taking, mean=(0,), std=(1,))
