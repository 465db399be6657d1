"""One clip on disk, which gets its name when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from mien.errors import OutputError
from mien.interfaces import Image
from mien.sinks.encoding import FORMATS, TICKS, Encoding, Timed, choose_encoder
from mien.sinks.files import PartFile, output_error


class ClipFile:
    """A growing clip; it gets its name when it is complete.

    The picture that was added last waits for the next one, which says how long it is shown.

    Args:
        path: With one of the endings of `FORMATS`.
        source: Where the pictures come from; its sound is taken over.
        audio: Without it there is no sound.
        encoder: One of `ENCODERS`.

    Raises:
        OutputError: The file cannot be made.
    """

    def __init__(
        self, path: Path, source: str, *, audio: bool = True, encoder: str | None = None
    ) -> None:
        self.path = path
        self._source = source if audio else ""
        self._encoder = encoder or choose_encoder()
        self._file = PartFile(path)
        self._is_open = True
        self._first_s: float | None = None
        self._size = (0, 0)
        self._waiting: list[Timed] = []
        self._shown = 0  # ticks that the picture before was shown
        self._encoding: Encoding | None = None

    def add(self, image: Image, time_s: float) -> None:
        """Append a picture; one that is not later than the last is left out.

        Args:
            image: RGB; the first one says how large the clip is, and others are scaled to that.
                H.264 wants even sides: the last row or column of an odd one is doubled.
            time_s: When it was taken; the first picture is shown at 0.

        Raises:
            OutputError: The disk is full or gone; the clip is given up.
        """
        if not self._is_open:
            raise OutputError(f"{self.path}: the clip was given up, so no frame can be added.")
        if self._first_s is None:
            self._first_s = time_s
            self._size = (image.shape[1], image.shape[0])
        tick = round((time_s - self._first_s) * TICKS)
        if self._waiting and tick <= self._waiting[-1].tick:
            return
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        self._waiting.append(Timed(image, tick))
        self._encode_all_but_last()

    def finish(self) -> None:
        """Complete the file; the last picture is shown as long as the one before it.

        Raises:
            OutputError: That fails; the clip is given up.
        """
        if not self._is_open:
            return
        self._encode_all_but_last()  # more than one waits when Ctrl-C came between
        for last in self._waiting:
            self._encode(last, self._shown or TICKS // 25)
        if self._encoding is None:
            self.discard()
            return
        with self._giving_up():
            self._encoding.finish()
        self._is_open = False
        self._file.commit()

    def discard(self) -> None:
        """Throw the clip away; a file that had the name before stays."""
        self._is_open = False
        if self._encoding is not None:
            self._encoding.abandon()
        self._file.discard()

    def _encode_all_but_last(self) -> None:
        while len(self._waiting) > 1:
            picture, after = self._waiting[:2]
            self._encode(picture, after.tick - picture.tick)
            del self._waiting[0]

    def _encode(self, picture: Timed, ticks: int) -> None:
        self._shown = ticks
        with self._giving_up():
            if self._encoding is None:
                self._encoding = Encoding(
                    self._file.part,
                    FORMATS[self.path.suffix.lower()],
                    self._size,
                    encoder=self._encoder,
                    rate=Fraction(TICKS, ticks),
                )
                self._encoding.begin(self._source, self._first_s or 0.0)
            self._encoding.add(picture, ticks)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        import av

        try:
            yield
        except av.FFmpegError as error:
            self.discard()
            reason = output_error(self.path, OSError(error.errno, error.strerror))
            raise OutputError(f"{reason} The clip was given up.") from error
