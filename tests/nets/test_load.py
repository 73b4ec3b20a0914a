"""Names, files and runs → networks; what was saved comes back bit for bit."""

import json
import os

import pytest
import torch
from made import DATA, NET, moved, same
from safetensors.torch import load_file
from torch import nn

from sparring.core import Network, UserError
from sparring.nets import load, origin_of, save, wrap


@pytest.mark.parametrize(
    "spec", ["resnet8", "wrn-16-1", "mobilenetv2", "mlp-16", "orbit-mlp", "{file}:Tiny", "{file}:ten", "{file}:ready"]
)
def test_a_run_comes_back_bit_for_bit(spec, file, tmp_path):
    net = moved(load(spec.format(file=file), **DATA))
    (tmp_path / "run").mkdir()
    path = save(net, tmp_path / "run", class_names=["a", "b", "c", "d", "e"])
    assert path == tmp_path / "run" / "student.safetensors"
    assert sorted(os.listdir(tmp_path / "run")) == ["student.safetensors"]
    again = load(str(tmp_path / "run"))
    same(net, again)
    assert again.name == again.origin.spec == spec.format(file=file)
    assert again.origin.trained
    assert again.origin.class_names == ("a", "b", "c", "d", "e")
    assert (again.origin.classes, again.origin.shape, again.origin.mean) == (5, (3, 16, 16), DATA["mean"])
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(net.eval()(x).logits, again.eval()(x).logits)
    same(net, load(str(path), **DATA))


def test_options_come_back(tmp_path):
    net = load("vit-cifar", **DATA, patch=8, dim=16, depth=1, heads=2, mlp=8)
    again = load(str(save(net, tmp_path / "student.safetensors")))
    same(net, again)
    same(net, load(f"vit-cifar@{tmp_path}", **DATA))


def test_channels_last_and_metadata(tmp_path):
    net = load("resnet8", **DATA).to(memory_format=torch.channels_last)
    path = save(net, tmp_path / "deep" / "er" / "w.safetensors")
    same(net, load(f"resnet8@{path}", **DATA))
    from safetensors import safe_open

    with safe_open(path, "pt") as held:
        notes = held.metadata()
    told = json.loads(notes["network"])
    assert {k: told[k] for k in ("spec", "classes", "shape", "class_names")} == {
        "spec": "resnet8",
        "classes": 5,
        "shape": [3, 16, 16],
        "class_names": None,
    }


def test_tied_weights_are_stored_once(tmp_path):
    (tmp_path / "tied.py").write_text(
        "from torch import nn\n"
        "def tied():\n"
        "    a, b = nn.Linear(16, 16), nn.Linear(16, 16)\n"
        "    b.weight = a.weight\n"
        "    first = nn.Sequential(nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Linear(48, 16))\n"
        "    return nn.Sequential(*first, a, b, nn.Linear(16, 5))\n"
    )
    net = load(f"{tmp_path}/tied.py:tied", **DATA)
    path = save(net, tmp_path / "w.safetensors")
    assert len(load_file(path)) == len(net.body.state_dict()) - 1
    again = load(str(path))
    same(net, again)
    assert again.body[3].weight is again.body[4].weight


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    net = load("mlp-16", **DATA)
    path = save(net, tmp_path / "w.safetensors")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UserError, match=r"cannot write .*w\.safetensors: disk full; make room there"):
        save(moved(net), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "body.", "module.body.", "_orig_mod."])
def test_checkpoints_of_other_trainers(wrapper, prefix, tmp_path):
    net = moved(load("resnet8", **DATA))
    state = {prefix + k: v for k, v in net.body.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "w.pth")
    got = load(f"resnet8@{tmp_path}/w.pth", **DATA)
    same(net, got)
    assert got.origin.trained


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("resnet8x4", {"shortcut.": "downsample."}),
        ("resnet10-xs", {"fc.": "linear."}),
        ("wrn-16-2", {"shortcut.": "convShortcut.", "block1.": "block1.layer.", "block2.": "block2.layer."}),
        ("mobilenetv2", {"classifier.": "classifier.0."}),
    ],
)
def test_spellings_of_released_checkpoints(name, theirs, tmp_path):
    net = moved(load(name, **DATA))
    state = net.body.state_dict()
    for mine, other in theirs.items():
        state = {k.replace(mine, other): v for k, v in state.items()}
    torch.save({"model": state}, tmp_path / "w.pth")
    same(net, load(f"{name}@{tmp_path}/w.pth", **DATA))


def test_a_network_of_ones_own_inside_body_keeps_its_prefix(tmp_path):
    (tmp_path / "b.py").write_text(
        "from torch import nn\n"
        "class B(nn.Module):\n"
        "    def __init__(self):\n        super().__init__(); self.body = nn.Linear(768, 5)\n"
        "    def forward(self, x): return {'logits': self.body(x.flatten(1))}\n"
    )
    net = load(f"{tmp_path}/b.py:B", **DATA)
    same(net, load(f"{tmp_path}/b.py:B@{save(net, tmp_path / 'w.safetensors')}", **DATA))


def test_weights_from_a_run_bring_their_normalisation(tmp_path):
    save(load("resnet8", **DATA), tmp_path / "w.safetensors")
    net = load(f"resnet8@{tmp_path}/w.safetensors", **{**DATA, "mean": (0, 0, 0), "std": (1, 1, 1)})
    assert net.origin.mean == DATA["mean"]


def test_wrap(tmp_path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
    net = wrap(module, mean=(0.5,), std=(0.2,))
    assert isinstance(net, Network)
    assert net.body is module
    assert wrap(net, mean=(0,), std=(1,)) is net
    assert origin_of(Network(module, mean=(0.25,))).mean == (0.25,)
    path = save(net, tmp_path / "student.safetensors")
    with pytest.raises(UserError, match=r"whose class it cannot know; give it as path/to/file\.py:callable@.*student"):
        load(str(tmp_path))
    (tmp_path / "m.py").write_text(
        "from torch import nn\nmake = lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 5))"
    )
    again = load(f"{tmp_path}/m.py:make@{path}", classes=5, shape=(3, 16, 16))
    same(net, again)
    with pytest.raises(UserError, match=r"must be a torch\.nn\.Module, but int was given"):
        wrap(3, mean=(0,), std=(1,))


def test_a_users_file_may_import_its_neighbour_and_be_lazy(file):
    (file.parent / "neighbour.py").write_text("from torch import nn\nclass N(nn.Flatten): ...")
    (file.parent / "more.py").write_text(
        "from torch import nn\nfrom neighbour import N\ndef f(): return nn.Sequential(N(), nn.Linear(768, 5))"
    )
    assert load(f"{file.parent}/more.py:f", **DATA).origin.spec == f"{file.parent.resolve()}/more.py:f"
    lazy = load(f"{file}:lazy", **DATA)
    assert lazy.body[1].weight.shape == (5, 768)
    save(lazy, file.parent / "run.safetensors")
    same(lazy, load(str(file.parent / "run.safetensors")))  # without a word on its images, as a run is read back


def test_trying_a_network_out_leaves_no_trace(file):
    file.write_text(NET.replace("ready = Tiny(5)", ""))
    torch.manual_seed(0)
    net = load(f"{file}:ten", **DATA)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    by_hand = type(net.body)(5)
    assert torch.equal(drawn, torch.rand(1))
    same(Network(by_hand, mean=DATA["mean"], std=DATA["std"]), net)
    assert all(m.training for m in net.modules())


def test_a_folder_with_a_networks_name_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "mlp-16").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("mlp-16", **DATA).origin.spec == "mlp-16"
