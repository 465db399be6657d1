"""What every source of moving pictures offers, whatever it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mien.config import VideoConfig
from mien.interfaces import Image

ADVICE = "--skip-broken (skip_broken) goes on behind such places"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What is known of a clip or camera before its frames are looked at.

    Attributes:
        width: Pixels across of an upright frame; 0 when nothing can be read.
        height: Pixels down of an upright frame; 0 when nothing can be read.
        rate: Mean frames a second, exact (30000/1001); ``None`` when nobody says.
        duration_s: Length of the whole clip; ``None`` for cameras and live streams.
        frames: About how many frames will be looked at; ``None`` when there is no end in sight.
        has_audio: Whether there is a sound track.
        live: Whether frames come when they happen, so that late ones are dropped.
    """

    width: int = 0
    height: int = 0
    rate: Fraction | None = None
    duration_s: float | None = None
    frames: int | None = None
    has_audio: bool = False
    live: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of a source, not converted to pixels yet.

    Attributes:
        index: Number among all pictures of the source.
        time_s: Seconds from the start of the source.
        load: Makes the pixels; raises `UnreadableMediaError`. ``None`` when there are none.
        error: Why there are none.
    """

    index: int
    time_s: float
    load: Callable[[], Image] | None = None
    error: str | None = None


class Reader(Protocol):
    """Reads one kind of source; `VideoSource` chooses among its pictures."""

    def info(self) -> VideoInfo:
        """Say what is known; an empty `VideoInfo` when the source cannot be opened."""
        ...

    def pictures(self) -> Generator[Picture]:
        """Open the source and yield its pictures in order; problems are pictures, too."""
        ...

    def close(self) -> None:
        """End soon, also when another thread is waiting for a picture."""
        ...


class Sampler:
    """Which pictures are looked at, by their times: start, end, one in so many seconds.

    Args:
        config: `start_s`, `end_s` and `every_s` of it.
    """

    SLACK_S = 1e-6
    """Times are fractions written as floats: 0.3 may come as 0.29999999999999998."""

    def __init__(self, config: VideoConfig) -> None:
        self._config = config
        self._next = 0  # number of the grid point that waits for its picture

    def is_over(self, time_s: float) -> bool:
        """Whether this picture, and so every later one, lies at or behind the end."""
        end_s = self._config.end_s
        return end_s is not None and time_s >= end_s - self.SLACK_S

    def takes(self, time_s: float) -> bool:
        """Whether this picture is looked at; asked once for each, in order."""
        since = time_s - self._config.start_s + self.SLACK_S
        every_s = self._config.every_s
        if since < 0 or (every_s is not None and since < self._next * every_s):
            return False
        if every_s is not None:
            self._next = int(since / every_s) + 1
        return True


def count_frames(
    config: VideoConfig, rate: Fraction | None, duration_s: float | None
) -> int | None:
    """About how many frames `Sampler` takes of a clip; ``None`` when there is no way to know."""
    count: int | None = None
    ends = [end for end in (duration_s, config.end_s) if end is not None]
    if ends:
        first_s, end_s = config.start_s, max(config.start_s, min(ends))
        grid = None if config.every_s is None else _ceil((end_s - first_s) / config.every_s)
        frames = None if rate is None else _ceil(end_s * rate) - _ceil(first_s * rate)
        count = min([number for number in (frames, grid) if number is not None], default=None)
    limits = [number for number in (count, config.max_frames) if number is not None]
    return min(limits, default=None)


def _ceil(number: float) -> int:
    """Round up, but take 18.000000001 for 18."""
    return math.ceil(number - 1e-3)
