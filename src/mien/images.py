"""Decode, colour, resize, normalise: the only preprocessing code, for training and serving."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.decoding import MAX_PIXELS, Colour, decode, from_array, from_pil
from mien.errors import ConfigError
from mien.interfaces import Image

__all__ = [
    "LUMA",
    "MAX_PIXELS",
    "Colour",
    "InputSpec",
    "decode",
    "from_array",
    "from_pil",
    "normalise",
    "to_grey",
]

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in luma, ITU-R BT.601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a network wants to see.

    Attributes:
        size: Width and height in pixels.
        colour: ``"grey"`` (one channel of luma) or ``"RGB"``.
        mean: Subtracted from every channel after scaling to 0..1.
        std: Divides every channel after that.
    """

    size: int
    colour: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.colour not in ("grey", "RGB"):
            raise ConfigError(f"input colour must be 'grey' or 'RGB', got {self.colour!r}")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ConfigError(
                f"{self.colour} input needs {self.channels} mean and std values, "
                f"got {len(self.mean)} and {len(self.std)}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"std must be positive, got {self.std}")

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return 1 if self.colour == "grey" else 3


def to_grey(chips: Image) -> npt.NDArray[np.uint8]:
    """Luma of RGB images, see `LUMA`.

    Args:
        chips: ``uint8``, shape ``(..., 3)``; one channel ``(..., 1)`` passes through.

    Returns:
        ``uint8``, shape ``(..., 1)``.

    Raises:
        ConfigError: The last axis is neither 3 nor 1.
    """
    if chips.shape[-1] not in (1, 3):
        raise ConfigError(f"a picture has 3 channels or 1, got shape {chips.shape}")
    if chips.shape[-1] == 1 or not chips.size:  # OpenCV refuses an empty array
        return chips[..., :1]
    flat = np.ascontiguousarray(chips).reshape(-1, chips.shape[-2], 3)
    grey = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.uint8).reshape(*chips.shape[:-1], 1)


def normalise(chips: Image, spec: InputSpec) -> npt.NDArray[np.float32]:
    """Turn chips into the network's input tensor.

    Args:
        chips: RGB or grey ``uint8``, shape ``(n, size, size, 3 or 1)``.
        spec: Colour, mean and std of the model.

    Returns:
        ``float32``, shape ``(n, channels, size, size)``.

    Raises:
        ConfigError: The chips have another size than the model's, or no colour where it wants it.
    """
    if chips.ndim != 4 or chips.shape[1:3] != (spec.size, spec.size):
        raise ConfigError(f"the model wants {spec.size} px chips, got shape {chips.shape}")
    if spec.colour == "grey":
        chips = to_grey(chips)
    elif chips.shape[3] != 3:
        raise ConfigError(f"the model wants RGB chips, got {chips.shape[3]} channels")
    # One multiply-add per pixel: (x / 255 - mean) / std.
    scale = 1.0 / (255.0 * np.array(spec.std, np.float32))
    shift = -np.array(spec.mean, np.float32) / np.array(spec.std, np.float32)
    planes = np.moveaxis(chips, 3, 1)
    return np.ascontiguousarray(
        planes * scale[:, None, None].astype(np.float32) + shift[:, None, None].astype(np.float32),
        dtype=np.float32,
    )
