"""Several networks as one."""

import pytest
import torch
from made import DATA, NET
from torch import nn

from sparring.core import Network, UserError
from sparring.nets import ensemble, joined, load, members, origin_of, refed, team


def three():
    return [load(name, **DATA).eval() for name in ("mlp-16", "mlp-32", "resnet8")]


def test_each_member_is_fed_its_own_way():
    one, other, _ = three()
    other = refed(other, ((0.1,), (0.5,)))
    x = torch.rand(4, 3, 16, 16)
    both = ensemble([one, other]).eval()
    torch.testing.assert_close(both(x).logits, (one(x).logits + other(x).logits) / 2)
    assert both.name == "ensemble:mlp-16+mlp-32"
    assert both.mean.tolist() == [[[0.0]]]
    assert both.std.tolist() == [[[1.0]]]
    assert (origin_of(both).classes, origin_of(both).trained) == (5, False)


def test_what_is_averaged():
    nets, x = three(), torch.rand(4, 3, 16, 16)
    probabilities = torch.stack([torch.softmax(net(x).logits, 1) for net in nets])
    mean = ensemble(nets, "probabilities").eval()(x).logits
    torch.testing.assert_close(mean.exp(), probabilities.mean(0))
    geometric = probabilities.log().mean(0).exp()
    logits = ensemble(nets).eval()(x).logits
    torch.testing.assert_close(torch.softmax(logits, 1), geometric / geometric.sum(1, keepdim=True))


def test_probabilities_that_are_all_but_0():
    class Sure(nn.Module):
        def forward(self, x):
            return torch.tensor([[1e4, 0.0, -1e4]]).expand(len(x), 3)

    x = torch.rand(2, 1, 4, 4).requires_grad_()
    for combine in ("logits", "probabilities"):
        assert torch.isfinite(ensemble([Network(Sure()), Network(Sure())], combine)(x).logits).all()


def test_members_keep_their_precision_apart():
    one, other, _ = three()
    both = ensemble([one, other]).eval()
    first, second = members(both)
    second.bf16 = True
    seen = []
    for net in (first, second):
        net.body.head.register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    assert both(torch.rand(2, 3, 16, 16)).logits.dtype == torch.float32
    assert seen == [torch.float32, torch.bfloat16]
    assert other.bf16 is None
    assert members(one) == [one]


def test_another_preprocessing_reaches_the_members():
    one, other, _ = three()
    again = refed(ensemble([one, other], "probabilities"), ((0.25,), (0.75,)))
    assert [net.mean.item() for net in members(again)] == [0.25, 0.25]
    assert again.mean.item() == 0.0
    assert again.body.combine == "probabilities"
    assert members(again)[0].body is one.body


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("ensemble:mlp-16+mlp-32", ["mlp-16", "mlp-32"]),
        ("ensemble:a + b+c", ["a", "b", "c"]),
        ("ensemble:mlp-16", ["mlp-16"]),
        ("ensemble:{0}/c+++{0}/a", ["{0}/c++", "{0}/a"]),
        ("ensemble:{0}/a+b+{0}/a", ["{0}/a+b", "{0}/a"]),
        ("ensemble:mlp-16@{0}/a+b+mlp-16@{0}/a", ["mlp-16@{0}/a+b", "mlp-16@{0}/a"]),
        ("ensemble:timm:resnet18@pretrained+hf:me/net", ["timm:resnet18@pretrained", "hf:me/net"]),
        ("ensemble:{0}/my+net.py:Tiny+{0}/my+net.py:ten@{0}/a", ["{0}/my+net.py:Tiny", "{0}/my+net.py:ten@{0}/a"]),
        ("ensemble:{0}/a+{0}/missing", ["{0}/a", "{0}/missing"]),
    ],
)
def test_members_are_told_apart(spec, named, tmp_path):
    for folder in ("a", "a+b", "c++"):
        (tmp_path / folder).mkdir()
    (tmp_path / "my+net.py").write_text(NET)
    found = team(spec.format(tmp_path))
    assert found == ([name.format(tmp_path) for name in named], "logits")
    assert team(joined(*found)) == found


def test_the_other_mean_and_what_is_no_ensemble():
    assert team("ensemble-probabilities:mlp-16+mlp-32") == (["mlp-16", "mlp-32"], "probabilities")
    assert team("mlp-16") is None
    assert team("timm:a+b") is None
    for spec in ("ensemble:", "ensemble:mlp-16+", "ensemble:+mlp-16"):
        with pytest.raises(UserError, match=r"lacks a network at one side of a \+; write ensemble:FIRST\+SECOND"):
            team(spec)


def test_weights_are_shared():
    one, other, _ = three()
    both = ensemble([one, other])
    assert both.state_dict().keys() >= {"body.members.0.body.head.weight", "body.members.1.body.head.weight"}
    assert members(both)[0].body.head.weight is one.body.head.weight
