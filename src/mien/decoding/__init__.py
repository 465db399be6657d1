"""Any still image, as bytes, array or PIL image, to upright RGB ``uint8`` pixels.

Callers import these names from `mien.images`.

    bytes
      -> formats.sniff       which format do the first bytes announce?
      -> containers          Pillow reads the header; the size is checked before any pixel
      -> pixels.upright_rgb  sample formats, transparency, orientation
"""

from mien.decoding.files import MAX_PIXELS, decode
from mien.decoding.pixels import Colour, from_array, from_pil

__all__ = [
    "MAX_PIXELS",
    "Colour",
    "decode",
    "from_array",
    "from_pil",
]
