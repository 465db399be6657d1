"""From chips to the network's input: every number by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.errors import ConfigError
from mien.images import InputSpec, normalise, to_grey

RGB = InputSpec(size=2, colour="RGB", mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
GREY = InputSpec(size=2, colour="grey", mean=(0.5,), std=(0.5,))


def chips(*colours, size=2):
    """One chip of a single colour a colour."""
    values = np.array(colours, np.uint8)[:, None, None, :]
    return np.broadcast_to(values, (len(colours), size, size, values.shape[-1])).copy()


# --- grey -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 255),
        ((255, 0, 0), 76),  # 0.299 * 255 = 76.2
        ((0, 255, 0), 150),  # 0.587 * 255 = 149.7
        ((0, 0, 255), 29),  # 0.114 * 255 = 29.1
        ((10, 20, 30), 18),  # 2.99 + 11.74 + 3.42 = 18.15
    ],
)
def test_luma_by_hand(colour, luma):
    grey = to_grey(chips(colour))
    assert grey.shape == (1, 2, 2, 1)
    assert grey.dtype == np.uint8
    assert (grey == luma).all()


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 4, 5, 3), (1, 2, 4, 5, 3)])
def test_grey_keeps_every_other_axis(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    grey = to_grey(pixels)
    assert grey.shape == (*shape[:-1], 1)
    exact = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - exact).max() <= 0.51


def test_grey_of_a_view_is_grey_of_its_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    view = pixels[:, ::2, ::-1]
    assert (to_grey(view) == to_grey(view.copy())).all()


def test_grey_stays_grey():
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    assert (to_grey(pixels) == pixels).all()


def test_grey_of_nothing():
    assert to_grey(np.empty((0, 2, 2, 3), np.uint8)).shape == (0, 2, 2, 1)


@pytest.mark.parametrize("channels", [2, 4])
def test_grey_wants_colour(channels):
    with pytest.raises(ConfigError, match="3 channels or 1"):
        to_grey(np.zeros((3, 2, 2, channels), np.uint8))


# --- normalise --------------------------------------------------------------------------------


def test_rgb_by_hand():
    tensor = normalise(chips((51, 102, 153)), RGB)
    assert tensor.shape == (1, 3, 2, 2)
    assert tensor.dtype == np.float32
    assert tensor.flags["C_CONTIGUOUS"]
    # 51/255 = 0.2, (0.4 - 0.5)/0.5 = -0.2, (0.6 - 1)/0.25 = -1.6: red comes first.
    for plane, value in zip(tensor[0], (0.2, -0.2, -1.6), strict=True):
        assert plane == pytest.approx(np.full((2, 2), value), abs=1e-6)


def test_grey_by_hand():
    tensor = normalise(chips((255, 255, 255), (0, 0, 0), (255, 0, 0)), GREY)
    assert tensor.shape == (3, 1, 2, 2)
    # White is 1, black is -1, red is (76/255 - 0.5)/0.5.
    assert tensor[:, 0, 0, 0] == pytest.approx([1, -1, 76 / 127.5 - 1], abs=1e-6)


def test_rows_stay_rows():
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = 255  # first row, second column
    tensor = normalise(pixels, GREY)
    assert tensor[0, 0].tolist() == [[-1, 1], [-1, -1]]


def test_a_grey_chip_feeds_a_grey_model():
    assert normalise(np.full((1, 2, 2, 1), 255, np.uint8), GREY).tolist() == [[[[1, 1], [1, 1]]]]


@given(arrays(np.uint8, (3, 2, 2, 3)))
def test_the_formula_holds_for_any_pixel(pixels):
    expected = (pixels / 255 - np.array(RGB.mean)) / np.array(RGB.std)
    assert np.moveaxis(normalise(pixels, RGB), 1, 3) == pytest.approx(expected, abs=2e-6)


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), *map(st.just, (2, 2, 3)))))
def test_a_batch_is_its_chips(pixels):
    together = normalise(pixels, GREY)
    alone = np.concatenate([normalise(pixels[k : k + 1], GREY) for k in range(len(pixels))])
    assert (together == alone).all()


@pytest.mark.parametrize("spec", [RGB, GREY], ids=["RGB", "grey"])
def test_an_empty_batch_stays_empty(spec):
    tensor = normalise(np.empty((0, 2, 2, 3), np.uint8), spec)
    assert tensor.shape == (0, spec.channels, 2, 2)
    assert tensor.dtype == np.float32


def test_the_chips_are_left_alone():
    pixels = chips((1, 2, 3))
    normalise(pixels, RGB)
    assert (pixels == chips((1, 2, 3))).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 3, 3), r"wants 2 px chips, got shape \(1, 3, 3, 3\)"),
        ((1, 2, 3, 3), "wants 2 px chips"),
        ((2, 2, 3), "wants 2 px chips"),  # one chip without a batch
        ((1, 2, 2, 1), "wants RGB chips, got 1 channels"),
        ((1, 2, 2, 4), "wants RGB chips, got 4 channels"),
    ],
)
def test_wrong_chips_are_refused(shape, message):
    with pytest.raises(ConfigError, match=message):
        normalise(np.zeros(shape, np.uint8), RGB)


def test_a_grey_model_refuses_four_channels():
    with pytest.raises(ConfigError, match="3 channels or 1"):
        normalise(np.zeros((3, 2, 2, 4), np.uint8), GREY)


# --- the specification ------------------------------------------------------------------------


def test_channels():
    assert (RGB.channels, GREY.channels) == (3, 1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"colour": "BGR"}, "must be 'grey' or 'RGB', got 'BGR'"),
        ({"mean": (0.5,)}, "RGB input needs 3 mean and std values, got 1 and 3"),
        ({"std": (1.0, 1.0)}, "RGB input needs 3 mean and std values, got 3 and 2"),
        ({"colour": "grey"}, "grey input needs 1 mean and std values, got 3 and 3"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be positive"),
    ],
)
def test_a_specification_is_checked(setting, message):
    values = {"size": 2, "colour": "RGB", "mean": (0.0,) * 3, "std": (1.0,) * 3}
    with pytest.raises(ConfigError, match=message):
        InputSpec(**(values | setting))
