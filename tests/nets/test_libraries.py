"""Networks of timm, torchvision and transformers: skipped where the extras are not installed. Nothing is downloaded."""

import importlib.util
import json
import sys

import pytest
import torch

from sparring.core import UserError
from sparring.nets import load, save, vision

DATA = {"classes": 5, "shape": (3, 32, 32), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.21, 0.22)}
IMAGENET = (0.485, 0.456, 0.406)


def needs(library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    vision.mend_torchvision()
    return pytest.importorskip(library)


def comes_back(net, folder):
    again = load(str(save(net, folder / "student.safetensors")))
    mine, yours = net.state_dict(), again.state_dict()
    assert all(torch.equal(mine[k], yours[k]) for k in mine)
    assert (again.origin.spec, again.origin.mean) == (net.origin.spec, net.origin.mean)
    x = torch.rand(2, *DATA["shape"])
    close = {
        "atol": 1e-6,
        "rtol": 0,
    }  # transformers 4.48 comes back with another kind of attention
    torch.testing.assert_close(net.eval()(x).logits, again.eval()(x).logits, **close)
    return again


@pytest.mark.parametrize("name", ["resnet10t", "test_vit"])
def test_timm(name, tmp_path):
    needs("timm")
    net = load(f"timm:{name}", **DATA)
    assert net.origin.mean == DATA["mean"]  # untrained: the data's
    assert not net.origin.trained
    comes_back(net, tmp_path)
    net = load(f"timm:{name}@{tmp_path}", **DATA)
    assert net.origin.trained
    assert net(torch.rand(2, 3, 32, 32)).logits.shape == (2, 5)


def test_timm_grey():
    needs("timm")
    net = load("timm:test_resnet", classes=5, shape=(1, 28, 28), mean=(0.1,), std=(0.3,))
    assert net(torch.rand(2, 1, 28, 28)).logits.shape == (2, 5)


def test_pretrained_timm_brings_its_head_and_normalisation(monkeypatch):
    timm = needs("timm")
    made = timm.create_model

    def with_weights(name, *, pretrained, **more):  # as if downloaded: the library's head stays
        assert pretrained
        assert "num_classes" not in more
        return made(name, pretrained=False, **more)

    monkeypatch.setattr(timm, "create_model", with_weights)
    net = load("timm:resnet10t@pretrained", **{**DATA, "classes": 1000})
    assert net.origin.mean == IMAGENET
    assert net.origin.trained
    assert net.origin.spec == "timm:resnet10t"
    with pytest.raises(UserError, match=r"timm:resnet10t answers 1000 classes, but 5 are asked for; take weights"):
        load("timm:resnet10t@pretrained", **DATA)
    grey = load("timm:resnet10t@pretrained", classes=1000, shape=(1, 32, 32), mean=(0.1,), std=(0.3,))
    assert grey.origin.mean == (0.1,)


def test_a_backbone_brings_its_normalisation_and_gets_a_new_head(monkeypatch, tmp_path):
    timm = needs("timm")
    made, asked = timm.create_model, []

    def with_weights(name, *, pretrained, **more):
        asked.append((pretrained, more.get("num_classes")))
        return made(name, pretrained=False, **more)

    monkeypatch.setattr(timm, "create_model", with_weights)
    net = load("timm:resnet10t@backbone", **DATA)
    assert asked == [(True, 5)]
    assert net.origin.mean == IMAGENET
    assert not net.origin.trained  # as a teacher it would know nothing of these classes
    monkeypatch.setattr(timm, "create_model", made)
    assert comes_back(net, tmp_path).origin.spec == "timm:resnet10t"


def test_pretrained_without_a_network(monkeypatch):
    timm = needs("timm")

    def offline(*_args, **_more):
        raise OSError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        UserError, match=r"weights of timm:resnet10t could not be had \(Name or service.*@weights\.safe"
    ):
        load("timm:resnet10t@pretrained", **DATA)


def test_torchvision(tmp_path):
    needs("torchvision")
    net = load("torchvision:shufflenet_v2_x0_5", **DATA)
    comes_back(net, tmp_path)
    from sparring.nets.vision import torchvision_normalisation

    assert torchvision_normalisation("resnet18")[0] == IMAGENET


