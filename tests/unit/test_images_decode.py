"""Pixels of known colours through every format, mode and orientation that is read."""

import io
import struct
import zlib

import cv2
import numpy as np
import PIL
import pytest
from PIL import Image, features

from mien.errors import ConfigError, InputError, UnreadableMediaError
from mien.images import decode, from_array, from_pil

RED, GREEN, BLUE, SAND = (200, 30, 40), (20, 180, 60), (30, 60, 220), (230, 200, 120)
WHITE = (255, 255, 255)
BLOCK = 16

HAS_AVIF = "avif" in features.modules and features.check("avif")
needs_avif = pytest.mark.skipif(not HAS_AVIF, reason="Pillow without AVIF")
needs_pillow_13 = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="older Pillow reads no such file, nor its own"
)


def blocks(colours, height=BLOCK, width=24):
    """Rows of colours to an image of flat blocks; any number of channels, any dtype."""
    return np.repeat(np.repeat(np.asarray(colours), height, axis=0), width, axis=1)


QUADRANTS = blocks(np.array([[RED, GREEN], [BLUE, SAND]], np.uint8))


def encode(image, kind, **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(mode, pixels):
    return Image.frombytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())


def centres(pixels, rows=2, columns=2):
    """The pixel in the middle of every block, as nested lists of tuples."""
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    middle = pixels[height // 2 :: height, width // 2 :: width]
    return [[tuple(int(v) for v in pixel) for pixel in row] for row in middle]


def assert_is_image(pixels):
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.flags.c_contiguous


def assert_near(pixels, expected, tolerance):
    found = centres(pixels, len(expected), len(expected[0]))
    assert np.abs(np.array(found) - np.array(expected)).max() <= tolerance, found


# --- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
        ("JPEG", {"quality": 95, "progressive": True}, 4),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 8),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 6),
        pytest.param("AVIF", {"quality": 95}, 8, marks=needs_avif),
    ],
)
def test_every_format_gives_rgb(kind, options, tolerance):
    pixels = decode(encode(QUADRANTS, kind, **options))
    assert_is_image(pixels)
    assert pixels.shape == (32, 48, 3)
    assert_near(pixels, [[RED, GREEN], [BLUE, SAND]], tolerance)


def test_gif_gives_its_first_frame():
    first = Image.fromarray(QUADRANTS).quantize(4)
    second = Image.new("P", first.size, 0)
    data = encode(first, "GIF", save_all=True, append_images=[second])
    assert_near(decode(data), [[RED, GREEN], [BLUE, SAND]], 1)


def test_animated_png_and_webp_give_their_first_frame():
    first, second = Image.fromarray(QUADRANTS), Image.new("RGB", (48, 32), RED)
    for kind in ("PNG", "WEBP"):
        data = encode(first, kind, save_all=True, append_images=[second], lossless=True)
        assert_near(decode(data), [[RED, GREEN], [BLUE, SAND]], 0)


def test_phone_pictures_with_a_second_picture_inside_give_the_first():
    first, second = Image.fromarray(QUADRANTS), Image.new("RGB", (48, 32), RED)
    data = encode(first, "MPO", save_all=True, append_images=[second], quality=95, subsampling=0)
    assert_near(decode(data), [[RED, GREEN], [BLUE, SAND]], 4)


def test_heic():
    heif = pytest.importorskip("pillow_heif", reason="extra [heic] is not installed")
    stream = io.BytesIO()
    heif.from_pillow(Image.fromarray(QUADRANTS)).save(stream, quality=95)
    pixels = decode(stream.getvalue())
    assert_is_image(pixels)
    assert_near(pixels, [[RED, GREEN], [BLUE, SAND]], 10)


def test_heic_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(UnreadableMediaError, match=r"HEIC .*pip install 'mien\[heic\]'"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)


def test_reading_heic_registers_nothing_with_pillow():
    pytest.importorskip("pillow_heif", reason="extra [heic] is not installed")
    test_heic()
    Image.init()
    assert "HEIF" not in Image.OPEN


# --- modes and depths ---------------------------------------------------------------------------


