"""Pictures and sound into one file, with FFmpeg: H.264, and every time stamp as it is."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from mien.interfaces import Image
from mien.sinks.sound import Sound, open_sound

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Containers by ending."""

TICKS = 360_000
"""A second; all usual rates, 24000/1001 too, are whole numbers of ticks. MKV keeps milliseconds."""

MPEG4_TICKS = 60_000
"""MPEG-4 knows no more than 65,535."""

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4")
"""What can encode, best first; only the first one is in all of PyAV's wheels."""

CRF = 20
"""Quality of libx264, lower is better: no visible loss beside the source, at a usual size."""

KEY_S = 5
"""Longest way between two pictures that a player can jump to."""

FRAME_DURATION = 1 << 8
"""FFmpeg's flag by which an encoder passes on how long a picture is shown."""

BT709 = 1
LIMITED = 1
"""FFmpeg's numbers for the colours of HD video and for luma from 16 to 235."""


class Timed(NamedTuple):
    """A picture and when it is shown, in ticks from the beginning of the clip."""

    image: Image
    tick: int


def choose_encoder(is_known: Callable[[str], bool] | None = None) -> str:
    """Name the best encoder that this FFmpeg has; one that is not H.264 gets a warning."""
    name = next((name for name in ENCODERS if (is_known or _is_encoder)(name)), ENCODERS[-1])
    if name == "mpeg4":
        logger.warning("this FFmpeg cannot write H.264; the clip is written as MPEG-4 Part 2")
    return name


def _is_encoder(name: str) -> bool:
    import av

    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


class Encoding:
    """FFmpeg at work on one file.

    Args:
        path: The file, of any name.
        container: One of the values of `FORMATS`.
        size: Width and height of the pictures.
        encoder: One of `ENCODERS`.
        rate: About how many pictures there are in a second.
    """

    def __init__(
        self, path: Path, container: str, size: tuple[int, int], *, encoder: str, rate: Fraction
    ) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        # The index to the front, so that players in a browser begin before they have it all.
        options = {} if container == "matroska" else {"movflags": "+faststart"}
        self._container = av.open(str(path), "w", format=container, options=options)
        rate = min(max(rate.limit_denominator(1001), Fraction(1)), Fraction(240))
        self._stream: VideoStream = self._container.add_stream(encoder, rate=rate)  # type: ignore[assignment]
        self._time_base = Fraction(1, MPEG4_TICKS if encoder == "mpeg4" else TICKS)
        self._odd = (size[0] % 2, size[1] % 2)
        context = self._stream.codec_context
        context.width, context.height = size[0] + self._odd[0], size[1] + self._odd[1]
        context.pix_fmt = "yuv420p"
        context.time_base = self._stream.time_base = self._time_base
        context.gop_size = min(300, max(1, round(KEY_S * rate)))
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        context.flags |= FRAME_DURATION
        # Pictures in the order in which they are shown: with B-frames, MP4 gets the duration of a
        # clip with a variable rate wrong.
        context.max_b_frames = 0
        if encoder == "libx264":
            self._stream.options = {"crf": str(CRF), "preset": "veryfast"}
        else:
            context.bit_rate = round(0.15 * context.width * context.height * rate)
        self._reformatter = VideoReformatter()
        self._sound: Sound | None = None
        self._last = -1
        self._end_s = 0.0

    def begin(self, source: str, start_s: float) -> None:
        """Take over the sound of a source from `start_s` on, and write what comes first."""
        self._sound = open_sound(source, self._container, start_s) if source else None
        self._container.start_encoding()

    def add(self, picture: Timed, ticks: int) -> None:
        """Encode a picture that is shown for so many ticks, and the sound beside it.

        Does nothing for a picture that it has had: after Ctrl-C nobody else would know.
        """
        import av

        if picture.tick <= self._last:
            return
        right, bottom = self._odd
        image = np.asarray(picture.image)
        if right or bottom:
            image = np.asarray(
                cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8
            )
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=BT709,
            dst_color_range=LIMITED,
        )
        units = self._time_base * TICKS
        frame.time_base = self._time_base
        frame.pts, frame.duration = round(picture.tick / units), max(1, round(ticks / units))
        self._end_s = (picture.tick + ticks) / TICKS
        self._last = picture.tick
        self._push([frame])
        if self._sound is not None:
            self._sound.write_until(self._end_s)

    def finish(self) -> None:
        """Write what is still on its way, and complete the file."""
        self._push([None])
        if self._sound is not None:
            self._sound.finish(self._end_s)
        self._container.close()

    def abandon(self) -> None:
        """Close everything; the file is not complete."""
        import av

        if self._sound is not None:
            self._sound.close()
        with suppress(av.FFmpegError):
            self._container.close()

    def _push(self, frames: Sequence[av.VideoFrame | None]) -> None:
        # In one call to C: Ctrl-C between encoding and writing would lose a picture, upon which
        # the next ones are built.
        deque(map(self._container.mux, map(self._stream.encode, frames)), maxlen=0)