@pytest.mark.parametrize(
    ("spec", "options", "sentence"),
    [
        ("timm:resnet81", {}, r"timm has no network 'resnet81'\. Did you mean 'resnet18'\?"),
        ("timm:hf-hub:me/net", {}, r"is not a name in timm; repositories of the hub are not supported here"),
        ("timm:resnet10t", {"nonsense": 1}, r"timm:resnet10t could not be made \(TypeError"),
        ("timm:resnet10t", {"pretrained": True}, r"name weights after an @ instead: timm:resnet10t@pretrained"),
        ("torchvision:resnet81", {}, r"torchvision has no classifier 'resnet81'\. Did you mean 'resnet18'\?"),
        ("torchvision:vit_b_32", {}, r"torchvision:vit_b_32 does not answer images of shape \(3, 32, 32\)"),
    ],
)
def test_mistakes_are_told(spec, options, sentence):
    needs(spec.partition(":")[0])
    with pytest.raises(UserError, match=sentence):
        load(spec, **DATA, **options)


@pytest.fixture
def hf_folder(tmp_path):
    """A tiny ViT for 5 classes, as `save_pretrained` leaves it."""
    transformers = needs("transformers")
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.AutoConfig.for_model("vit", image_size=32, patch_size=16, num_labels=5, **size)
    transformers.AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path / "hf")
    return tmp_path / "hf"


def test_hf_folder(hf_folder, tmp_path):
    net = load(f"hf:{hf_folder}", **DATA)
    assert net.origin.trained
    assert net.origin.mean == DATA["mean"]  # no processor beside it
    for file in hf_folder.iterdir():
        file.rename(tmp_path / file.name)  # what we saved needs the folder no more
    comes_back(net, tmp_path)


def test_hf_processor_normalises(hf_folder):
    told = {"image_processor_type": "ViTImageProcessor", "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (hf_folder / "preprocessor_config.json").write_text(json.dumps(told))
    net = load(f"hf:{hf_folder}", **DATA)
    assert (net.origin.mean, net.origin.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    (hf_folder / "preprocessor_config.json").write_text(json.dumps({**told, "do_normalize": False}))
    assert load(f"hf:{hf_folder}", **DATA).origin.mean == (0.0,)


def test_hf_mistakes(hf_folder, tmp_path, monkeypatch):
    transformers = needs("transformers")
    with pytest.raises(UserError, match=r"hf:.* answers 5 classes, but 7 are asked for"):
        load(f"hf:{hf_folder}", **{**DATA, "classes": 7})
    with pytest.raises(
        UserError, match=r"does not answer images of shape \(3, 48, 48\) \(ValueError: Input image size"
    ):
        load(f"hf:{hf_folder}", **{**DATA, "shape": (3, 48, 48)})
    with pytest.raises(UserError, match=r"takes no options, but dropout was given"):
        load(f"hf:{hf_folder}", **DATA, dropout=0.1)
    transformers.ViTModel(transformers.AutoConfig.from_pretrained(hf_folder)).save_pretrained(tmp_path / "headless")
    with pytest.raises(UserError, match=r"lacks 2 of the weights an image classifier needs \(classifier\.bias, "):
        load(f"hf:{tmp_path}/headless", **DATA)
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError, match=r"the folder .*void is no image classifier that transformers can read"):
        load(f"hf:{tmp_path}/void", **DATA)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"hf:nobody/nothing could not be had .* give a local folder: hf:path"):
        load("hf:nobody/nothing", **DATA)


@pytest.mark.parametrize(
    ("spec", "module", "extra"),
    [
        ("timm:resnet18", "timm", "vision"),
        ("torchvision:resnet18", "torchvision.models", "vision"),
        ("hf:x/y", "transformers", "hf"),
    ],
)
def test_a_missing_extra_is_named(spec, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # as if not installed
    with pytest.raises(UserError, match=rf"{module} is needed .*pip install 'sparring\[{extra}\]'"):
        load(spec, **DATA)


def test_own_networks_import_no_library():
    import subprocess

    code = "import sys, sparring.nets as n; n.load('mlp-16', classes=5, shape=(1, 8, 8)); print(sorted(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not any(f"'{name}'" in told for name in ("timm", "torchvision", "transformers"))