def test_one_bit():
    data = encode(Image.fromarray(blocks([[False, True]])), "PNG")
    assert centres(decode(data), 1) == [[(0, 0, 0), WHITE]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_grey(kind):
    data = encode(blocks(np.array([[0, 90], [180, 255]], np.uint8)), kind)
    assert_near(decode(data), [[(0,) * 3, (90,) * 3], [(180,) * 3, WHITE]], 1)


# White is 65535 = 255 * 257, so 257 * k is exactly the grey k; 25828 = 100.498 * 257 rounds down.
DEEP = blocks(np.array([[0, 257 * 90, 25828], [257 * 180, 25830, 65535]], np.uint16))
DEEP_EXPECTED = [[(0,) * 3, (90,) * 3, (100,) * 3], [(180,) * 3, (101,) * 3, WHITE]]


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_sixteen_bit_grey_is_scaled_not_clipped(kind, options):
    pixels = decode(encode(Image.fromarray(DEEP), kind, **options))
    assert centres(pixels, 2, 3) == DEEP_EXPECTED


def test_sixteen_bit_grey_big_endian_tiff():
    image = picture("I;16B", DEEP.astype(">u2"))
    data = encode(image, "TIFF")
    assert data.startswith(b"MM")
    assert centres(decode(data), 2, 3) == DEEP_EXPECTED


def test_sixteen_bit_grey_tiff_where_zero_is_white():
    data = encode(Image.fromarray(DEEP), "TIFF")
    photometric = struct.pack("<HHIH", 262, 3, 1, 1)
    assert data.count(photometric) == 1
    inverted = data.replace(photometric, struct.pack("<HHIH", 262, 3, 1, 0))
    expected = [[tuple(255 - v for v in pixel) for pixel in row] for row in DEEP_EXPECTED]
    assert centres(decode(inverted), 2, 3) == expected


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_sixteen_bit_colour(ending):
    deep = QUADRANTS.astype(np.uint16) * 257
    done, data = cv2.imencode(ending, deep[..., ::-1])
    assert done
    assert centres(decode(data.tobytes())) == [[RED, GREEN], [BLUE, SAND]]


def test_palette():
    data = encode(Image.fromarray(QUADRANTS).quantize(4), "PNG")
    assert_near(decode(data), [[RED, GREEN], [BLUE, SAND]], 1)


def palette_image():
    image = picture("P", blocks(np.array([[0, 1, 2]], np.uint8)))
    image.putpalette([*RED, *GREEN, *BLUE])
    return image


def test_palette_with_one_transparent_entry_shows_white():
    for kind in ("PNG", "GIF"):
        data = encode(palette_image(), kind, transparency=1)
        assert centres(decode(data), 1, 3) == [[RED, WHITE, BLUE]]


def test_palette_with_opacity_per_entry():
    data = encode(palette_image(), "PNG", transparency=bytes([255, 51, 0]))
    # 51/255 = 0.2 of (20, 180, 60) over 0.8 of white: (208, 240, 216).
    assert centres(decode(data), 1, 3) == [[RED, (208, 240, 216), WHITE]]


# A fifth of a colour over white: 0.2 * c + 0.8 * 255.
OPACITY = [255, 51, 0]


def test_grey_with_opacity():
    pixels = blocks(np.array([[(100, a) for a in OPACITY]], np.uint8))
    data = encode(picture("LA", pixels), "PNG")
    assert centres(decode(data), 1, 3) == [[(100,) * 3, (224,) * 3, WHITE]]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colour_with_opacity(kind):
    pixels = blocks(np.array([[(*GREEN, a) for a in OPACITY]], np.uint8))
    data = encode(pixels, kind, lossless=True)
    assert centres(decode(data), 1, 3) == [[GREEN, (208, 240, 216), WHITE]]


def test_one_transparent_colour():
    data = encode(QUADRANTS, "PNG", transparency=GREEN)
    assert centres(decode(data)) == [[RED, WHITE], [BLUE, SAND]]


def test_one_transparent_grey_of_16_bits():
    data = encode(Image.fromarray(DEEP), "PNG", transparency=257 * 90)
    assert centres(decode(data), 2, 3) == [[(0,) * 3, WHITE, (100,) * 3], DEEP_EXPECTED[1]]


def cmyk(*inks):
    return picture("CMYK", blocks(np.array([inks], np.uint8)))


# Full magenta and yellow leave red; half black halves it: 255 * (255 - 127) / 255 = 128.
INKS = [(0, 255, 255, 0), (0, 255, 255, 127), (0, 0, 0, 0)]
INKS_EXPECTED = [[(255, 0, 0), (128, 0, 0), WHITE]]


def test_cmyk_jpeg_with_the_inverted_inks_of_adobe():
    data = encode(cmyk(*INKS), "JPEG", quality=95)
    assert b"Adobe" in data
    assert_near(decode(data), INKS_EXPECTED, 4)


def test_cmyk_jpeg_whose_inks_are_stored_as_luma_and_chroma():
    # Adobe's transform 2 stores 255 - (C, M, Y) as YCbCr. For red inks that is RGB (255, 0, 0)
    # inverted twice: cyan, Y 179, Cb 171, Cr 1; K is stored as 255. Pillow inverts on writing.
    stored = np.array([179, 171, 1, 255])
    data = encode(cmyk(255 - stored), "JPEG", quality=95)
    marker = data.index(b"Adobe")
    assert data[marker + 11] == 0  # the transform: none yet
    data = data[: marker + 11] + b"\2" + data[marker + 12 :]
    assert_near(decode(data), [[(255, 0, 0)]], 5)


def test_cmyk_tiff():
    assert_near(decode(encode(cmyk(*INKS), "TIFF")), INKS_EXPECTED, 1)


@pytest.mark.parametrize(
    "options", [pytest.param({}, marks=needs_pillow_13), {"compression": "tiff_lzw"}]
)
def test_ycbcr_tiff(options):
    data = encode(Image.fromarray(QUADRANTS).convert("YCbCr"), "TIFF", **options)
    assert_near(decode(data), [[RED, GREEN], [BLUE, SAND]], 3)  # there and back, rounded twice


@needs_pillow_13
def test_ycbcr_tiff_with_subsampled_colour_is_refused_not_misread():
    data = encode(Image.fromarray(QUADRANTS).convert("YCbCr"), "TIFF")
    subsampling = struct.pack("<HHIHH", 530, 3, 2, 1, 1)
    assert data.count(subsampling) == 1
    data = data.replace(subsampling, struct.pack("<HHIHH", 530, 3, 2, 2, 2))
    with pytest.raises(UnreadableMediaError, match="subsampled colour is not supported"):
        decode(data)


def float_tiff(*values):
    return encode(Image.fromarray(blocks(np.array([values], np.float32))), "TIFF")


def test_float_tiff_runs_from_zero_to_one():
    pixels = decode(float_tiff(0, 0.2, 1))
    assert centres(pixels, 1, 3) == [[(0,) * 3, (51,) * 3, WHITE]]


@pytest.mark.parametrize("values", [(0, 255), (-0.5, 1), (0, float("nan")), (0, float("inf"))])
def test_float_tiff_of_unknown_scale_is_refused(values):
    with pytest.raises(UnreadableMediaError, match=r"between 0 \(black\) and 1 \(white\)"):
        decode(float_tiff(*values))


def test_32_bit_integers_are_refused():
    data = encode(Image.fromarray(blocks(np.array([[0, 70000]], np.int32))), "TIFF")
    with pytest.raises(UnreadableMediaError, match="white is not known"):
        decode(data)


# --- orientation --------------------------------------------------------------------------------

# EXIF says where the stored first row and first column belong; worked out by hand from
# stored [[R, G], [B, S]]. 6 is "row 0 right, column 0 top": the right column reads R, G.
UPRIGHT = {
    1: [[RED, GREEN], [BLUE, SAND]],
    2: [[GREEN, RED], [SAND, BLUE]],
    3: [[SAND, BLUE], [GREEN, RED]],
    4: [[BLUE, SAND], [RED, GREEN]],
    5: [[RED, BLUE], [GREEN, SAND]],
    6: [[BLUE, RED], [SAND, GREEN]],
    7: [[SAND, GREEN], [BLUE, RED]],
    8: [[GREEN, SAND], [RED, BLUE]],
}


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        pytest.param("AVIF", {"quality": 95}, marks=needs_avif),
        ("HEIC", {}),
    ],
)
def test_all_eight_orientations(kind, options, orientation):
    if kind == "HEIC":
        heif = pytest.importorskip("pillow_heif", reason="extra [heic] is not installed")
        stream = io.BytesIO()
        image = heif.from_pillow(Image.fromarray(QUADRANTS))
        image.save(stream, quality=95, exif=exif(orientation).tobytes())
        data = stream.getvalue()
    else:
        data = encode(QUADRANTS, kind, exif=exif(orientation), **options)
    pixels = decode(data)
    assert_is_image(pixels)
    assert pixels.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    assert_near(pixels, UPRIGHT[orientation], 10)


