"""The script that turns dlib's file into a trunk, on small files in dlib's own format."""

import struct

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

import make_trunk
from torch.nn import functional

from mien.images import InputSpec
from mien.training.networks import networks

STAGES = ((4, 1), (6, 2))


# --- what dlib writes ---------------------------------------------------------------------------


def number(value):
    """Bytes of the value without leading zeros behind their count; bit 7 is the sign."""
    data = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    return bytes([len(data) | (128 if value < 0 else 0)]) + data


def text(word):
    return number(len(word)) + word.encode()


def tensor(values):
    """Format 2, four sides, raw floats."""
    sides = (*values.shape, *[1] * (4 - values.ndim))
    return number(2) + b"".join(map(number, sides)) + values.astype("<f4").tobytes()


def dlib_file(layers):
    """Convolutions as ``(filters, bias, gain, offset)``, with the layers that have no weights."""
    data = number(1)
    for filters, bias, gain, offset in layers:
        data += text("con_4") + tensor(np.concatenate([filters.ravel(), bias])[:, None])
        data += number(len(filters)) + struct.pack("<d", 1.0)  # what follows is not looked at
        data += text("affine_") + tensor(np.stack([gain, offset]))
        data += text("relu_")
    return data + text("fc_2") + tensor(np.ones((3, 2)))


def random_layer(rng, inner, outer, side=3):
    filters = rng.normal(size=(outer, inner, side, side)) / (side * inner**0.5)
    bias, offset = rng.normal(size=(2, outer)) / 4
    return filters, bias, rng.uniform(0.5, 2.0, outer), offset


@pytest.fixture(scope="module")
def layers():
    """A network like the original, small: the 7x7 convolution and three residual blocks."""
    rng = np.random.default_rng(4)
    pairs = [(4, 4), (4, 4), (4, 6), (6, 6), (6, 6), (6, 6)]
    return [random_layer(rng, 3, 4, 7), *(random_layer(rng, *pair) for pair in pairs)]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x01\x07", 7),
        (b"\x02\x00\x01", 256),
        (b"\x81\x05", -5),
        (b"\x03\x56\x34\x12", 0x123456),
        (b"\x00", 0),
    ],
)
def test_integers(data, value):
    assert number(value) == data
    assert make_trunk.integer(b"xx" + data + b"\xff", 2) == (value, 2 + len(data))


def test_tensors_of_convolutions_and_affine_layers_alone(layers):
    found = list(make_trunk.tensors(dlib_file(layers)))
    assert len(found) == 2 * len(layers)
    for (filters, bias, gain, offset), first, second in zip(
        layers, found[::2], found[1::2], strict=True
    ):
        expected = np.concatenate([filters.ravel(), bias]).astype(np.float32)
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_array_equal(second, np.concatenate([gain, offset]).astype(np.float32))


# --- what becomes of it -------------------------------------------------------------------------


def rgb_of(grey):
    """A grey picture ``(n, 1, h, w)`` as the original sees it."""
    mean = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)
    return (grey - mean) / 256


def luma_of(grey):
    """The same as our recipes see it."""
    return (grey / 255 - 0.5) / 0.25


def test_luma_answers_like_three_equal_colours():
    filters, bias, *_ = random_layer(np.random.default_rng(0), 3, 5, 7)
    grey = torch.randint(0, 256, (2, 1, 24, 24), generator=torch.Generator().manual_seed(1)).float()
    weight, shift = make_trunk.for_luma(filters.astype(np.float32), bias.astype(np.float32))
    assert weight.shape == (5, 1, 7, 7)
    as_floats = [torch.tensor(x, dtype=torch.float32) for x in (filters, bias)]
    expected = functional.conv2d(rgb_of(grey), *as_floats, stride=2, padding=3)
    found = functional.conv2d(
        luma_of(grey), torch.tensor(weight), torch.tensor(shift), stride=2, padding=3
    )
    assert expected.std() > 0.1
    # At the border one sees black less its mean, the other middle grey.
    assert torch.allclose(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-5)
    assert not torch.allclose(found, expected, atol=1e-3)


def original(grey, layers):
    """Outputs of both stages as the original computes them, in a frame of middle grey."""
    left = iter([[torch.tensor(x, dtype=torch.float32) for x in layer] for layer in layers])

    def layer(x, stride=1, padding=1):
        filters, bias, gain, offset = next(left)
        x = functional.conv2d(x, filters, bias, stride, padding)
        return x * gain.view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)

    def block(x, *, down=False):
        y = functional.pad(x, (0, 1, 0, 1)) if down else x
        y = layer(torch.relu(layer(y, *((2, 0) if down else ()))))
        if down:
            x = functional.pad(
                functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, y.shape[1] - x.shape[1])
            )
        return torch.relu(x + y)

    x = torch.relu(layer(rgb_of(functional.pad(grey, (3, 3, 3, 3), value=127.5)), 2, 0))
    first = block(functional.max_pool2d(x, 3, 2, 1))
    return first, block(block(first, down=True))


def test_the_trunk_has_the_feature_maps_of_the_original(layers):
    spec = InputSpec(size=40, colour="grey", mean=(0.5,), std=(0.25,))
    options = {"widths": [width for width, _ in STAGES], "blocks": [n for _, n in STAGES]}
    network = networks["dlib-resnet"](spec, {"gender": 2}, options).eval()
    found = {k: torch.tensor(v) for k, v in make_trunk.trunk(dlib_file(layers), STAGES).items()}
    missing, unknown = network.load_state_dict(found, strict=False)
    assert unknown == []
    assert {name.partition(".")[0] for name in missing if "num_batches" not in name} == {
        "norm",
        "heads",
    }
    grey = torch.randint(0, 256, (2, 1, 40, 40), generator=torch.Generator().manual_seed(2)).float()
    with torch.no_grad():
        expected = original(grey, layers)
        stem = network.stem(luma_of(grey))
        maps = [network.stages[0](stem), network.stages[1](network.stages[0](stem))]
    for ours, theirs in zip(maps, expected, strict=True):
        assert theirs.std() > 0.1
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_filters_have_length_one(layers):
    found = make_trunk.trunk(dlib_file(layers), STAGES)
    filters = [v for k, v in found.items() if k.endswith(".0.weight") and v.ndim == 4]
    assert len(filters) == len(layers)
    for weight in filters:
        np.testing.assert_allclose((weight**2).sum((1, 2, 3)), 1, rtol=1e-5)
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}
