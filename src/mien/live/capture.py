"""Reads frames as they come; a clip is given the time it takes to play."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from mien.interfaces import Frame
from mien.live.meters import Rate
from mien.live.slot import Slot
from mien.sources.video import VideoSource

TICK_S = 0.1
"""So often a waiting thread looks whether the pause is over."""


class Stamped(NamedTuple):
    """A frame and the moment it was read, on the monotonic clock."""

    frame: Frame
    read_s: float


class Capture:
    """Fills a slot with the frames of a source, until it ends or is told to stop.

    Live sources set the pace themselves. Frames of clips wait until they are due; one that was
    decoded too late goes on at once, so that a clip which is hard to decode plays slower, but
    complete. In a pause clips stand still, and live frames are dropped.

    Args:
        source: Read by one thread.
        frames: Where the frames go; closed at the end.
        rate: Counts them.

    Attributes:
        error: Why frames are missing, of the last place where some are; ``None`` when none are.
    """

    def __init__(self, source: VideoSource, frames: Slot[Stamped], rate: Rate) -> None:
        self._source = source
        self._frames = frames
        self._rate = rate
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._start_s: float | None = None  # when a clip would have begun
        self.error: str | None = None

    def run(self) -> None:
        """Read to the end; the body of a thread."""
        try:
            self._read()
        except ValueError:
            if not self._stop.is_set():  # closed by `stop` between two frames
                raise
        finally:
            self._frames.close()

    def pause(self, wanted: bool) -> None:
        """Stand still, or go on."""
        if wanted:
            self._running.clear()
        else:
            self._running.set()

    def stop(self) -> None:
        """End soon; from any thread."""
        self._stop.set()
        self._running.set()
        self._source.close()

    def _read(self) -> None:
        is_live = self._source.info.live
        if self._stop.is_set():
            return
        for frame in self._source:
            if self._stop.is_set():
                return
            if frame.image is None:
                self.error = frame.error
            elif is_live or self._wait_until_due(frame.time_s or 0.0):
                self._hand_over(frame)

    def _hand_over(self, frame: Frame) -> None:
        if self._running.is_set():
            self._rate.tick()
            self._frames.put(Stamped(frame, time.monotonic()))

    def _wait_until_due(self, time_s: float) -> bool:
        """Wait for the moment to show a frame of a clip; whether it is still wanted then."""
        if self._start_s is None:
            self._start_s = time.monotonic() - time_s
        while not self._stop.is_set():
            if not self._running.is_set():
                before = time.monotonic()
                self._running.wait()
                self._start_s += time.monotonic() - before
            left_s = self._start_s + time_s - time.monotonic()
            if left_s <= 0:
                return True
            self._stop.wait(min(left_s, TICK_S))
        return False