@pytest.mark.parametrize("value", [0, 9, 700])
def test_an_orientation_that_means_nothing_changes_nothing(value):
    assert_near(decode(encode(QUADRANTS, "PNG", exif=exif(value))), UPRIGHT[1], 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "broken",
    [
        b"Exif\0\0",
        b"Exif\0\0not a header at all",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0" + b"\xff" * 30,
        exif(6).tobytes()[:-12],
    ],
)
def test_broken_exif_does_not_cost_the_picture(kind, broken, recwarn):
    pixels = decode(encode(QUADRANTS, kind, exif=broken, lossless=True, quality=95))
    assert_near(pixels, UPRIGHT[1], 60)  # chroma subsampling blurs, but nothing is turned
    assert not recwarn.list


# --- what cannot be read ------------------------------------------------------------------------


def reason(data, **options):
    with pytest.raises(UnreadableMediaError) as caught:
        decode(data, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_empty():
    assert reason(b"") == "the file is empty"


@pytest.mark.parametrize("data", [b"x", b"\0" * 500, b"hello, world" * 20, b"BMW is a car. " * 20])
def test_not_an_image(data):
    assert reason(data) == "not an image in a known format"


@pytest.mark.parametrize(
    ("data", "guess"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 40, "an MP4 or QuickTime video"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 40, "a Matroska or WebM video"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\n <!DOCTYPE html><title>404</title>", "a web page"),
    ],
)
def test_common_mix_ups_are_named(data, guess):
    assert reason(data) == f"not an image in a known format; it looks like {guess}"


ALL_KINDS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", pytest.param("AVIF", marks=needs_avif)]
NAMES = {"WEBP": "WebP"}


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    data = encode(noise, kind)
    assert (
        reason(data[: int(len(data) * share)]) == f"the {NAMES.get(kind, kind)} file is truncated"
    )


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_truncated_compressed_tiff_says_nothing_on_stderr(compression, capfd):
    data = encode(QUADRANTS, "TIFF", compression=compression)
    assert reason(data[: len(data) // 2]) == "the TIFF file is truncated"
    # What follows the 8-byte header are the packed pixels; the directory stands at the end.
    damaged = data[:12] + b"\xff" * 8 + data[20:]
    assert reason(damaged) == "the TIFF file is damaged"
    assert capfd.readouterr().err == ""


def png_header(width, height):
    """A PNG file that ends after its header: whoever looks for pixels finds none."""
    fields = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + fields + struct.pack(">I", zlib.crc32(fields))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_the_size_is_checked_before_any_pixel_is_decoded():
    assert reason(png_header(12000, 12000)) == (
        "12000x12000 px is more than the limit of 100 megapixels; "
        "raise max_pixels (--max-pixels) to read it"
    )
    assert reason(png_header(10000, 10000)) == "the PNG file is truncated"  # 100 MP is allowed


def test_the_limit_can_be_set():
    data = encode(QUADRANTS, "PNG")
    assert decode(data, max_pixels=32 * 48).shape == (32, 48, 3)
    assert "48x32 px is more than the limit of 0.001535 megapixels" in reason(
        data, max_pixels=32 * 48 - 1
    )


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_format_heeds_the_limit(kind):
    data = encode(QUADRANTS, kind)
    assert reason(data, max_pixels=1000).startswith("48x32 px is more than the limit")


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"exif": exif(1)}])
def test_the_three_headers_of_webp(options):
    data = encode(QUADRANTS, "WEBP", **options)
    assert reason(data, max_pixels=1000).startswith("48x32 px")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_pillows_own_limit_neither_warns_nor_stops(kind, monkeypatch, recwarn):
    data = encode(QUADRANTS, kind)
    for limit in (10, 1000):  # 1536 px: an error above twice the limit, a warning above the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert decode(data).shape == (32, 48, 3)
        assert limit == Image.MAX_IMAGE_PIXELS
    assert not recwarn.list


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_an_image_without_pixels(size):
    assert reason(png_header(*size)) == f"the image has no pixels: {size[0]}x{size[1]}"


