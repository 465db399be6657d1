"""Hostile bytes: an image or an `UnreadableMediaError`, never anything else, never a sound."""

import io
import logging
import warnings

import numpy as np
import PIL
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from mien.errors import UnreadableMediaError
from mien.images import decode

PICTURE = np.kron(
    np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8), np.ones((4, 4, 1), np.uint8)
)
RGB = Image.fromarray(PICTURE)
GREY16 = Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 257)
FLOAT = Image.fromarray(PICTURE[..., 0].astype(np.float32) / 255)
SECOND = RGB.rotate(180)

EXIF = Image.Exif()
EXIF[0x010F] = "a maker"
EXIF[0x0112] = 6


def encode(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def seeds():
    """Small real files: every format, and every way through the code that reads them."""
    files = {
        "jpeg": encode(RGB, "JPEG", exif=EXIF),
        "jpeg-progressive": encode(RGB, "JPEG", progressive=True),
        "jpeg-cmyk": encode(RGB.convert("CMYK"), "JPEG"),
        "jpeg-two-pictures": encode(RGB, "MPO", save_all=True, append_images=[SECOND]),
        "png": encode(RGB, "PNG", exif=EXIF),
        "png-palette": encode(RGB.quantize(8), "PNG", transparency=b"\0\x80"),
        "png-one-bit": encode(RGB.convert("1"), "PNG"),
        "png-grey-16": encode(GREY16, "PNG"),
        "png-opacity": encode(RGB.convert("RGBA"), "PNG"),
        "png-animated": encode(RGB, "PNG", save_all=True, append_images=[SECOND]),
        "webp": encode(RGB, "WEBP", exif=EXIF),
        "webp-lossless": encode(RGB.convert("RGBA"), "WEBP", lossless=True),
        "bmp": encode(RGB, "BMP"),
        "bmp-palette": encode(RGB.convert("P"), "BMP"),
        "gif": encode(RGB, "GIF", save_all=True, append_images=[SECOND]),
        "tiff-grey-16": encode(GREY16, "TIFF", compression="tiff_lzw"),
        "tiff-float": encode(FLOAT, "TIFF"),
        "tiff-palette": encode(RGB.quantize(8), "TIFF"),
        "tiff-cmyk": encode(RGB.convert("CMYK"), "TIFF"),
        "tiff-ycbcr": encode(RGB.convert("YCbCr"), "TIFF", compression="tiff_lzw"),
        "tiff-fax": encode(RGB.convert("1"), "TIFF", compression="group4"),
    }
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files[f"tiff-{compression}"] = encode(RGB, "TIFF", compression=compression, exif=EXIF)
    if "avif" in features.modules and features.check("avif"):
        files["avif"] = encode(RGB, "AVIF", exif=EXIF)
    return files


SEEDS = seeds()

# The AV1 decoder in the wheels of Pillow 11.3 to 12 prints; nothing reaches it from here.
TALKATIVE = {"avif"} if int(PIL.__version__.split(".")[0]) < 13 else set()

edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 127, 255]) | st.integers(0, 255)
    ),
    max_size=6,
)


def assert_image_or_reason(data):
    try:
        pixels = decode(data)
    except UnreadableMediaError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("seed", SEEDS)
@given(edits=edits, keep=st.just(1.0) | st.floats(0, 1), drop=st.integers(0, 12))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # read out in every example
)
def test_damaged_files(seed, edits, keep, drop, capfd):
    data = bytearray(SEEDS[seed])
    for place, value in edits:
        data[int(place * len(data))] = value
    data = data[: int(keep * len(data))]
    if drop > 8:
        del data[len(data) // 3 : len(data) // 3 + drop]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_image_or_reason(bytes(data))
    assert not caught
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "" or seed in TALKATIVE


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seeds_themselves_are_readable(seed):
    height, width, channels = decode(SEEDS[seed]).shape
    assert {height, width} == {20, 28}
    assert channels == 3


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    assert_image_or_reason(data)


@given(st.sampled_from([seed[:16] for seed in SEEDS.values()]), st.binary(max_size=200))
@settings(deadline=None)
def test_arbitrary_bytes_behind_a_real_start(start, data):
    assert_image_or_reason(start + data)


def test_damaged_heic(capfd):
    heif = pytest.importorskip("pillow_heif", reason="extra [heic] is not installed")
    stream = io.BytesIO()
    heif.from_pillow(RGB).save(stream)
    seed = stream.getvalue()
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = np.frombuffer(seed, np.uint8).copy()
        data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        assert_image_or_reason(data[: rng.integers(len(data) // 2, len(data) + 1)].tobytes())
    assert capfd.readouterr().err == ""


def test_a_log_line_of_pillow_does_not_reach_stderr(capfd, monkeypatch):
    # Pillow logs an error for absurd numbers of samples; without handlers that goes to stderr.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    samples = b"\x15\x01\x03\x00\x01\x00\x00\x00\x03\x00"
    assert SEEDS["tiff-raw"].count(samples) == 1
    absurd = SEEDS["tiff-raw"].replace(samples, samples[:-2] + b"\xff\xff")
    with pytest.raises(UnreadableMediaError, match="samples per pixel"):
        decode(absurd)
    assert capfd.readouterr().err == ""
