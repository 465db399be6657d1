"""The sound of a clip: its packets as they are in the file that the pictures came from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

    SoundPacket: TypeAlias = Packet[AudioStream]

logger = logging.getLogger(__name__)

PLAYED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    "mov": {
        "aac",
        "mp3",
        "ac3",
        "eac3",
        "alac",
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
    },
}
"""What players expect in a container; FFmpeg writes more, but few of them would play it."""

SEEK_S = 10.0
"""A clip that is taken from a later time on is read from so long before."""

MOST_FAILURES = 100
"""Failed reads in a row, after which nothing more is expected."""

TIMEOUT_S = 10.0
"""Longest wait for a web server."""

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Arrangements of loudspeakers that AAC knows, by how many there are."""

AAC_BITS = 80_000
"""Bits a second and channel for sound that cannot be taken over as it is."""


def open_sound(source: str, target: OutputContainer, start_s: float) -> Sound | None:
    """Give `target` the sound track of a source.

    Args:
        source: Path or web address; cameras and other live sources have no sound to go back to.
        target: Opened for writing, nothing written yet.
        start_s: Time in the source at which `target` begins, counted from its first picture.

    Returns:
        ``None`` when there is no sound, or none that can be taken over; then a warning is logged.
    """
    import av

    remote = source.lower().startswith(("http://", "https://"))
    if not remote and not Path(source).is_file():
        return None
    opened = None
    try:
        opened = av.open(
            source if remote else f"file:{source}",
            timeout=TIMEOUT_S if remote else None,
            metadata_errors="replace",
        )
        if opened.streams.audio:
            return Sound(opened, target, start_s, name=source)
    except (av.FFmpegError, OSError, ValueError) as error:
        logger.warning("%s: the sound is left out: %s", source, one_line(error))
    if opened is not None:
        opened.close()
    return None


class Sound:
    """Takes sound from one container to another, cut to the pictures and in time with them.

    Args:
        source: Opened for reading.
        target: Opened for writing; gets a sound track.
        start_s: As for `open_sound`.
        name: Of the source.
    """

    def __init__(
        self, source: InputContainer, target: OutputContainer, start_s: float, *, name: str
    ) -> None:
        import av

        self._source, self._target, self._name = source, target, name
        self._track = source.streams.audio[0]
        self._tick_s = float(self._track.time_base or 1)
        begin_s = _first_picture_s(source) + start_s
        self._shift = round(begin_s / self._tick_s)
        # MP4 and MOV can hide what precedes the pictures; other containers would move these.
        self._hides = target.format.name in PLAYED
        codec = self._track.codec_context.codec.canonical_name
        self._is_copied = codec in PLAYED.get(target.format.name, target.supported_codecs)
        if self._is_copied:
            self._out = target.add_stream_from_template(self._track)
        else:
            self._out = _add_aac(target, self._track)
            logger.warning(
                "%s: sound coded as %s is written as AAC for %s files",
                name,
                codec,
                target.format.name,
            )
        if start_s > SEEK_S:
            with suppress(av.FFmpegError):  # then it is read from the beginning
                source.seek(int((begin_s - SEEK_S) * 1_000_000))
        self._packets = self._read()
        self._waiting: SoundPacket | None = None
        self._before: SoundPacket | None = None
        self._last: int | None = None

    def write_until(self, end_s: float) -> None:
        """Write what begins before `end_s`, in seconds from the beginning of the target."""
        while packet := self._waiting or next(self._packets, None):
            self._waiting = packet  # kept until it is its turn
            if self._time(packet) * self._tick_s >= end_s:
                return
            self._waiting = None
            try:
                self._write(packet)
            except ValueError as error:  # not that the disk is full: FFmpeg dislikes the data
                self._packets = iter(())
                logger.warning("%s: the sound ends early: %s", self._name, one_line(error))

    def finish(self, end_s: float) -> None:
        """Write the rest up to `end_s` and close the source."""
        self.write_until(end_s)
        if not self._is_copied:
            self._target.mux(self._out.encode(None))
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _read(self) -> Iterator[SoundPacket]:
        """Packets that have a time; places that cannot be read are passed over."""
        import av

        failures = 0
        while failures < MOST_FAILURES:
            try:
                for packet in self._source.demux(self._track):
                    failures = 0
                    if packet.size and packet.pts is not None:
                        yield packet
            except av.error.InvalidDataError:
                failures += 1
            except (av.FFmpegError, OSError):
                return  # whoever reads the pictures from there says so
            else:
                return

    def _time(self, packet: SoundPacket) -> int:
        """Ticks from the beginning of the target."""
        return (packet.pts or 0) - self._shift

    def _write(self, packet: SoundPacket) -> None:
        begin = self._time(packet)
        before, self._before = self._before, None
        if begin + (packet.duration or 0) <= 0:
            self._before = packet
        elif self._hides:
            # Most decoders need the packet before to get the first one right.
            for one in (before, packet):
                if one is not None:
                    self._put(one)
        elif begin >= 0:
            self._put(packet)

    def _put(self, packet: SoundPacket) -> None:
        if not self._is_copied:
            self._decode(packet)
            return
        time, dts = self._time(packet), (packet.dts or packet.pts or 0) - self._shift
        # Pieces may have been joined, and the clock of the next one starts anew.
        if self._last is None or dts > self._last:
            self._last = dts
            packet.pts, packet.dts, packet.stream = time, dts, self._out
            self._target.mux(packet)

    def _decode(self, packet: SoundPacket) -> None:
        import av

        with suppress(av.error.InvalidDataError):  # damaged: a moment of silence
            for frame in packet.decode():
                assert isinstance(frame, av.AudioFrame)
                begin = self._time(packet) if frame.pts is None else frame.pts - self._shift
                sample = round(begin * self._tick_s * frame.sample_rate)
                if sample + frame.samples > 0:
                    self._encode(frame, sample)

    def _encode(self, frame: AudioFrame, sample: int) -> None:
        """Encode samples that begin as number `sample`, if not for rounded time stamps."""
        slack = frame.sample_rate // 20
        if self._last is None or sample > self._last + slack:
            self._last = sample
        elif sample < self._last - slack:
            return
        frame.pts, frame.time_base = self._last, Fraction(1, frame.sample_rate)
        self._last += frame.samples
        self._target.mux(self._out.encode(frame))


def one_line(error: Exception) -> str:
    """What FFmpeg says, without where in its code."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _first_picture_s(source: InputContainer) -> float:
    """Where the clock of a clip starts: at its first picture, on the clock of the container."""
    from av.stream import Disposition

    for track in source.streams.video:
        if not track.disposition & Disposition.attached_pic and track.start_time is not None:
            return float(track.start_time * (track.time_base or 1))
    return (source.start_time or 0) / 1e6


def _add_aac(target: OutputContainer, track: AudioStream) -> AudioStream:
    """A track of AAC with the channels of another one, and its rate where AAC knows that."""
    import av

    known = av.Codec("aac", "w").audio_rates or ()
    out = target.add_stream("aac", rate=track.rate if track.rate in known else 48_000)
    out.layout = LAYOUTS.get(track.channels, "stereo")
    out.bit_rate = AAC_BITS * out.channels
    return out
