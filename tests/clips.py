"""Synthetic clips of one real face, moved, scaled, hidden and cut: where it is, is known.

Two people are the same portrait, mirrored or tinted, so appearance cannot tell them apart: only a
tracker that follows them keeps them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
HEAD = (146, 12, 300, 232)
"""The head in the portrait: left, top, right, bottom."""
FACE_IN_HEAD = (0.5, 0.5, 0.56)
"""Centre of the face within the head, and its width, as shares of the head."""

Place = tuple[float, float, float]
"""Centre of the face in pixels, and its width in pixels."""
Path2D = Callable[[float], Place | None]
"""Where a face is at a time in seconds; ``None`` when it is not in the picture."""


@dataclass(frozen=True)
class Actor:
    """One person in a clip.

    Attributes:
        path: Where the face is.
        mirror: Whether the portrait is mirrored.
        gain: Factor on the three colours.
        blur_px: Gaussian blur of the face at a time, in pixels; ``None``: never.
    """

    path: Path2D
    mirror: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur_px: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Bar:
    """Something grey that hides what is behind it: left, top, right, bottom in pixels."""

    box: Callable[[float], tuple[float, float, float, float] | None]


def still(x: float, y: float, width: float) -> Path2D:
    """A face that does not move."""
    return lambda _: (x, y, width)


def line(start: Place, end: Place, seconds: float) -> Path2D:
    """A face that moves, and grows or shrinks, evenly."""

    def path(time_s: float) -> Place:
        share = min(1.0, time_s / seconds)
        return tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))  # type: ignore[return-value]

    return path


def between(path: Path2D, first_s: float, last_s: float) -> Path2D:
    """A face that is there only for a while."""
    return lambda time_s: path(time_s) if first_s <= time_s < last_s else None


@lru_cache(maxsize=1)
def _head() -> tuple[np.ndarray, np.ndarray]:
    photo = cv2.imread(str(PORTRAIT))[..., ::-1]
    left, top, right, bottom = HEAD
    head = np.ascontiguousarray(photo[top:bottom, left:right])
    alpha = np.zeros(head.shape[:2], np.float32)
    centre = (head.shape[1] // 2, head.shape[0] // 2)
    axes = (int(0.46 * head.shape[1]), int(0.46 * head.shape[0]))
    cv2.ellipse(alpha, centre, axes, 0, 0, 360, 1.0, -1)
    return head, cv2.GaussianBlur(alpha, (0, 0), 5)


def background(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A soft, coloured pattern without a face; another `seed` is another scene."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 190, (5, 8, 3)).astype(np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def render(
    scene: Sequence[Actor | Bar], time_s: float, ground: np.ndarray
) -> tuple[np.ndarray, list[tuple[float, float, float, float] | None]]:
    """One frame, RGB, and the face box of every actor (left, top, right, bottom)."""
    image = ground.copy()
    boxes: list[tuple[float, float, float, float] | None] = []
    for thing in scene:
        if isinstance(thing, Bar):
            box = thing.box(time_s)
            if box is not None:
                left, top, right, bottom = (round(value) for value in box)
                image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 96
            continue
        place = thing.path(time_s)
        boxes.append(None if place is None else _paste(image, thing, place, time_s))
    return image, boxes


def _paste(
    image: np.ndarray, actor: Actor, place: Place, time_s: float
) -> tuple[float, float, float, float]:
    head, alpha = _head()
    if actor.mirror:
        head, alpha = head[:, ::-1], alpha[:, ::-1]
    x, y, width = place
    scale = width / (FACE_IN_HEAD[2] * head.shape[1])
    # Sub-pixel placing, so that slow faces move evenly.
    share_x = 1 - FACE_IN_HEAD[0] if actor.mirror else FACE_IN_HEAD[0]
    shift = (
        x - scale * share_x * head.shape[1],
        y - scale * FACE_IN_HEAD[1] * head.shape[0],
    )
    # Only the part of the picture that the head covers, and some pixels more, is drawn anew.
    blur = 0.0 if actor.blur_px is None else max(0.0, actor.blur_px(time_s))
    room = 2 + int(np.ceil(4 * blur))
    left, top = (max(0, int(low) - room) for low in shift)
    right = min(image.shape[1], int(shift[0] + scale * head.shape[1]) + room + 1)
    bottom = min(image.shape[0], int(shift[1] + scale * head.shape[0]) + room + 1)
    if right > left and bottom > top:
        matrix = np.array([[scale, 0, shift[0] - left], [0, scale, shift[1] - top]])
        size = (right - left, bottom - top)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        face = cv2.warpAffine(np.ascontiguousarray(head), matrix, size, flags=way)
        mask = cv2.warpAffine(np.ascontiguousarray(alpha), matrix, size, flags=way)[..., None]
        if blur > 0:
            face = cv2.GaussianBlur(face, (0, 0), blur)
        tinted = np.clip(face * np.array(actor.gain, np.float32), 0, 255)
        ground = image[top:bottom, left:right]
        ground[:] = np.rint(mask * tinted + (1 - mask) * ground).astype(np.uint8)
    height = 1.27 * width
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def frames(
    scene: Sequence[Actor | Bar],
    times: Sequence[float],
    *,
    size: tuple[int, int] = (640, 360),
    cut_s: float | None = None,
) -> Iterator[tuple[np.ndarray, list[tuple[float, float, float, float] | None]]]:
    """Frames at `times`; from `cut_s` on with another background."""
    grounds = background(size, 0), background(size, 7)
    for time_s in times:
        yield render(scene, time_s, grounds[cut_s is not None and time_s >= cut_s])


def evenly(seconds: float, fps: float = 30.0) -> list[float]:
    """Times of the frames of a clip with a constant rate."""
    return [number / fps for number in range(round(seconds * fps))]


def write_clip(
    path: Path,
    scene: Sequence[Actor | Bar],
    times: Sequence[float],
    *,
    size: tuple[int, int] = (640, 360),
    rate: Fraction | int = 30,
    cut_s: float | None = None,
    audio: bool = False,
    codec: str = "libx264",
    key_every: int | None = None,
) -> list[list[tuple[float, float, float, float] | None]]:
    """Encode a clip with exact time stamps (any, so variable frame rates too).

    Args:
        path: Where; the ending chooses the container.
        scene: Back to front.
        times: Time stamp of every frame in seconds.
        size: Width and height.
        rate: Nominal frame rate of the stream.
        cut_s: From then on the background is another one.
        audio: Add a sine of 440 Hz (AAC) as long as the clip.
        codec: Video encoder.
        key_every: Frames from one key frame to the next; ``None`` leaves it to the encoder.

    Returns:
        Of every frame the face box of every actor.
    """
    import av

    truth = []
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=Fraction(rate))
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 90_000)
        if key_every is not None:
            video.gop_size = key_every
        sound = container.add_stream("aac", rate=44_100) if audio else None
        for image, boxes in frames(scene, times, size=size, cut_s=cut_s):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = Fraction(1, 90_000)
            frame.pts = round(times[len(truth)] * 90_000)
            container.mux(video.encode(frame))
            truth.append(boxes)
        container.mux(video.encode())
        if sound is not None:
            _write_tone(container, sound, times[-1] + 1 / float(rate))
    return truth


def _write_tone(container, sound, seconds: float) -> None:
    import av

    samples = int(44_100 * seconds)
    wave = (0.2 * np.sin(2 * np.pi * 440 * np.arange(samples) / 44_100)).astype(np.float32)
    for start in range(0, samples, 1024):
        piece = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        piece.rate, piece.pts, piece.time_base = 44_100, start, Fraction(1, 44_100)
        container.mux(sound.encode(piece))
    container.mux(sound.encode())
