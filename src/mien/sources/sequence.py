"""Numbered pictures as a clip: ``frames/%04d.png``, with a rate: ``frames/%04d.png?rate=30``.

A number that is missing is a gap in time, so that every tenth frame of a clip keeps its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from fractions import Fraction
from functools import partial
from pathlib import Path

from mien.errors import ConfigError, UnreadableMediaError
from mien.interfaces import Image
from mien.sources import readers
from mien.sources.listing import has_image_ending
from mien.sources.moving import ADVICE, Picture, VideoInfo

DEFAULT_RATE = Fraction(25)
MAX_RATE = 100_000
PLACEHOLDER = re.compile(r"%(?:0(\d+))?d")
RATE = re.compile(r"\?rate=([^?]*)$")


def is_sequence(location: str) -> bool:
    """Whether a text names numbered pictures: one placeholder in the name, an image's ending."""
    name = os.path.basename(RATE.sub("", location))  # noqa: PTH119  # a text, not a path yet
    return len(PLACEHOLDER.findall(name)) == 1 and has_image_ending(name)


class SequenceReader:
    """Reads numbered pictures in the order of their numbers.

    Args:
        location: Path with ``%d`` or ``%04d`` in its name, and maybe ``?rate=`` behind it.
        skip_broken: Go on behind pictures that cannot be read.
        max_pixels: Larger pictures are refused.

    Raises:
        ConfigError: The rate is no positive number.
    """

    def __init__(self, location: str, *, skip_broken: bool, max_pixels: int) -> None:
        self._pattern = Path(RATE.sub("", location))
        self._rate = _parse_rate(location)
        self._skip_broken = skip_broken
        self._max_pixels = max_pixels
        self._is_closed = False

    def info(self) -> VideoInfo:
        """List the folder and read the first picture."""
        try:
            numbers = self._numbers()
            height, width = self._load(numbers[0]).shape[:2]
        except UnreadableMediaError:
            return VideoInfo()
        duration_s = float((numbers[-1] - numbers[0] + 1) / self._rate)
        return VideoInfo(
            width=width, height=height, rate=self._rate, duration_s=duration_s, frames=len(numbers)
        )

    def pictures(self) -> Generator[Picture]:
        """Yield the pictures; one without a number that is missing."""
        self._is_closed = False
        try:
            numbers = self._numbers()
        except UnreadableMediaError as error:
            yield Picture(0, 0.0, error=str(error))
            return
        for number in numbers:
            if self._is_closed:
                return
            index = number - numbers[0]
            yield Picture(index, float(index / self._rate), partial(self._load, number))

    def close(self) -> None:
        """End before the next picture."""
        self._is_closed = True

    def _numbers(self) -> list[int]:
        """Numbers of the pictures that are there, sorted.

        Raises:
            UnreadableMediaError: The folder cannot be listed, or there is none.
        """
        folder = self._pattern.parent
        try:
            with os.scandir(folder) as entries:
                numbers = [self._number(entry.name) for entry in entries]
        except OSError as error:
            raise UnreadableMediaError(f"{folder}: {readers.os_reason(error)}") from error
        except ValueError as error:
            raise UnreadableMediaError("the path holds a NUL character") from error
        found = sorted(number for number in numbers if number is not None)
        if not found:
            raise UnreadableMediaError("no picture matches this pattern")
        return found

    def _number(self, name: str) -> int | None:
        """The number in the name of a file; ``None`` when the pattern would not make this name."""
        start, _, end = PLACEHOLDER.split(self._pattern.name)
        digits = name.removeprefix(start).removesuffix(end)
        if not (digits.isascii() and digits.isdecimal()):
            return None
        return int(digits) if self._path(int(digits)).name == name else None

    def _path(self, number: int) -> Path:
        start, width, end = PLACEHOLDER.split(self._pattern.name)
        return self._pattern.with_name(f"{start}{number:0{width or 1}d}{end}")

    def _load(self, number: int) -> Image:
        path = self._path(number)
        try:
            return readers.read_path(str(path), self._max_pixels)
        except (OSError, UnreadableMediaError) as error:
            reason = readers.os_reason(error) if isinstance(error, OSError) else str(error)
            advice = "" if self._skip_broken else f"; {ADVICE}"
            raise UnreadableMediaError(f"{path.name}: {reason}{advice}") from error


def _parse_rate(location: str) -> Fraction:
    match = RATE.search(location)
    if match is None:
        return DEFAULT_RATE
    try:
        rate = Fraction(match[1])
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= MAX_RATE:
        raise ConfigError(
            f"rate must be frames a second like 30, 29.97 or 30000/1001, got {match[1]!r}"
        )
    return rate
