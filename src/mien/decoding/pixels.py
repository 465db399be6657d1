"""Samples to pixels: every colour mode and bit depth becomes upright RGB ``uint8``.

Colour profiles are not applied: networks are trained on pictures read without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
import numpy.typing as npt

from mien.decoding.quiet import pillow_is_quiet
from mien.errors import ConfigError, InputError, MienError, UnreadableMediaError
from mien.interfaces import Image

if TYPE_CHECKING:
    import PIL.Image

Colour: TypeAlias = Literal["RGB", "BGR"]
"""Order of the colour channels of an array."""

ORIENTATION_TAG = 0x0112
PHOTOMETRIC_TAG = 262
WHITE_IS_ZERO = 0
STRIP_PIXELS = 1 << 19


def from_pil(image: PIL.Image.Image) -> Image:
    """Turn a PIL image of any mode into upright pixels; EXIF orientation is applied.

    Args:
        image: Loaded or not yet loaded; left as it is, except that its pixels get loaded.

    Returns:
        RGB ``uint8``, shape ``(height, width, 3)``, contiguous, its own memory.

    Raises:
        UnreadableMediaError: The pixels cannot be decoded, or their meaning is not known.
    """
    with pillow_is_quiet:
        try:
            image.load()
            return upright_rgb(image)
        except MienError:
            raise
        except Exception as error:  # whatever the plug-in behind the image raises
            raise UnreadableMediaError(f"the PIL image cannot be decoded: {error}") from error


def from_array(array: npt.NDArray[Any], *, colour: Colour = "RGB") -> Image:
    """Turn a NumPy array into pixels. The depth follows from the dtype, never from the values.

    Args:
        array: Shape ``(height, width)``, or ``(height, width, c)`` with c = 1 (grey), 3 or 4
            (colour and opacity, shown over white). ``uint8`` 0..255, ``uint16`` 0..65535,
            ``bool``, or floats 0..1.
        colour: Order of the channels in `array`; with opacity BGR means BGRA.

    Returns:
        RGB ``uint8``, shape ``(height, width, 3)``, contiguous. A contiguous RGB ``uint8`` array
        is returned as it is, not copied.

    Raises:
        InputError: Shape or dtype does not fit, or floats lie outside 0..1.
        ConfigError: The colour order is unknown.
    """
    check_colour(colour)
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise InputError(
            f"an image array has shape (height, width) or (height, width, 1, 3 or 4), got {shape}"
        )
    if 0 in shape:
        raise InputError(f"the array has no pixels: shape {shape}")
    samples = _eight_bits(array)
    if samples.ndim == 2 or shape[2] == 1:
        return _grey_to_rgb(samples.reshape(shape[:2]))
    if shape[2] == 4:
        return _over_white_array(samples, colour)
    if colour == "BGR":
        return np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGR2RGB), np.uint8)
    return samples


def check_colour(colour: str) -> None:
    """Make sure that `colour` is a known order of channels.

    Raises:
        ConfigError: It is not.
    """
    if colour not in get_args(Colour):
        raise ConfigError(f"colour must be 'RGB' or 'BGR', got {colour!r}")


def upright_rgb(image: PIL.Image.Image) -> Image:
    """Turn a loaded PIL image into upright RGB ``uint8``, shape ``(height, width, 3)``.

    Raises:
        UnreadableMediaError: The image has no pixels, or samples whose white is not known.
    """
    if 0 in image.size:
        raise UnreadableMediaError(f"the image has no pixels: {image.width}x{image.height}")
    return _turn(_to_rgb(image), _orientation(image))


def _orientation(image: PIL.Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when there is none.

    Asked after loading: PNG may keep it behind the pixels, and for TIFF Pillow turns the pixels
    itself and takes the tag away.
    """
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF must not cost the picture, and Pillow raises all sorts here
        return 1
    return value if isinstance(value, int) else 1


def _turn(pixels: Image, orientation: int) -> Image:
    """Undo what the EXIF orientation says; values outside 1..8 mean nothing and change nothing."""
    match orientation:
        case 2:
            turned = cv2.flip(pixels, 1)
        case 3:
            turned = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            turned = cv2.flip(pixels, 0)
        case 5:
            turned = cv2.transpose(pixels)
        case 6:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            turned = cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180)
        case 8:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            return pixels
    return np.asarray(turned, np.uint8)


def _to_rgb(image: PIL.Image.Image) -> Image:
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        return _deep_to_rgb(image)
    if image.has_transparency_data:
        # Premultiplied modes convert to their plain sibling only.
        plain = image.convert({"La": "LA", "RGBa": "RGBA"}[mode]) if mode.endswith("a") else image
        return _over_white(plain.convert("RGBA"))
    if mode == "L":
        return _grey_to_rgb(np.asarray(image))
    return _copy_rgb(image if mode == "RGB" else image.convert("RGB"))


def _deep_to_rgb(image: PIL.Image.Image) -> Image:
    """One channel of more than 8 bits. White is 65535 for 16 bits and 1.0 for floats."""
    samples = np.asarray(image)
    if image.mode == "I":
        # Older versions of Pillow open 16-bit PNG so; elsewhere it means signed or 32 bits.
        if image.format != "PNG":
            raise UnreadableMediaError(
                "the samples are signed or 32-bit integers whose white is not known; "
                "convert the image to 8 or 16 bits"
            )
        samples = samples.astype(np.uint16)
    try:
        grey = _eight_bits(samples)
    except InputError as error:
        raise UnreadableMediaError(str(error)) from error
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO:
        grey = np.invert(grey)
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey = np.where(samples == key, np.uint8(255), grey)
    return _grey_to_rgb(grey)


def _eight_bits(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale samples to 0..255 by what their dtype calls white; rounded, contiguous.

    Raises:
        InputError: The dtype has no known white, or floats lie outside 0..1.
    """
    samples = np.ascontiguousarray(samples)
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.view(np.uint8) * np.uint8(255)
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        native = samples.astype(np.uint16, copy=False)
        return _scaled(native, 1 / 257)
    if samples.dtype.kind == "f":
        low, high = float(samples.min()), float(samples.max())
        if not (low >= 0 and high <= 1):  # also when one of them is NaN
            raise InputError(
                "floating-point samples must lie between 0 (black) and 1 (white), "
                f"found {low:g} to {high:g}"
            )
        return _scaled(samples.astype(np.float32, copy=False), 255)
    raise InputError(
        f"dtype {samples.dtype} is not supported; use uint8, uint16, bool, "
        "or floats between 0 and 1"
    )


def _scaled(samples: npt.NDArray[Any], factor: float) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.convertScaleAbs(samples, alpha=factor), np.uint8).reshape(samples.shape)


def _grey_to_rgb(grey: npt.NDArray[np.uint8]) -> Image:
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _over_white_array(samples: npt.NDArray[np.uint8], colour: Colour) -> Image:
    from PIL import Image as PillowImage

    if colour == "BGR":
        samples = np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGRA2RGBA), np.uint8)
    return _over_white(PillowImage.fromarray(samples))


def _over_white(rgba: PIL.Image.Image) -> Image:
    from PIL import Image as PillowImage

    canvas = PillowImage.new("RGBA", rgba.size, "white")
    canvas.alpha_composite(rgba)
    return _copy_rgb(canvas.convert("RGB"))


def _copy_rgb(image: PIL.Image.Image) -> Image:
    """Copy in strips: one large copy costs four times as much, in page faults."""
    width, height = image.size
    rows = max(1, STRIP_PIXELS // width)
    if rows >= height:
        return np.array(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels
