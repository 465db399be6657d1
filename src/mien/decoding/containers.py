"""Open an image file of a known format: Pillow reads the header, the pixels wait.

The plug-in classes are called directly. `PIL.Image.open` would apply Pillow's process-wide
pixel limit, with its warnings, and try formats that nobody asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mien.errors import MissingExtraError, UnreadableMediaError

if TYPE_CHECKING:
    import PIL.Image

SUBSAMPLING_TAG = 530
"""Of YCbCr in TIFF; its default is (2, 2)."""


class Container(NamedTuple):
    """An opened file whose pixels are not decoded yet.

    Attributes:
        size: Width and height in pixels, as the header says.
        load: Decodes the pixels.
    """

    size: tuple[int, int]
    load: Callable[[], PIL.Image.Image]


def open_container(kind: str, data: bytes) -> Container:
    """Read the header.

    Args:
        kind: What `mien.decoding.formats.sniff` said.
        data: The whole file.

    Raises:
        UnreadableMediaError: The library for this format is missing.
        Exception: Pillow raises nearly anything on damaged files.
    """
    if kind == "HEIC":
        return _open_heic(data)
    if kind == "WebP" and (size := _webp_size(data)) is not None:
        # Pillow reserves the whole canvas when it opens the file: leave that for later.
        return Container(size, lambda: _loaded(_open_with_pillow(kind, data)))
    image = _open_with_pillow(kind, data)
    return Container(image.size, lambda: _loaded(image))


def _loaded(image: PIL.Image.Image) -> PIL.Image.Image:
    image.load()
    return image


def _open_with_pillow(kind: str, data: bytes) -> PIL.Image.Image:
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    if kind == "TIFF":
        return _open_tiff(data)
    if kind == "AVIF":
        return _open_avif(data)
    if kind == "WebP":
        return WebPImagePlugin.WebPImageFile(_Sips(data))
    factories: dict[str, Callable[[io.BytesIO], PIL.Image.Image]] = {
        # Not the registered factory: it would look for further pictures (MPO) behind the first.
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
    }
    return factories[kind](io.BytesIO(data))


class _Sips(io.BytesIO):
    """Answers a sized read with 16 bytes at most, as streams may.

    Pillow 13 looks at the first 30 bytes of a WebP file to apply its own global limit, even
    when the user has raised ours. With fewer bytes it cannot tell the size and goes on.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 0 else min(size, 16))


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the canvas; ``None`` when the header makes no sense."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":  # two 24-bit numbers, each one less than the side
        width, height = body[4:7], body[7:10]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8 ":  # lossy: 14 bits each behind the start code
        width, height = body[6:8], body[8:10]
        return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF
    if kind == b"VP8L":  # lossless: 14 bits each behind the signature byte
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _open_tiff(data: bytes) -> PIL.Image.Image:
    from PIL import Image, TiffImagePlugin

    class Tiff(TiffImagePlugin.TiffImageFile):
        def load_prepare(self) -> None:
            # The parent would apply Pillow's global limit before it makes the canvas.
            size = getattr(self, "_tile_size", None)
            if size is not None and getattr(self, "_im", None) is None:
                self.im = Image.new(self.mode, size).im
            super().load_prepare()

    image = Tiff(io.BytesIO(data))
    if image.mode == "YCbCr" and image.tag_v2.get(SUBSAMPLING_TAG, (2, 2)) != (1, 1):
        # Pillow would take the bytes for full resolution and return wrong colours.
        raise UnreadableMediaError("uncompressed TIFF with subsampled colour is not supported")
    return image


def _open_avif(data: bytes) -> PIL.Image.Image:
    from PIL import features

    # Older versions of Pillow do not know the feature and warn about the question.
    known: bool = "avif" in features.modules and features.check_module("avif")
    if not known:
        raise UnreadableMediaError(
            "reading AVIF images needs Pillow 11.3 or newer. Run: pip install -U pillow"
        )
    from PIL import AvifImagePlugin

    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))


def _open_heic(data: bytes) -> Container:
    try:
        import pillow_heif
    except ImportError as error:
        raise UnreadableMediaError(str(MissingExtraError("reading HEIC images", "heic"))) from error
    heic = pillow_heif.open_heif(data)
    return Container(heic.size, heic.to_pillow)
