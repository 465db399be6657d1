"""Clips that have a beginning and mostly an end: files, and files on web servers."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from mien.errors import UnreadableMediaError
from mien.sources import ffmpeg
from mien.sources.moving import ADVICE, Picture, VideoInfo
from mien.sources.upright import Converter
from mien.sources.whole_frames import Damage, WholeFrames

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

SEEK_BACK_S = (0.0, 2.0, 15.0)
"""How far before the start to look for a key frame; if all fail, the whole clip is decoded."""

ANNOUNCED = ("mov,mp4", "matroska", "avi", "flv", "asf")
"""Formats that announce their length up front, so that a missing end can be noticed."""

SLACK_S = 1e-6


class Clock:
    """Presentation times of frames as seconds from the start of the clip, always growing.

    Args:
        stream: The picture track.
    """

    JUMP_S = 1.0
    """Time stamps that fall back by more begin a new piece, as in files that were joined."""

    def __init__(self, stream: VideoStream) -> None:
        self._unit = Fraction(stream.time_base or 1)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self._step = max(1, round(1 / (rate * self._unit)))
        self._zero = stream.start_time
        self._offset = 0
        self._last: int | None = None

    def tick(self, frame: av.VideoFrame) -> float:
        """Time of the next frame."""
        if frame.pts is not None:
            stamp = frame.pts + self._offset
        elif self._last is not None:  # raw streams have no time stamps: they run at their rate
            stamp = self._last + self._step
        else:
            stamp = self._zero or 0
        if self._zero is None:
            self._zero = stamp
        if self._last is not None and stamp <= self._last:
            is_jump = (self._last - stamp) * self._unit > self.JUMP_S
            after = self._last + (self._step if is_jump else 1)
            if is_jump:
                self._offset += after - stamp
            stamp = after
        self._last = stamp
        return float((stamp - self._zero) * self._unit)

    def stamp(self, time_s: float) -> int | None:
        """Time stamp at so many seconds from the start; ``None`` when nothing is numbered."""
        return None if self._zero is None else self._zero + int(time_s / self._unit)


class Playback:
    """One opened clip on its way from packets to pictures.

    Args:
        container: Opened for reading.
        stream: Its picture track.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.container = container
        self.stream = stream
        self.clock = Clock(stream)
        self.number = 0
        stream.thread_type = "AUTO"  # several frames at once
        self._decoding = WholeFrames(container, stream)
        self.frames: Iterator[av.VideoFrame | Damage] = iter(self._decoding)
        self._convert = Converter(stream.sample_aspect_ratio)

    def seek(self, time_s: float, target_s: float) -> bool:
        """Go to the last key frame at or before `target_s`.

        Returns:
            Whether that worked such that no picture from `time_s` on will be missing.
        """
        import av

        stamp = self.clock.stamp(target_s)
        if stamp is None or self.stream.time_base is None:
            return False
        try:
            self.container.seek(stamp, stream=self.stream)
        except (av.FFmpegError, OSError):
            return False
        frame = next((frame for frame in self.frames if not isinstance(frame, Damage)), None)
        latest = self.clock.stamp(time_s + SLACK_S)
        if frame is None or frame.pts is None or latest is None or frame.pts > latest:
            return False
        since = (frame.pts - (self.clock.stamp(0) or 0)) * self.stream.time_base
        self.number = round(since * (self.stream.average_rate or 0))
        self.frames = chain([frame], self.frames)
        return True

    def picture(self, frame: av.VideoFrame) -> Picture:
        """Number and time of the next frame; its pixels are made when asked for."""
        self.number += 1
        return Picture(self.number - 1, self.clock.tick(frame), partial(self._convert, frame))

    def cut_off(self) -> str | None:
        """At the end: what to say when the clip announced more than it held."""
        duration, end_s = self.container.duration, self._decoding.end_s
        if duration is None or not self.container.format.name.startswith(ANNOUNCED):
            return None
        start_s = (self.container.start_time or 0) / 1e6
        announced_s, got_s = duration / 1e6, (end_s or start_s) - start_s
        if got_s >= announced_s - max(0.5, 0.001 * announced_s):
            return None
        return f"cut off: it ends at {got_s:.2f} s, but announces {announced_s:.2f} s"


class ClipReader:
    """Reads one file or address; every use opens it anew.

    Args:
        location: Path or ``http(s)`` address.
        start_s: Pictures before this time are not needed.
        skip_broken: Go on behind damaged places.
        max_pixels: Larger frames are refused.
    """

    def __init__(
        self, location: str, *, start_s: float, skip_broken: bool, max_pixels: int
    ) -> None:
        self._location = location
        self._start_s = start_s
        self._skip_broken = skip_broken
        self._max_pixels = max_pixels
        self._is_closed = False

    def info(self) -> VideoInfo:
        """Open the clip, decode one frame, close it."""
        try:
            playback = self._open()
        except UnreadableMediaError:
            return VideoInfo()
        with playback.container:
            for frame in playback.frames:
                if not isinstance(frame, Damage):
                    return ffmpeg.read_info(playback.container, playback.stream, frame)
        return VideoInfo()

    def close(self) -> None:
        """End behind the picture that is being decoded."""
        self._is_closed = True

    def pictures(self) -> Generator[Picture]:
        """Yield what can be decoded, from the key frame before the start on."""
        self._is_closed = False
        try:
            playback = self._open_at_start()
        except UnreadableMediaError as error:
            yield Picture(0, 0.0, error=str(error))
            return
        with playback.container:
            yield from self._read(playback)

    def _open(self) -> Playback:
        return Playback(*ffmpeg.open_clip(self._location, max_pixels=self._max_pixels))

    def _open_at_start(self) -> Playback:
        for back_s in SEEK_BACK_S if self._start_s > 0 else ():
            playback = self._open()
            if playback.seek(self._start_s, max(0.0, self._start_s - back_s)):
                return playback
            playback.container.close()
        return self._open()

    def _read(self, playback: Playback) -> Iterator[Picture]:
        """Pictures and, behind damaged places, one picture that says what is missing."""
        last_s: float | None = None
        broken: Damage | None = None
        for frame in playback.frames:
            if self._is_closed:
                return
            if isinstance(frame, Damage):
                broken = broken if broken and broken.reason else frame
                continue  # the next frame will show whether anything follows
            picture = playback.picture(frame)
            if broken and picture.time_s > self._start_s:
                yield self._gap(playback, last_s, picture.time_s)
                if not self._skip_broken:
                    return
            broken, last_s = None, picture.time_s
            yield picture
        yield from self._ending(playback, last_s, broken)

    def _gap(self, playback: Playback, last_s: float | None, next_s: float) -> Picture:
        where = "at its beginning" if last_s is None else f"behind {last_s:.2f} s"
        text = f"damaged {where}; {ADVICE}"
        if self._skip_broken:
            first = "its beginning" if last_s is None else f"{last_s:.2f} s"
            text = f"damaged between {first} and {next_s:.2f} s: nothing there can be decoded"
        return Picture(playback.number, last_s or 0.0, error=text)

    def _ending(
        self, playback: Playback, last_s: float | None, broken: Damage | None
    ) -> Iterator[Picture]:
        where = "" if last_s is None else f" behind {last_s:.2f} s"
        if broken and broken.reason:
            text: str | None = f"cannot be read on{where}: {broken.reason}"
        else:
            text = playback.cut_off()
        if text is None and broken:
            text = f"damaged{where}: nothing more can be decoded"
        elif text is None and last_s is None:
            text = "no picture in it can be decoded"
        if text is not None:
            yield Picture(playback.number, last_s or 0.0, error=text)
