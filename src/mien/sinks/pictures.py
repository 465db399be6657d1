"""Pictures out: faces hidden, boxes and labels drawn, or both."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import cv2
import numpy as np

from mien.errors import ConfigError, OutputError
from mien.interfaces import Frame, Image
from mien.results import Box, FrameResult
from mien.sinks.base import IMAGE_ENDINGS
from mien.sinks.blur import blur_faces
from mien.sinks.draw import draw_faces
from mien.sinks.files import output_error, write_whole

QUALITY = 92
"""Of JPEG and WebP, out of 100: no visible loss, a third of the size of 100."""

SMALLEST_SIDE_PX = 256
"""Smaller pictures are enlarged before labels are drawn: there would be no room for the type."""


class ImageSink:
    """Writes the picture of every frame; frames that could not be read have none.

    Args:
        path: A file with an image ending, for one picture, or a folder, which is made if needed.
            In a folder every picture has the name of its source; a second ``a.jpg`` becomes
            ``a-2.jpg``. Files of an earlier run are replaced, a source never.
        draw: Draw boxes and labels.
        blur: Hide the faces; with `draw`, the labels are drawn on top.

    Raises:
        ConfigError: The ending is not that of a picture, or nothing is to be done.
        OutputError: The folder cannot be made or is not there.
    """

    def __init__(self, path: Path | str, *, draw: bool = False, blur: bool = False) -> None:
        if not (draw or blur):
            raise ConfigError("a picture needs draw, blur or both; it would be a copy")
        self.path = Path(path)
        self.draw = draw
        self.blur = blur
        self._written: set[str] = set()
        self._is_folder = claim_place(
            self.path, IMAGE_ENDINGS, ending="an image ending", many="pictures", one="an image"
        )

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the picture of one frame.

        Raises:
            OutputError: It cannot be written, would replace its source, or is the second one for
                a single file.
        """
        if frame.image is None:
            return
        target = self._target(result)
        if is_same_file(target, result.source):
            raise OutputError(
                f"{target}: is the source itself and would be replaced. Choose another folder."
            )
        image = frame.image
        if self.blur:
            image = blur_faces(image, result)
        if self.draw:
            image = draw_faces(*with_room(image, result))
        write_whole(target, encode(image, target))

    def _target(self, result: FrameResult) -> Path:
        if self._is_folder:
            name = unused_name(picture_name(result), self._written)
            self._written.add(name.lower())
            return self.path / name
        if self._written:
            raise OutputError(
                f"{self.path}: holds one picture, and {result.source} is a second one. "
                "Name a folder instead."
            )
        self._written.add(self.path.name)
        return self.path

    def close(self) -> None:
        """Nothing to do: every picture is complete as soon as it is written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        self.close()


def claim_place(path: Path, endings: Sequence[str], *, ending: str, many: str, one: str) -> bool:
    """Make the folder for pictures or clips, or see that one file can be written.

    Args:
        path: A folder, made if needed, or a file.
        endings: That the file may have.
        ending: What the file lacks when it stands where a folder should, for the message.
        many: What is written, for the message.
        one: One of them, for the message.

    Returns:
        Whether it is a folder.

    Raises:
        ConfigError: The ending is none of `endings`.
        OutputError: The folder cannot be made or is not there.
    """
    if path.is_dir() or not path.suffix:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(
                f"{path}: is a file without {ending}, so {many} cannot be written there. "
                f"Name a folder or {one}."
            ) from None
        except OSError as error:
            raise output_error(path, error) from error
        return True
    if path.suffix.lower() not in endings:
        raise ConfigError(
            f"{path}: {many} cannot have the ending {path.suffix!r}. "
            f"Known: {', '.join(endings)}; or name a folder."
        )
    if not path.parent.is_dir():
        raise output_error(path, FileNotFoundError())
    return False


def with_room(image: Image, result: FrameResult) -> tuple[Image, FrameResult]:
    """Enlarge a small picture, and its boxes with it, until labels have room in it.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        result: Faces in pixels of `image`.

    Returns:
        Both as they were, or both enlarged by the same whole number.
    """
    times = math.ceil(SMALLEST_SIDE_PX / max(image.shape[:2]))
    if times == 1:
        return image, result
    size = (times * image.shape[1], times * image.shape[0])
    larger = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    faces = tuple(
        replace(face, box=Box(*(times * side for side in face.box))) for face in result.faces
    )
    return np.asarray(larger, np.uint8), replace(result, faces=faces)


def encode(image: Image, path: Path) -> bytes:
    """Turn an image into the bytes of a file; the ending of `path` picks the format.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        path: One of `IMAGE_ENDINGS`; also named in the error.

    Raises:
        OutputError: The format cannot hold the picture, e.g. more than 65,535 px in JPEG.
    """
    ending = path.suffix.lower()
    options: Sequence[int] = ()
    if ending in (".jpg", ".jpeg"):
        options = (cv2.IMWRITE_JPEG_QUALITY, QUALITY)
    elif ending == ".webp":
        options = (cv2.IMWRITE_WEBP_QUALITY, QUALITY)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        done, data = cv2.imencode(ending, bgr, options)
    except cv2.error as error:
        raise OutputError(_unfit(path, image)) from error
    if not done:
        raise OutputError(_unfit(path, image))
    return data.tobytes()


def _unfit(path: Path, image: Image) -> str:
    return (
        f"{path}: {image.shape[1]} x {image.shape[0]} px cannot be written as "
        f"{path.suffix.lower()}. Choose another format, e.g. .png or .tiff."
    )


def picture_name(result: FrameResult) -> str:
    """File name for the picture of a result: that of its source, with an ending we can write.

    Frames of a video are numbered: ``clip-000012.jpg``.
    """
    stem, ending = stem_and_ending(result.source)
    if result.index or result.time_s is not None:
        stem = f"{stem[:60] or 'image'}-{result.index:06d}"
    return f"{stem[:60] or 'image'}{ending if ending.lower() in IMAGE_ENDINGS else '.jpg'}"


def stem_and_ending(source: str) -> tuple[str, str]:
    """Last part of a path or address, fit for the name of a file on any system, and its ending."""
    if re.match(r"[a-z]+://", source, re.IGNORECASE):
        source = urlsplit(source).path
    source = "stdin" if source == "-" else re.split(r"[/\\]", source.rstrip("/\\"))[-1]
    stem, ending = os.path.splitext(source)  # noqa: PTH122 - it need not be a path of this system
    # What Windows does not allow in names, and what no terminal should have to print.
    stem = re.sub(r'[<>:"|?*]|[^ -\U0010FFFF]|[\x7f-\x9f\ud800-\udfff]', "_", stem).strip(" .")
    return stem, ending


def unused_name(name: str, taken: set[str]) -> str:
    """`name`, or the first of ``name-2``, ``name-3``... that is not taken; case does not count."""
    stem, dot, ending = name.rpartition(".")
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{stem}-{number}{dot}{ending}"
    return free


def is_same_file(target: Path, source: str) -> bool:
    """Whether `source` is a path, and one to the file `target`."""
    try:
        return target.samefile(source)
    except (OSError, ValueError):  # one is not there, or the source is no path at all
        return False