# --- arrays -------------------------------------------------------------------------------------


def test_rgb_array_is_taken_as_it_is():
    assert from_array(QUADRANTS) is QUADRANTS


def test_bgr_array():
    assert centres(from_array(QUADRANTS[..., ::-1], colour="BGR")) == UPRIGHT[1]


def test_bgr_array_with_opacity():
    bgra = np.dstack([QUADRANTS[..., ::-1], np.full((32, 48), 255, np.uint8)])
    assert centres(from_array(bgra, colour="BGR")) == UPRIGHT[1]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[False, True]]), [0, 255]),
        (np.array([[7, 200]], np.uint8), [7, 200]),
        (np.array([[[7], [200]]], np.uint8), [7, 200]),
        (np.array([[0, 25700]], np.uint16), [0, 100]),
        (np.array([[0, 25700]], ">u2"), [0, 100]),
        (np.array([[0.0, 0.2]], np.float64), [0, 51]),
        (np.array([[0.0, 1.0]], np.float16), [0, 255]),
        (np.array([[[0.2, 0], [1, 0.2]]], np.float32)[..., :1], [51, 255]),
    ],
)
def test_grey_arrays_of_every_depth(array, expected):
    pixels = from_array(array)
    assert_is_image(pixels)
    assert pixels.tolist() == [[[value] * 3 for value in expected]]


