"""Live streams from the network: cameras behind ``rtsp``, and whatever has no end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from mien.errors import UnreadableMediaError
from mien.interfaces import Image
from mien.sources import ffmpeg
from mien.sources.upright import Converter
from mien.sources.whole_frames import Damage, WholeFrames

if TYPE_CHECKING:
    import av

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
"""Addresses that begin so are live."""

RTSP = {"rtsp_transport": "tcp", "analyzeduration": "500000"}
"""Over TCP no packet gets lost; half a second of stream is enough to know what is in it."""


class StreamFeed:
    """An open stream; pictures come when they are sent.

    The decoder does not work on several pictures at once, as it does for files: each would come
    later by as many.

    Args:
        location: The address.
        max_pixels: Larger frames are refused.

    Raises:
        UnreadableMediaError: It cannot be opened.
    """

    def __init__(self, location: str, *, max_pixels: int) -> None:
        options = RTSP if location.lower().startswith("rtsp") else {}
        self._container, self._stream = ffmpeg.open_clip(
            location, max_pixels=max_pixels, options=options
        )
        self._stream.thread_type = "SLICE"
        self.rate = self._stream.average_rate or None
        self.has_audio = bool(self._container.streams.audio)
        self._frames: Iterator[av.VideoFrame | Damage] = iter(
            WholeFrames(self._container, self._stream, live=True)
        )
        self._convert = Converter(self._stream.sample_aspect_ratio)

    def read(self) -> Callable[[], Image] | None:
        """Wait for the next frame; damaged ones are passed over.

        Raises:
            UnreadableMediaError: The stream broke off or ended.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise UnreadableMediaError("the stream ended")
        if isinstance(frame, Damage):
            if frame.reason is not None:
                raise UnreadableMediaError(frame.reason)
            return None
        return partial(self._convert, frame)

    def close(self) -> None:
        """Close the connection."""
        self._container.close()
