"""A MobileNet as a teacher's trunk, and the script that takes it out of a package."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

import make_mobilenet_trunk
from torch.nn import functional

from mien.images import InputSpec
from mien.training.networks import networks

SPEC = InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,))
MEANS = (103.939, 116.779, 123.68)

# Table 1 of the paper, not from our module: output channels and stride of the separable blocks.
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
BLOCKS += [(1024, 2), (1024, 1)]


@pytest.fixture(scope="module")
def original():
    """Constants by the names that TensorFlow gave them."""
    rng = np.random.default_rng(3)

    def normal(*shape, scale=1.0):
        return (rng.normal(size=shape) * scale).astype(np.float32)

    found = {
        "conv1/convolution/merged_input": normal(3, 3, 3, 32, scale=0.008),
        "conv1_bn/batchnorm_1/sub": normal(32),
        "conv1_relu/Cast": np.float32(6),
    }
    inner = 32
    for number, (outer, _) in enumerate(BLOCKS, 1):
        found[f"conv_dw_{number}/depthwise_kernel"] = normal(3, 3, inner, 1, scale=0.4)
        found[f"conv_dw_{number}_bn/batchnorm_1/mul"] = 1 + normal(inner, scale=0.2)
        found[f"conv_dw_{number}_bn/batchnorm_1/sub"] = normal(inner, scale=0.5)
        scale = (2 / inner) ** 0.5
        found[f"conv_pw_{number}/convolution/merged_input"] = normal(
            1, 1, inner, outer, scale=scale
        )
        found[f"conv_pw_{number}_bn/batchnorm_1/sub"] = normal(outer, scale=0.5)
        inner = outer
    return found


def same(x, weight, stride, groups=1):
    """A convolution as TensorFlow pads it: what is odd goes behind the last row and column."""
    side = x.shape[2]
    lack = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
    before, behind = lack // 2, lack - lack // 2
    x = functional.pad(x, (before, behind, before, behind))
    return functional.conv2d(x, weight, stride=stride, groups=groups)


def kernel(value):
    """Rows, columns, inner, outer to torch's order."""
    return torch.tensor(value).permute(3, 2, 0, 1)


def maps(grey, found, means):
    """What the original makes of a grey picture of 0 to 255, block by block."""
    x = grey.expand(-1, 3, -1, -1) - torch.tensor(means).view(1, 3, 1, 1)
    bias = torch.tensor(found["conv1_bn/batchnorm_1/sub"]).view(1, -1, 1, 1)
    x = (same(x, kernel(found["conv1/convolution/merged_input"]), 2) + bias).clamp(0, 6)
    for number, (_, stride) in enumerate(BLOCKS, 1):
        name = f"conv_dw_{number}"
        weight = torch.tensor(found[f"{name}/depthwise_kernel"]).permute(2, 3, 0, 1)
        gain, shift = (
            torch.tensor(found[f"{name}_bn/batchnorm_1/{part}"]).view(1, -1, 1, 1)
            for part in ("mul", "sub")
        )
        x = (same(x, weight, stride, groups=x.shape[1]) * gain + shift).clamp(0, 6)
        bias = torch.tensor(found[f"conv_pw_{number}_bn/batchnorm_1/sub"]).view(1, -1, 1, 1)
        weight = kernel(found[f"conv_pw_{number}/convolution/merged_input"])
        x = (functional.conv2d(x, weight) + bias).clamp(0, 6)
        yield x


def filled(tensors):
    network = networks["mobilenet-trunk"](SPEC, {"gender": 2}, {}).eval()
    missing, unknown = network.load_state_dict(
        {name: torch.tensor(value) for name, value in tensors.items()}, strict=False
    )
    assert unknown == []
    assert {name.partition(".")[0] for name in missing} == {"norm", "heads"}
    return network


def maps_of(network, grey):
    """What every block of ours gives."""
    seen = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, inputs, output: seen.append(output))
    with torch.no_grad():
        network((grey / 255 - 0.5) / 0.25)
    return seen


def picture(side):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (2, 1, side, side), generator=generator).float()


@pytest.mark.parametrize("side", [64, 50, 47])
def test_the_trunk_has_the_maps_of_the_original(original, monkeypatch, side):
    # With middle grey as the means both pad the border alike, and nothing may differ anywhere.
    middle = (127.5, 127.5, 127.5)
    monkeypatch.setattr(make_mobilenet_trunk, "MEAN_BGR", middle)
    grey = picture(side)
    seen = maps_of(filled(make_mobilenet_trunk.trunk(original)), grey)
    expected = list(maps(grey, original, middle))
    assert len(seen) == len(expected) == 13
    for ours, theirs in zip(seen, expected, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.std() > 0.1
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_the_means_are_taken_away_inside(original):
    grey = picture(64)
    ours = maps_of(filled(make_mobilenet_trunk.trunk(original)), grey)[0]
    theirs = next(maps(grey, original, MEANS))
    # The last row and column see the border, which is padded with another grey.
    assert torch.allclose(ours[:, :, :-2, :-2], theirs[:, :, :-2, :-2], atol=1e-3)
    assert not torch.allclose(ours[:, :, -1], theirs[:, :, -1], atol=1e-3)


def test_faces_may_be_enlarged_first():
    torch.manual_seed(1)
    network = networks["mobilenet-trunk"](SPEC, {"gender": 2}, {"resize": 96}).eval()
    seen = []
    network.stem.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    x = torch.randn(1, 1, 48, 48)
    with torch.no_grad():
        network(x)
    expected = functional.interpolate(x, (96, 96), mode="bilinear")
    assert torch.equal(seen[0], expected)


def test_the_first_blocks_may_keep_their_weights():
    network = networks["mobilenet-trunk"](SPEC, {"gender": 2}, {"frozen": 2})
    network(torch.randn(2, 1, 48, 48))["gender"].sum().backward()
    still = {n for n, p in network.named_parameters() if p.grad is None}
    parts = ("stem.", "blocks.0.", "blocks.1.")
    assert still == {n for n, _ in network.named_parameters() if n.startswith(parts)}
    assert len(still) == 10


def test_none_frozen_and_none_enlarged_can_be_said():
    options = {"frozen": 0, "resize": 0}
    network = networks["mobilenet-trunk"](SPEC, {"gender": 2}, options)
    assert all(p.requires_grad for p in network.parameters())


def test_the_file_is_read_in_its_order():
    values = {
        "half": np.array([[1, 2.5], [3, -4]], np.float16),
        "whole": np.array(7, np.int32),
        "full": np.array([0.1, 0.2, 0.3], np.float32),
    }
    entries = [
        {"name": "half", "shape": [2, 2], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "whole", "shape": [], "dtype": "int32"},
        {"name": "full", "shape": [3], "dtype": "float32"},
    ]
    graph = json.dumps({"weightsManifest": [{"weights": entries[:2]}, {"weights": entries[2:]}]})
    data = b"".join(value.tobytes() for value in values.values())
    found = make_mobilenet_trunk.tensors(graph.encode(), data)
    assert list(found) == list(values)
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value.astype(np.float32))
        assert found[name].shape == value.shape
    with pytest.raises(ValueError, match="names 24 bytes of constants, the file has 25"):
        make_mobilenet_trunk.tensors(graph.encode(), data + b"x")
