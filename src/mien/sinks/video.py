"""Clips out: faces hidden, boxes and labels drawn, or both, with the sound of the source."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mien.errors import MissingExtraError, OutputError
from mien.interfaces import Frame
from mien.results import FrameResult
from mien.sinks.base import CLIP_ENDINGS, close_after
from mien.sinks.blur import blur_faces
from mien.sinks.clip_file import ClipFile
from mien.sinks.painter import Painter
from mien.sinks.pictures import (
    claim_place,
    is_same_file,
    stem_and_ending,
    unused_name,
    with_room,
)


class VideoSink:
    """Writes the frames of clips as H.264, each shown when it was taken, from 0 on.

    The sound of a file is taken over as it is, cut to the pictures that were written. Frames that
    could not be read are left out; the one before is shown instead. A clip has its name when it
    is complete. After Ctrl-C or an error it is completed with the frames so far.

    Args:
        path: A file with an ending of a clip, for one source, or a folder, which is made if
            needed. In a folder every clip has the name of its source and the ending ``.mp4``; a
            second ``a`` becomes ``a-2.mp4``. Files of an earlier run are replaced, a source never.
        draw: Draw boxes and labels.
        blur: Hide the faces; with `draw`, the labels are drawn on top.
        audio: Take the sound over.

    Raises:
        ConfigError: The ending is not that of a clip.
        MissingExtraError: PyAV is not installed.
        OutputError: The folder cannot be made or is not there.
    """

    def __init__(
        self, path: Path | str, *, draw: bool = False, blur: bool = False, audio: bool = True
    ) -> None:
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("writing video", "video") from error
        self.path = Path(path)
        self.draw = draw
        self.blur = blur
        self.audio = audio
        self._written: set[str] = set()
        self._clip: ClipFile | None = None
        self._last: Frame | None = None
        self._painter = Painter()
        self._is_folder = claim_place(
            self.path, CLIP_ENDINGS, ending="an ending", many="clips", one="a clip"
        )

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Append a frame to the clip of its source.

        Raises:
            OutputError: It cannot be written, would replace its source, is no frame of a clip, or
                comes from a second source for a single file.
        """
        if frame.image is None:
            return
        if frame.time_s is None:
            raise OutputError(
                f"{self.path}: holds a clip, and {frame.source} is a picture. "
                "Name a folder instead."
            )
        if self._clip is None or self._is_another(frame):
            self._clip = self._begin(frame)
        self._last = Frame(source=frame.source, index=frame.index)
        image = frame.image
        if self.blur:
            image = blur_faces(image, result)
        if self.draw:
            image = self._painter.draw(*with_room(image, result))
        self._clip.add(image, frame.time_s)

    def _is_another(self, frame: Frame) -> bool:
        """Whether a frame belongs to another clip than the last one, or to the same clip again."""
        last = self._last
        return last is None or frame.source != last.source or frame.index <= last.index

    def _begin(self, frame: Frame) -> ClipFile:
        target = self._target(frame)
        if is_same_file(target, frame.source):
            raise OutputError(
                f"{target}: is the source itself and would be replaced. Choose another folder."
            )
        self._finish()
        self._painter = Painter()
        return ClipFile(target, frame.source, audio=self.audio)

    def _target(self, frame: Frame) -> Path:
        if self._is_folder:
            name = unused_name(clip_name(frame.source), self._written)
            self._written.add(name.lower())
            return self.path / name
        if self._written:
            if self._clip is not None and is_same_file(self.path, frame.source):
                self._clip.discard()  # rather than to replace a source
            raise OutputError(
                f"{self.path}: holds one clip, and {frame.source} is a second one. "
                "Name a folder instead."
            )
        self._written.add(self.path.name)
        return self.path

    def _finish(self) -> None:
        clip, self._clip = self._clip, None
        if clip is not None:
            clip.finish()

    def close(self) -> None:
        """Complete the clip; a second call does nothing.

        Raises:
            OutputError: The clip cannot be completed; it is given up.
        """
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        close_after(self, error)


def clip_name(source: str) -> str:
    """File name for the clip of a source: ``clip.mp4``, ``camera-0.mp4``.

    Pictures in a numbered sequence, ``run/%04d.png``, are named for what is not a number.
    """
    stem, _ = stem_and_ending(source)
    if re.search(r"%0?\d*d", stem):
        stem = re.sub(r"[ _.-]*%0?\d*d[ _.-]*", "", stem)
        stem = stem or stem_and_ending(str(Path(source).parent))[0]
    if stem.isdigit() and stem == source:
        stem = f"camera-{stem}"
    return f"{stem[:60] or 'clip'}.mp4"
