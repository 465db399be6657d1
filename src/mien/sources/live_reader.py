"""Live pictures: a thread reads as fast as they come, and only the newest one is kept.

Whoever looks at them may be slow: what came meanwhile is dropped, so the delay never grows. When
a feed breaks off it is opened again, with pauses that double, until that has failed for too long.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mien.errors import UnreadableMediaError
from mien.interfaces import Image
from mien.sources.moving import Picture, VideoInfo

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
SILENCE_S = 15.0
"""A feed that neither delivers nor fails for so long is given up."""


class Feed(Protocol):
    """An open camera or stream; used by one thread only."""

    rate: Fraction | None
    has_audio: bool

    def read(self) -> Callable[[], Image] | None:
        """Wait for the next picture; what makes its pixels, or ``None`` when it was damaged.

        Raises:
            UnreadableMediaError: There will be no more.
        """
        ...

    def close(self) -> None:
        """Let go of the device or connection."""
        ...


@dataclass
class _Newest:
    """What the thread and the reader share; only touched under the lock.

    Attributes:
        changed: Lock, and bell for news.
        picture: The newest one that nobody has taken.
        rate: Of the feed, once it is open.
        has_audio: Whether the feed has sound.
        trouble: Why no pictures come at the moment.
        end: Why there will be none any more; empty when the reader was closed.
        stop: Whether the reader was closed.
    """

    changed: threading.Condition
    picture: Picture | None = None
    rate: Fraction | None = None
    has_audio: bool = False
    trouble: str | None = None
    end: str | None = None
    stop: bool = False

    def close(self) -> None:
        """Tell both sides to end."""
        with self.changed:
            self.stop = True
            self.changed.notify_all()


class LiveReader:
    """Keeps the newest picture of a feed.

    Args:
        open_feed: Opens it; raises `UnreadableMediaError`. A first failure is final.
        give_up_s: Seconds without a picture after which a broken feed is not opened again;
            ``None``: a feed that breaks off has ended.
    """

    def __init__(self, open_feed: Callable[[], Feed], *, give_up_s: float | None) -> None:
        self._open_feed = open_feed
        self._give_up_s = give_up_s
        self._shared: _Newest | None = None

    @property
    def trouble(self) -> str | None:
        """Why no pictures come at the moment, while the feed is being opened again."""
        return None if self._shared is None else self._shared.trouble

    def info(self) -> VideoInfo:
        """Wait for the first picture."""
        shared = self._start()
        picture = self._wait(shared, take=False)
        if picture is None or picture.load is None:
            return VideoInfo(live=True)
        height, width = picture.load().shape[:2]
        return VideoInfo(
            width=width, height=height, rate=shared.rate, has_audio=shared.has_audio, live=True
        )

    def pictures(self) -> Generator[Picture]:
        """Yield the newest picture whenever asked, each one once; the last one says why."""
        shared = self._start()
        number, time_s = 0, 0.0
        try:
            while (picture := self._wait(shared, take=True)) is not None:
                number, time_s = picture.index + 1, picture.time_s
                yield picture
            if shared.end:
                yield Picture(number, time_s, error=shared.end)
        finally:
            shared.close()
            if self._shared is shared:
                self._shared = None

    def close(self) -> None:
        """End, also when another thread is waiting for a picture."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    def _start(self) -> _Newest:
        if self._shared is None:
            self._shared = _Newest(threading.Condition())
            worker = _Worker(self._shared, self._open_feed, self._give_up_s)
            threading.Thread(target=worker.run, name="mien-capture", daemon=True).start()
            weakref.finalize(self, self._shared.close)  # who forgets to close frees the camera
        return self._shared

    def _wait(self, shared: _Newest, *, take: bool) -> Picture | None:
        """The newest picture as soon as there is one; ``None`` at the end."""
        patience_s = SILENCE_S + (self._give_up_s or 0.0)
        with shared.changed:
            arrived = shared.changed.wait_for(
                lambda: shared.picture or shared.end is not None or shared.stop, patience_s
            )
            if not arrived:
                shared.end, shared.stop = f"no picture came for {patience_s:g} s", True
            if shared.stop and shared.end is None:
                return None
            picture = shared.picture
            if take:
                shared.picture = None
            return picture


class _Worker:
    """What the thread does: open, read, open again."""

    def __init__(
        self, shared: _Newest, open_feed: Callable[[], Feed], give_up_s: float | None
    ) -> None:
        self._shared = shared
        self._open_feed = open_feed
        self._give_up_s = give_up_s
        self._number = 0
        self._first: float | None = None  # on the monotonic clock
        self._latest = 0.0

    def run(self) -> None:
        """Read until the reader is closed or the feed has ended for good."""
        pause_s = FIRST_PAUSE_S
        while not self._shared.stop:
            before = self._number
            error = self._read_feed()
            if self._number > before:
                pause_s = FIRST_PAUSE_S
            text = self._verdict(error)
            with self._shared.changed:
                self._shared.trouble = error
                if text is not None:
                    self._shared.end = text
                    self._shared.changed.notify_all()
                    return
                self._shared.changed.wait_for(lambda: self._shared.stop, pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _read_feed(self) -> str:
        """Read one feed to its end, and say why it ended."""
        try:
            feed = self._open_feed()
        except UnreadableMediaError as error:
            return str(error)
        try:
            with self._shared.changed:
                self._shared.rate, self._shared.has_audio = feed.rate, feed.has_audio
            while not self._shared.stop:
                load = feed.read()
                if load is not None:
                    self._hand_over(load)
        except UnreadableMediaError as error:
            return str(error)
        finally:
            feed.close()
        return ""

    def _hand_over(self, load: Callable[[], Image]) -> None:
        self._latest = time.monotonic()
        if self._first is None:
            self._first = self._latest
        with self._shared.changed:
            self._shared.picture = Picture(self._number, self._latest - self._first, load)
            self._shared.trouble = None
            self._shared.changed.notify_all()
        self._number += 1

    def _verdict(self, error: str) -> str | None:
        """What to say at the end; ``None`` when the feed is to be opened again."""
        if self._first is None or self._shared.stop:
            return error
        after = f"broke off after {self._latest - self._first:.1f} s"
        if self._give_up_s is None:
            return f"{after}: {error}"
        if time.monotonic() - self._latest >= self._give_up_s:
            return f"{after} and did not come back within {self._give_up_s:g} s: {error}"
        return None
