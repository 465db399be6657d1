"""From packets to frames that are whole, and word of every place where there are none.

FFmpeg hides damage where it can: it patches a picture from its neighbours, and all pictures up
to the next key frame are built upon the patch. Nobody wants an age read from such a face. So a
place counts as damaged when the decoder refuses a packet, marks a frame as corrupt, or the
container says that bytes are missing; decoding then goes on with the next key frame.

H.264 and MPEG-4 tell of nearly all damage that can be seen, AV1 of most, VP9 of four fifths, HEVC
of a quarter, VP8 of none: its pictures carry nothing that could be checked. (Noise over the data of
one frame, at 60 places of a clip: wrong pictures came out at 0, 0, 6, 12, 45 and 60 of them;
``benchmarks/bench_damage.py``.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.sources import ffmpeg

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MOST_WITHOUT_KEY = 300
"""A clip that marks no key frame within so many packets is decoded from where it starts."""

TAPPED = ("mpeg", "rtsp", "rtp", "sdp", "h264", "hevc", "flv")
"""Formats that begin wherever somebody tuned in; others begin with a key frame."""

MOST_HELD = 8
"""B-frames in a row that are held back; some encoders mark every frame as one."""

MOST_FAILURES = 100
"""Failed reads in a row, after which nothing more is expected."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place where frames are missing; the next frame, if any, is whole again.

    Attributes:
        reason: Why nothing more comes, when reading failed for good.
    """

    reason: str | None = None


class Cadence:
    """Notices that packets are missing from an even stream; nothing else tells in MPEG-TS.

    A decoder that lacks a picture builds the next ones on the one before, without a word.
    """

    EVEN = 12
    """After so many equal steps in a row a longer one is a hole."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._step = 0
        self._equal = 0

    def has_hole(self, stamp: int | None) -> bool:
        """Whether packets are missing before the one with this decoding time."""
        if stamp is None:
            return False
        step = 0 if self._last is None else stamp - self._last
        self._last = stamp
        if self._equal >= self.EVEN and step > 1.5 * self._step:
            return True
        # Times are rounded: 29.97 frames a second at 1/1000 s are steps of 33 and 34.
        self._equal = self._equal + 1 if abs(step - self._step) <= 0.1 * self._step else 0
        self._step = step
        return False


class WholeFrames:
    """Decodes the picture track from where the container stands.

    Args:
        container: Opened for reading.
        stream: Its picture track.
        live: Hand frames out as they come. Otherwise B-frames are held back until the frame
            behind them, which they are built on, too, has turned out to be whole.

    Attributes:
        end_s: Latest end of a packet of any track so far, on the clock of the container.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, live: bool = False
    ) -> None:
        self._container = container
        self._stream = stream
        self.end_s: float | None = None
        self._seeks_key = True  # packets are passed over until one starts a picture anew
        self._settling = True  # no whole frame since then
        self._skipped = False  # but frames that were not whole
        self._floor: int | None = None  # frames before the key frame are built on what is missing
        self._is_live = live
        self._cadence = Cadence() if container.format.name == "mpegts" else None
        self._held: list[av.VideoFrame] = []
        self._sent: int | None = None  # latest time stamps, to see what got lost at the end
        self._got: int | None = None

    def __iter__(self) -> Iterator[av.VideoFrame | Damage]:
        """Yield frames in order of presentation, and `Damage` (repeatedly) where there are none."""
        passed_over = 0
        at_start = True
        for packet in self._packets():
            if isinstance(packet, Damage):
                if not self._is_live:  # there it would be old
                    yield from self._decode(None)  # what is whole before it
                self._start_anew()
                yield packet
                continue
            if self._seeks_key and packet.size:
                too_many = at_start and passed_over >= MOST_WITHOUT_KEY
                if not (packet.is_keyframe or too_many):
                    passed_over += 1
                    continue
                if at_start and passed_over and not self._container.format.name.startswith(TAPPED):
                    yield Damage()
                self._seeks_key, self._floor, at_start = False, packet.pts, False
            yield from self._decode(packet if packet.size else None)
        if self._skipped or (not self._seeks_key and self._is_short()):
            yield Damage()

    def _decode(self, packet: Packet[Any] | None) -> Iterator[av.VideoFrame | Damage]:
        """Frames up to the first one that is not whole; without a packet those that are left."""
        import av

        if self._seeks_key:
            return
        try:
            frames, is_whole = self._stream.decode(packet), True
        except (av.FFmpegError, ValueError):
            frames, is_whole = [], False
        if packet is not None and packet.pts is not None and not packet.is_discard:
            self._sent = packet.pts if self._sent is None else max(packet.pts, self._sent)
        for frame in frames:
            if not frame.is_corrupt:
                yield from self._accept(frame)
            elif self._settling and not _is_key(frame):  # may be built up piece by piece
                self._skipped = True
            else:
                is_whole = False
                break
        if not is_whole:
            self._start_anew()
            yield Damage()
        elif packet is None:
            yield from self._release()

    def _accept(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame | Damage]:
        """Take a whole frame: hold it, or hand it out behind those that were held."""
        from av.video.frame import PictureType

        if frame.pts is not None:
            if self._floor is not None and frame.pts < self._floor:
                return
            self._got = frame.pts
        if self._skipped:
            yield Damage()
        self._settling = self._skipped = False
        self._held.append(frame)
        if self._is_live or frame.pict_type != PictureType.B or len(self._held) > MOST_HELD:
            yield from self._release()

    def _release(self) -> Iterator[av.VideoFrame]:
        held, self._held = self._held, []
        yield from held

    def _start_anew(self) -> None:
        self._held = []
        self._stream.codec_context.flush_buffers()
        self._seeks_key = self._settling = True
        self._skipped = False

    def _packets(self) -> Iterator[Packet[Any] | Damage]:
        """Packets of the picture track; a failed read is damage, and reading goes on behind it."""
        import av

        failures = 0
        while failures < MOST_FAILURES:
            try:
                for packet in self._container.demux():
                    failures = 0
                    self._note_end(packet)
                    if packet.stream.index == self._stream.index:
                        if self._cadence is not None and self._cadence.has_hole(packet.dts):
                            yield Damage()
                        yield Damage() if packet.is_corrupt else packet
            except av.error.InvalidDataError:
                failures += 1
                yield Damage()
            except (av.FFmpegError, OSError) as error:
                yield Damage(ffmpeg.reason(error))
                return
            else:
                return

    def _note_end(self, packet: Packet[Any]) -> None:
        start = packet.pts if packet.pts is not None else packet.dts
        if start is not None and packet.time_base is not None:
            end_s = float((start + (packet.duration or 0)) * packet.time_base)
            self.end_s = end_s if self.end_s is None else max(end_s, self.end_s)

    def _is_short(self) -> bool:
        """Whether frames that went into the decoder at the end never came out.

        PyAV keeps an error to itself when it has frames to hand out, and that is so at the end,
        when all threads of the decoder deliver at once.
        """
        rate = self._stream.average_rate
        if self._sent is None or not rate or self._stream.time_base is None:
            return False
        if self._got is None:
            return True
        return (self._sent - self._got) * self._stream.time_base * rate > 1.5


def _is_key(frame: av.VideoFrame) -> bool:
    """Whether the picture stands on its own, so that nothing but damage can have spoilt it."""
    from av.video.frame import PictureType

    return bool(frame.key_frame) and frame.pict_type == PictureType.I
