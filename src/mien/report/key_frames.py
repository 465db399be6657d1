"""One picture a person, cut from the clip that the table names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mien.config import VideoConfig
from mien.errors import MienError
from mien.interfaces import Frame, Image
from mien.people import Person
from mien.report.collect import Clip, Moment
from mien.results import Box

SIDE_PX = 240
"""Longest side of a picture: sharp at the size of the page, also on paper."""

ROOM = 1.7
"""Side of the picture in face heights: hair and chin are inside."""

QUALITY = 85
EARLY_S = 0.0005
"""Time stamps are rounded in tables; half a millisecond before a frame, no other frame starts."""


class KeyFrames(NamedTuple):
    """Pictures by number of the person, as JPEG, and why some are not there."""

    pictures: dict[int, bytes]
    remark: str | None


def read_key_frames(clip: Clip, people: Sequence[Person]) -> KeyFrames:
    """Cut the sharpest, largest, most frontal face of every person out of the clip.

    Nothing is fetched from the network: only files are read, under the name that the table has,
    or else of that name beside the table.
    """
    path = _find(clip)
    if path is None:
        return KeyFrames({}, f"{clip.source}: is not there any more, so there are no key frames.")
    pictures: dict[int, bytes] = {}
    for person in people:
        moment = clip.tracks[person.track_id].best
        if moment is None:
            continue
        try:
            frame = _read(path, moment)
        except MienError as error:
            return KeyFrames(pictures, f"{clip.source}: no key frames: {error}")
        if frame is None or frame.image is None:
            reason = None if frame is None else frame.error
            reason = reason or f"it has no frame at {moment.time_s:.3f} s"
            return KeyFrames(pictures, f"{clip.source}: not all key frames could be read: {reason}")
        height, width = frame.image.shape[:2]
        if (width, height) != (clip.width, clip.height):
            return KeyFrames(
                {},
                f"{clip.source}: is {width} x {height} px, but {clip.width} x {clip.height} px in "
                "the table: another clip, so there are no key frames.",
            )
        pictures[person.track_id] = _encode(cut(frame.image, moment.box))
    return KeyFrames(pictures, None)


def _find(clip: Clip) -> Path | None:
    """The file of the clip; ``None`` for addresses, cameras and files that have gone."""
    path = Path(clip.source)
    for candidate in (path, clip.table.parent / path, clip.table.parent / path.name):
        try:
            if candidate.is_file():
                return candidate
        except (OSError, ValueError):  # no name that a file could have
            return None
    return None


def _read(path: Path, moment: Moment) -> Frame | None:
    """The frame of a moment."""
    from mien.sources.video import VideoSource

    config = VideoConfig(start_s=max(0.0, moment.time_s - EARLY_S), max_frames=1)
    with VideoSource(path, config) as source:
        return next(iter(source), None)


def cut(image: Image, box: Box) -> Image:
    """A square around a face, as far as the picture reaches, at most `SIDE_PX` wide."""
    side = ROOM * max(box.width, box.height)
    spans = []
    for low, high, size in zip(box[:2], box[2:], image.shape[1::-1], strict=True):
        middle = (low + high) / 2
        first = min(max(0, round(middle - side / 2)), size - 1)
        spans.append(slice(first, max(first + 1, min(size, round(middle + side / 2)))))
    part = image[spans[1], spans[0]]
    shrink = SIDE_PX / max(part.shape[:2])
    if shrink < 1:
        size = (max(1, round(shrink * part.shape[1])), max(1, round(shrink * part.shape[0])))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return part


def _encode(picture: Image) -> bytes:
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY)
    )
    assert done
    return data.tobytes()
