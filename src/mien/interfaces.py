"""The plug points: what a source, a detector, an attribute model and a sink must offer.

They are protocols: a class fits when it has the methods, it need not inherit.
Images are RGB ``uint8`` arrays of shape ``(height, width, 3)`` everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from mien.results import Box, FrameResult, Landmarks

Image: TypeAlias = npt.NDArray[np.uint8]
"""RGB ``uint8``, shape ``(height, width, 3)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One image on its way through the pipeline.

    Attributes:
        source: Path, URL or name, as the user gave it.
        index: Position within the source; 0 for stills.
        time_s: Time stamp in seconds; ``None`` for stills.
        image: The pixels, upright; ``None`` when they could not be read.
        error: Why `image` is ``None``; one line.
        detections: Faces whose place in `image` is known; without them the detector looks.
    """

    source: str
    index: int = 0
    time_s: float | None = None
    image: Image | None = None
    error: str | None = None
    detections: tuple[Detection, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One face as a detector reports it, in pixels of the image it was given."""

    box: Box
    score: float
    landmarks: Landmarks | None = None


class Source(Protocol):
    """Yields frames. Unreadable ones are frames with an error, never an exception."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds faces."""

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first."""
        ...


@runtime_checkable
class AttributeModel(Protocol):
    """Answers questions about aligned chips."""

    def predict(self, chips: Image) -> dict[str, npt.NDArray[np.float32]]:
        """Map chips ``(n, size, size, 3)`` to probabilities ``(n, k)`` by head name."""
        ...


class Sink(Protocol):
    """Takes results and writes them somewhere."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Take one result; `frame` still carries the pixels."""
        ...

    def close(self) -> None:
        """Finish: whatever was written is complete and under its final name."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        """Close."""
        ...