def test_array_with_opacity_is_shown_over_white():
    array = np.array([[(*GREEN, a) for a in OPACITY]], np.uint8)
    assert from_array(array).tolist() == [[list(GREEN), [208, 240, 216], [255, 255, 255]]]
    assert from_array(array / np.float32(255)).tolist() == from_array(array).tolist()


def test_strided_arrays_become_contiguous():
    pixels = from_array(QUADRANTS[::-1, ::2])
    assert_is_image(pixels)
    assert centres(pixels) == UPRIGHT[4]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 2), np.uint8), r"shape .*got \(4, 5, 2\)"),
        (np.zeros((3, 40, 50), np.uint8), r"got \(3, 40, 50\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"got \(2, 4, 5, 3\)"),
        (np.zeros(5, np.uint8), r"got \(5,\)"),
        (np.zeros((0, 5, 3), np.uint8), r"no pixels: shape \(0, 5, 3\)"),
        (np.zeros((4, 5), np.int64), "dtype int64 is not supported"),
        (np.zeros((4, 5), np.int8), "dtype int8 is not supported"),
        (np.zeros((4, 5), np.complex64), "dtype complex64 is not supported"),
        (np.full((4, 5), 255.0), "found 255 to 255"),
        (np.full((4, 5), -0.01), "found -0.01 to -0.01"),
        (np.full((4, 5), np.nan), "found nan to nan"),
    ],
)
def test_arrays_that_are_no_image(array, message):
    with pytest.raises(InputError, match=message):
        from_array(array)


def test_unknown_colour_order():
    with pytest.raises(ConfigError, match="colour must be 'RGB' or 'BGR', got 'rgb'"):
        from_array(QUADRANTS, colour="rgb")


# --- PIL images ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pil_modes(mode):
    assert_near(from_pil(Image.fromarray(QUADRANTS).convert(mode)), UPRIGHT[1], 6)


def test_pil_lab():
    # L of 100 %, and no colour, which Pillow stores as 128: white.
    pixels = from_pil(Image.new("LAB", (4, 4), (255, 128, 128)))
    assert np.abs(pixels.astype(int) - 255).max() <= 2


def test_pil_palette():
    assert_near(from_pil(Image.fromarray(QUADRANTS).quantize(4)), UPRIGHT[1], 1)


def test_pil_premultiplied_opacity():
    # 51/255 opaque: the stored colour (4, 36, 12) is a fifth of GREEN.
    image = Image.new("RGBa", (2, 2), (4, 36, 12, 51))
    assert np.abs(from_pil(image).astype(int) - (208, 240, 216)).max() <= 2


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pil_images_are_turned_upright(orientation):
    image = Image.open(io.BytesIO(encode(QUADRANTS, "PNG", exif=exif(orientation))))
    assert centres(from_pil(image)) == UPRIGHT[orientation]
    assert image.size == (48, 32)


def test_pil_tiff_is_turned_once():
    image = Image.open(io.BytesIO(encode(QUADRANTS, "TIFF", exif=exif(6))))
    assert centres(from_pil(image)) == UPRIGHT[6]


def test_pil_image_of_a_truncated_file():
    data = encode(QUADRANTS, "BMP")
    image = Image.open(io.BytesIO(data[:1000]))
    with pytest.raises(UnreadableMediaError, match=r"the PIL image cannot be decoded: .*truncated"):
        from_pil(image)


def test_pil_image_with_nonsense_about_transparency():
    image = Image.new("RGB", (4, 4))
    image.info["transparency"] = "some"
    with pytest.raises(UnreadableMediaError, match="the PIL image cannot be decoded"):
        from_pil(image)


def test_out_of_memory_is_a_reason_of_its_own(monkeypatch):
    def refuse(*args):
        raise MemoryError

    monkeypatch.setattr("mien.decoding.files.upright_rgb", refuse)
    assert reason(encode(QUADRANTS, "PNG")) == "there is not enough memory to decode the PNG file"


def test_pil_image_without_pixels():
    with pytest.raises(UnreadableMediaError, match="no pixels: 0x4"):
        from_pil(Image.new("RGB", (0, 4)))


def test_large_images_are_copied_whole():
    # More than one strip of rows, the last one shorter: every row must arrive.
    tall = np.arange(3 * 1200 * 700, dtype=np.uint32).astype(np.uint8).reshape(1200, 700, 3)
    assert np.array_equal(decode(encode(tall, "BMP")), tall)
