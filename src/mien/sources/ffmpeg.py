"""Open what FFmpeg can open, and say in one line why something cannot be opened or read on."""

from __future__ import annotations

import errno
import os
import re
import ssl
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mien.decoding.formats import HEAD_BYTES, sniff
from mien.errors import MissingExtraError, UnreadableMediaError
from mien.sources.listing import is_folder
from mien.sources.moving import VideoInfo
from mien.sources.readers import os_reason
from mien.sources.upright import upright_size

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

    Opened: TypeAlias = tuple[InputContainer, VideoStream]

TIMEOUT_S = 10.0
"""Longest wait for a connection or for the next bytes."""

NO_CLIPS = re.compile(r"(.*_pipe|image2|tty|bin|xbin|adf|idf|ico|gif|apng)")
"""Formats that FFmpeg counts as video: pictures, and text as a terminal would show it."""

HTTP_REFUSAL = "Server returned "

DECODER_OPTIONS = {"hevc": {"err_detect": "explode"}}
"""Without it the HEVC decoder hides damage; others report what they notice by themselves."""


def require_av() -> None:
    """Make sure that PyAV is there.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("reading video", "video") from error


def is_address(location: str) -> bool:
    """Whether this is an address in the network, not a path."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", location) is not None


def open_clip(location: str, *, max_pixels: int, options: dict[str, str] | None = None) -> Opened:
    """Open a file or address and find its picture track; nothing is decoded.

    Args:
        location: Path or address.
        max_pixels: Larger frames are refused.
        options: For the container and the protocol.

    Raises:
        UnreadableMediaError: One line that says why, without the location.
    """
    import av

    remote = is_address(location)
    if not remote:
        _check_file(location)
    try:
        container = av.open(
            location if remote else f"file:{location}",
            options=_https(location) | (options or {}),
            timeout=TIMEOUT_S if remote else None,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadableMediaError(_why_not_opened(location, error)) from error
    try:
        return container, _picture_track(container, max_pixels)
    except UnreadableMediaError:
        container.close()
        raise


def is_endless(location: str, *, max_pixels: int) -> bool:
    """Whether an address sends pictures without announcing an end: a camera, a broadcast."""
    try:
        container, _ = open_clip(location, max_pixels=max_pixels)
    except UnreadableMediaError:
        return False
    with container:
        is_sized = container.size > 0 and container.format.name != "hls"  # that is the playlist's
        return container.duration is None and not is_sized


def read_info(container: InputContainer, stream: VideoStream, frame: av.VideoFrame) -> VideoInfo:
    """What the container says about itself; `frame` is the first one that was decoded."""
    width, height = upright_size(frame, stream.sample_aspect_ratio)
    return VideoInfo(
        width=width,
        height=height,
        rate=stream.average_rate or stream.guessed_rate or None,
        duration_s=duration_of(container, stream),
        frames=stream.frames or None,
        has_audio=bool(container.streams.audio),
    )


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
    """Length of the picture track in seconds, as announced; that of everything if need be."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is not None:  # Matroska keeps it there
        return float(int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3]))
    return None if container.duration is None else container.duration / 1e6


def reason(error: BaseException) -> str:
    """Say in one line what FFmpeg or the system refused."""
    import av

    detail = " ".join(str(getattr(error, "strerror", None) or error).split())
    if detail.startswith(HTTP_REFUSAL):
        return f"the server answered {detail.removeprefix(HTTP_REFUSAL)}"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "addresses of this kind cannot be read"
    if isinstance(error, av.error.InvalidDataError):
        return "the data cannot be read"
    if isinstance(error, EOFError):
        return "it ends too early"
    if isinstance(error, OSError):
        return os_reason(error)
    return detail


def _check_file(path: str) -> None:
    """Refuse what is clear without FFmpeg: it would call most of it invalid data."""
    if "\0" in path:
        raise UnreadableMediaError("the path holds a NUL character")
    if not path:
        raise UnreadableMediaError("the path is empty")
    if is_folder(path):
        raise UnreadableMediaError("this is a folder, not a file")
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise UnreadableMediaError(os_reason(error)) from error
    if not head:
        raise UnreadableMediaError("the file is empty")
    kind = sniff(head)
    if kind is not None:
        raise UnreadableMediaError(f"not a video, but a {kind} image")


def _https(location: str) -> dict[str, str]:
    """FFmpeg trusts every server unless told otherwise; cameras (rtsps) sign for themselves."""
    if not location.lower().startswith("https://"):
        return {}
    paths = ssl.get_default_verify_paths()
    known = os.environ.get(paths.openssl_cafile_env) or paths.cafile
    return {"tls_verify": "1"} | ({"ca_file": known} if known else {})


def _why_not_opened(location: str, error: BaseException) -> str:
    import av

    if isinstance(error, OSError) and error.errno == errno.EIO and is_address(location):
        doubt = ", or its certificate cannot be verified" if _https(location) else ""
        return f"the server cannot be reached{doubt}"
    if not isinstance(error, av.error.InvalidDataError):
        return reason(error)
    if not is_address(location) and _lacks_index(location):
        return "the MP4 file is cut off: its index (moov), which follows the pictures, is missing"
    return "not a video in a known format"


def _lacks_index(path: str) -> bool:
    """Whether a file is an MP4 whose boxes end before the one that says what lies where."""
    try:
        with Path(path).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            at, first = 0, True
            while at + 8 <= size:
                stream.seek(at)
                head = stream.read(16)
                length, name = int.from_bytes(head[:4], "big"), head[4:8]
                if name == b"moov" or (first and name != b"ftyp"):
                    return False
                first = False
                if length == 1:
                    length = int.from_bytes(head[8:], "big")
                if length < 8:  # 0: to the end
                    return length == 0
                at += length
    except OSError:
        return False
    return not first


def _picture_track(container: InputContainer, max_pixels: int) -> VideoStream:
    """The first track of moving pictures; the cover of an album is none."""
    from av.stream import Disposition

    if NO_CLIPS.fullmatch(container.format.name):
        raise UnreadableMediaError("not a video in a known format")
    tracks = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not tracks:
        rest = ", only sound" if container.streams.audio else ""
        raise UnreadableMediaError(f"there are no moving pictures in it{rest}")
    stream = tracks[0]
    context = stream.codec_context
    if context is None:
        raise UnreadableMediaError("its pictures are coded in a way that no decoder here knows")
    if context.width * context.height > max_pixels:
        raise UnreadableMediaError(
            f"{context.width}x{context.height} px is more than the limit of "
            f"{max_pixels / 1e6:g} megapixels; raise max_pixels (--max-pixels) to read it"
        )
    # The size may change on the way. FFmpeg counts some pixels at the edges more than there are.
    limit = {"max_pixels": str(2 * max_pixels + (1 << 16))}
    context.options = DECODER_OPTIONS.get(context.name, {}) | limit
    return stream
