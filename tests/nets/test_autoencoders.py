"""Autoencoders in files: the same again bit for bit, refusals in a sentence, and those of diffusers."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save_file
from test_vdvae import TINY, pixels, tiny

from sparring.core import UserError
from sparring.nets import autoencoders
from sparring.nets.diffused import scaled
from sparring.nets.spec import AUGMENTOR


@pytest.fixture
def folder(tmp_path):
    """A folder with a small autoencoder for grey 8×8 pixels."""
    autoencoders.save(tiny(), tmp_path / "vae" / AUGMENTOR)
    return tmp_path / "vae"


def test_the_same_again(folder):
    vae, again, x = tiny(), autoencoders.load(folder, (1, 8, 8)), pixels(2, 1, 8, 8)
    assert not again.training
    assert again.plan == TINY
    assert torch.equal(vae.reconstruct(x, sample=False), again.reconstruct(x, sample=False))
    assert torch.equal(autoencoders.load(folder / AUGMENTOR).gain, vae.gain)


def test_what_is_no_autoencoder_is_refused(folder, tmp_path):
    def refused(path, told, shape=(1, 8, 8)):
        with pytest.raises(UserError, match=told):
            autoencoders.load(path, shape)

    refused(tmp_path / "nowhere", "there is no autoencoder at .*nowhere: give the folder of")
    refused(tmp_path, "holds no augmentor.safetensors")
    refused(folder, r"trained on images of 8×8 pixels and 1 channel, and these are 8×8 pixels and 3 ch", (3, 8, 8))
    student, begun = tmp_path / "student", tmp_path / "begun"
    for run, file in ((student, "student.safetensors"), (begun, "config.yaml")):
        run.mkdir()
        (run / file).write_text("")
    refused(student, "a student and no autoencoder")
    refused(begun, "is not finished")
    told = {"plan": {**asdict(TINY), "depth": 3}, "shape": (1, 8, 8)}
    for number, notes in enumerate(({}, {autoencoders.NOTE: "{"}, {autoencoders.NOTE: json.dumps(told)})):
        save_file({"gain": torch.ones(1)}, tmp_path / f"{number}.safetensors", metadata=notes)
        refused(tmp_path / f"{number}.safetensors", "does not say which autoencoder")
    told = {"plan": asdict(replace(TINY, width=16)), "shape": (1, 8, 8)}
    save_file(tiny().state_dict(), tmp_path / "wide.safetensors", metadata={autoencoders.NOTE: json.dumps(told)})
    refused(tmp_path / "wide.safetensors", "do not fit the network")


SMALL = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "sample_size": 16,
}


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers")


@pytest.fixture(params=["AutoencoderKL", "VQModel"])
def saved(request, diffusers, tmp_path):
    """The folder of a tiny autoencoder of diffusers for 16 pixels, and the module itself."""
    torch.manual_seed(0)
    more = {"num_vq_embeddings": 16} if request.param == "VQModel" else {}
    model = getattr(diffusers, request.param)(**SMALL, **more)
    model.save_pretrained(tmp_path / "vae")
    return tmp_path / "vae", model


@pytest.mark.parametrize("side", [16, 14])
def test_diffusers_from_a_folder(saved, side):
    folder, model = saved
    vae, x = autoencoders.load(f"diffusers:{folder}", (3, side, side)), pixels(2, 3, side, side)
    plain = vae.reconstruct(x, sample=False)
    assert plain.shape == x.shape
    expected = scaled(model(scaled(2 * x - 1, (16, 16))).sample, (side, side))
    torch.testing.assert_close(plain, (expected.clamp(-1, 1) + 1) / 2)
    drawn = vae.reconstruct(x)
    assert not torch.equal(drawn, vae.reconstruct(x))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    (drawn - 0.3).square().sum().backward()
    assert vae.sigma.shape == (4, 1, 1)
    assert torch.equal(vae.sigma, torch.full((4, 1, 1), 0.01))
    assert all(parameter.grad is not None for parameter in vae.tunable(None))
    assert vae.model.encoder.conv_in.weight.grad.any()
    assert vae.sigma.grad.any()
    learnt = {id(parameter) for parameter in vae.tunable(None)}
    assert [name for name, p in vae.named_parameters() if id(p) not in learnt] == (
        ["model.quantize.embedding.weight"] if vae.quantises else []
    )
    with pytest.raises(ValueError, match="learnt whole"):
        list(vae.tunable(3))


def test_diffusers_that_will_not_do(saved, tmp_path):
    folder, _ = saved

    def refused(spec, told, shape=(3, 16, 16)):
        with pytest.raises(UserError, match=told):
            autoencoders.load(f"diffusers:{spec}", shape)

    refused(folder, "for images of 3 channels, and these have 1", (1, 16, 16))
    refused(tmp_path, "could not be had .*check the folder")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "UNet2DModel"}))
    refused(folder, r"is no AutoencoderKL or VQModel \(UNet2DModel\)")
    (folder / "config.json").write_text(json.dumps({**config, "layers_per_block": 2}))
    refused(folder, "lacks .* of its weights")


def test_without_diffusers(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(UserError, match=r"pip install 'sparring\[diffusers\]'"):
        autoencoders.load("diffusers:some/vae", (3, 16, 16))
