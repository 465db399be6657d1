"""Capture and inference, each in a thread of its own; the window takes what is newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mien.config import VideoConfig
from mien.errors import MienError
from mien.interfaces import Frame
from mien.live.capture import Capture, Stamped
from mien.live.meters import Meters
from mien.live.mirror import mirrored
from mien.live.slot import Slot
from mien.pipeline import Analyzer
from mien.pipeline.video import Follower
from mien.results import FrameResult
from mien.sources.video import VideoSource

PATIENCE_S = 10.0
"""Longest wait for a thread that has been told to end: a driver may be stuck."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One answered frame on its way to the screen.

    Attributes:
        frame: With pixels.
        result: Its people.
        read_s: When it was read, on the monotonic clock.
    """

    frame: Frame
    result: FrameResult
    read_s: float


class Session:
    """Reads and answers in the background, always the newest frame.

    Args:
        source: Closed at the end.
        analyzer: Answers.
        config: How people are followed.
        meters: Told about every frame.
        mirror: Exchange left and right; may be changed at any time.

    Attributes:
        shots: The newest answered frame; closed behind the last one.
    """

    def __init__(
        self,
        source: VideoSource,
        analyzer: Analyzer,
        config: VideoConfig,
        meters: Meters,
        *,
        mirror: bool = False,
    ) -> None:
        self.mirror = mirror
        self.shots: Slot[Shot] = Slot()
        self._source = source
        self._meters = meters
        self._frames: Slot[Stamped] = Slot()
        self._capture = Capture(source, self._frames, meters.capture)
        self._follower = Follower(analyzer, config, live=True)
        self._read_s = 0.0
        self._failure: BaseException | None = None
        self._threads = [
            self._thread("capture", self._capture.run),
            self._thread("inference", self._answer),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End both threads."""
        self._capture.stop()
        self._frames.close()
        end_s = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def pause(self, wanted: bool) -> None:
        """Stand still, or go on."""
        self._capture.pause(wanted)

    @property
    def source_error(self) -> str | None:
        """Why frames of the source are missing; ``None`` when none are."""
        return self._capture.error

    @property
    def trouble(self) -> str | None:
        """Why nothing comes at the moment, while a stream is being opened again."""
        return self._source.trouble

    def check(self) -> None:
        """Raise what went wrong in a thread.

        Raises:
            MienError: Something did.
        """
        failure = self._failure
        if isinstance(failure, MienError):
            raise failure
        if failure is not None:
            text = " ".join(str(failure).split()) or "no reason given"
            raise MienError(f"stopped by an error: {type(failure).__name__}: {text}") from failure

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException as error:  # whatever it is, the window must hear of it
                self._failure = self._failure or error
            finally:
                self._frames.close()
                if name == "inference":
                    self.shots.close()

        # Daemons: a stuck driver must not keep the process alive.
        return threading.Thread(target=body, name=f"mien-live-{name}", daemon=True)

    def _answer(self) -> None:
        for frame, result in self._follower.run(self._newest()):
            shot = mirrored(frame, result) if self.mirror else (frame, result)
            self._meters.inference.tick()
            self.shots.put(Shot(*shot, self._read_s))

    def _newest(self) -> Iterator[Frame]:
        """Frames as they are wanted; live, the follower answers each before it asks for more."""
        for frame, read_s in self._frames:
            self._read_s = read_s
            yield frame
