"""Moving pictures in: clips, addresses, cameras and numbered pictures, all read the same way."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import cached_property, partial
from os import PathLike, fsdecode
from types import TracebackType
from typing import Self

import numpy as np

from mien.config import VideoConfig
from mien.errors import ConfigError, InputError, UnreadableMediaError
from mien.images import MAX_PIXELS
from mien.interfaces import Frame, Image
from mien.sources import ffmpeg, listing
from mien.sources.camera import CameraFeed, camera_number
from mien.sources.clip import ClipReader
from mien.sources.live_reader import LiveReader
from mien.sources.moving import Picture, Reader, Sampler, VideoInfo, count_frames
from mien.sources.network import SCHEMES, StreamFeed
from mien.sources.sequence import SequenceReader, is_sequence

GIVE_UP_S = 60.0

BROADCAST = re.compile(r"\.(ts|mts|m2ts|flv)([?#]|$)", re.IGNORECASE)
"""Endings that broadcasts have as well as clips."""


class VideoSource:
    """Frames of one clip, address, camera or series of numbered pictures.

    Problems are frames with an error, never exceptions. Iterate it as often as you like: clips
    start over, live sources go on with what happens now. Only `close` may be called from other
    threads; it ends the iteration soon.

    `Frame.index` is the number of the frame among all frames of the source, so that frames which
    `config` passes over, or which a live source dropped, leave gaps. Behind a `start_s` the frames
    before are not decoded, and the number is that of the time at the mean frame rate: exact for
    clips with a constant rate. `Frame.time_s` is the exact presentation time, counted from the
    first frame of the clip; for live sources the time of arrival, counted from the first arrival.

    Args:
        location: See `open_video`.
        config: Which frames to look at, and what to do at damaged places.
        max_pixels: Larger frames are refused.
        mirror: Exchange left and right.
        size: Wished width and height of a camera's pictures; it may deliver others.
        give_up_s: Seconds after which a live stream that broke off is not opened again.

    Raises:
        ConfigError: A setting is out of range.
        MissingExtraError: PyAV is not installed, and the location needs it.
    """

    def __init__(
        self,
        location: str | PathLike[str],
        config: VideoConfig = VideoConfig(),  # noqa: B008  # frozen
        *,
        max_pixels: int = MAX_PIXELS,
        mirror: bool = False,
        size: tuple[int, int] | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        if not isinstance(location, (str, PathLike)):
            raise InputError(f"a video is named by a path or address, got {location!r}")
        if max_pixels < 1:
            raise ConfigError(f"max_pixels must be at least 1, got {max_pixels}")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ConfigError(f"size must be width and height in pixels, got {size}")
        if give_up_s < 0:
            raise ConfigError(f"give_up_s must be at least 0, got {give_up_s}")
        self._config = config
        self._max_pixels = max_pixels
        self._mirror = mirror
        self._size = size
        self._give_up_s = give_up_s
        self._is_path = not isinstance(location, str)
        self._location = fsdecode(location)
        self.name = _printable(_without_password(self._location))
        self._reader: Reader = self._choose()
        self._is_settled = self._is_path or not _may_be_endless(self._location)
        self._running: Generator[Frame] | None = None
        self._is_closed = False

    @cached_property
    def info(self) -> VideoInfo:
        """Size, rate, length. Opens the source: a live one stays open until `close`."""
        reader = self._settled_reader()
        info = reader.info()
        if isinstance(reader, LiveReader):
            return replace(info, frames=self._config.max_frames)
        expected = count_frames(self._config, info.rate, info.duration_s)
        whole = self._config == replace(
            self._config, every_s=None, start_s=0.0, end_s=None, max_frames=None
        )
        return info if whole and info.frames is not None else replace(info, frames=expected)

    @property
    def trouble(self) -> str | None:
        """Why no frames come at the moment, while a live stream is being opened again."""
        return self._reader.trouble if isinstance(self._reader, LiveReader) else None

    def __iter__(self) -> Iterator[Frame]:
        """Read, choose and convert, one frame at a time."""
        self._end_iteration()
        self._is_closed = False
        self._running = self._frames()
        return self._running

    def close(self) -> None:
        """Let go of file, connection or device; an iteration in another thread ends soon."""
        self._is_closed = True
        self._reader.close()
        self._end_iteration()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end_iteration(self) -> None:
        if self._running is not None:
            with suppress(ValueError):  # it is running, and sees for itself that it has to end
                self._running.close()

    def _frames(self) -> Generator[Frame]:
        """Choose among the pictures, and stop when there were enough."""
        sampler = Sampler(self._config)
        left = self._config.max_frames
        last_s: float | None = None
        is_empty = True
        with closing(self._settled_reader().pictures()) as pictures:
            for picture in pictures:
                last_s = picture.time_s
                if picture.error is None:
                    if sampler.is_over(last_s):
                        break
                    if not sampler.takes(last_s):
                        continue
                frame = self._load(picture)
                is_empty = False
                yield frame
                if frame.image is not None:
                    left = None if left is None else left - 1
                elif picture.error is None and not self._config.skip_broken:
                    break
                if left == 0:
                    break
        if is_empty and not self._is_closed:
            yield Frame(source=self.name, time_s=last_s, error=self._nothing_found(last_s))

    def _nothing_found(self, last_s: float | None) -> str:
        config = self._config
        until = "on" if config.end_s is None else f"to {config.end_s:g} s"
        there = "" if last_s is None else f"; the last one before that is at {last_s:.2f} s"
        if config.end_s is not None and last_s is not None and last_s >= config.end_s:
            there = f"; the next one is at {last_s:.2f} s"
        return f"there is no frame from {config.start_s:g} s {until}{there}"

    def _load(self, picture: Picture) -> Frame:
        image: Image | None = None
        error = picture.error
        try:
            image = None if picture.load is None else picture.load()
        except UnreadableMediaError as problem:
            error = " ".join(str(problem).split())
        if image is not None and self._mirror:
            image = np.ascontiguousarray(image[:, ::-1])
        return Frame(
            source=self.name,
            index=picture.index,
            time_s=picture.time_s,
            image=image,
            error=error,
        )

    def _choose(self) -> Reader:
        """Who can read the location, as far as its text tells."""
        place, config = self._location, self._config
        number = None if self._is_path else camera_number(place)
        if number is not None:
            return LiveReader(partial(CameraFeed, number, self._size), give_up_s=None)
        if is_sequence(place) and not ffmpeg.is_address(place) and not listing.exists(place):
            return SequenceReader(
                place, skip_broken=config.skip_broken, max_pixels=self._max_pixels
            )
        ffmpeg.require_av()
        if not self._is_path and _scheme(place) in SCHEMES:
            return self._live_stream()
        return ClipReader(
            place,
            start_s=config.start_s,
            skip_broken=config.skip_broken,
            max_pixels=self._max_pixels,
        )

    def _live_stream(self) -> LiveReader:
        feed = partial(StreamFeed, self._location, max_pixels=self._max_pixels)
        return LiveReader(feed, give_up_s=self._give_up_s)

    def _settled_reader(self) -> Reader:
        """The reader, after asking a web server whether what it has to send ever ends."""
        if not self._is_settled:
            if ffmpeg.is_endless(self._location, max_pixels=self._max_pixels):
                self._reader = self._live_stream()
            self._is_settled = True
        return self._reader


def open_video(
    location: str | PathLike[str],
    config: VideoConfig = VideoConfig(),  # noqa: B008  # frozen
    *,
    max_pixels: int = MAX_PIXELS,
    mirror: bool = False,
    size: tuple[int, int] | None = None,
) -> VideoSource:
    """Open whatever moves. Nothing is read before it is asked for.

    Args:
        location: The path of a clip; an ``http(s)`` address of a clip or an endless stream; an
            ``rtsp(s)``, ``rtmp(s)``, ``srt``, ``udp`` or ``rtp`` address; a camera as ``"0"``,
            ``"camera:0"`` or ``"/dev/video0"``; numbered pictures as ``"frames/%04d.png"``, with
            their rate as ``"frames/%04d.png?rate=30"`` (25 when omitted).
        config: Which frames to look at, and what to do at damaged places.
        max_pixels: Larger frames are refused.
        mirror: Exchange left and right.
        size: Wished width and height of a camera's pictures; it may deliver others.

    Raises:
        ConfigError: A setting is out of range.
        MissingExtraError: PyAV is not installed, and the location needs it.
    """
    return VideoSource(location, config, max_pixels=max_pixels, mirror=mirror, size=size)


def is_video(location: str | PathLike[str]) -> bool:
    """Whether a location is taken for moving pictures by its text alone; nothing is opened."""
    place = fsdecode(location)
    if isinstance(location, str):
        if camera_number(place) is not None or _scheme(place) in SCHEMES:
            return True
        if ffmpeg.is_address(place):
            return listing.has_video_ending(re.sub(r"[?#].*", "", place))
    return listing.has_video_ending(place) or (is_sequence(place) and not listing.exists(place))


def list_videos(folder: str | PathLike[str], *, recursive: bool = True) -> list[str]:
    """Find the clips of a folder by their endings, sorted, hidden ones passed over.

    Folders that cannot be listed count as empty here; `open_source` reports them.

    Args:
        folder: Path of the folder.
        recursive: Also look into the folders below.
    """
    found = listing.list_folder(
        fsdecode(folder),
        listing.Tally(),
        recursive=recursive,
        is_wanted=listing.has_video_ending,
    )
    return [one.path for one in found if one.problem is None]


def _scheme(place: str) -> str:
    return place.partition("://")[0].lower() if ffmpeg.is_address(place) else ""


def _may_be_endless(place: str) -> bool:
    """Whether a web server has to be asked; most clips tell by their endings."""
    if _scheme(place) not in ("http", "https"):
        return False
    return not is_video(place) or BROADCAST.search(place) is not None


def _without_password(place: str) -> str:
    """What is written into results must not let others in."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", place, count=1)


def _printable(name: str) -> str:
    """Replace what UTF-8 cannot hold: names of files may be any bytes."""
    return name.encode("utf-8", "replace").decode("utf-8")
