"""From the paths that the user gives to the sinks that write them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.errors import ConfigError
from mien.interfaces import Frame, Sink
from mien.results import FrameResult
from mien.rows import TableColumns
from mien.sinks.base import CLIP_ENDINGS, IMAGE_ENDINGS, close_after, sinks
from mien.sinks.pictures import ImageSink
from mien.sinks.tables import JsonLinesSink
from mien.sinks.video import VideoSink


class MultiSink:
    """Several sinks that take the same results.

    Args:
        parts: Written to in this order; all of them are closed, even when one fails.
    """

    def __init__(self, parts: Iterable[Sink]) -> None:
        self.parts = tuple(parts)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Hand one result to every sink.

        Raises:
            OutputError: One of them cannot write it.
        """
        for sink in self.parts:
            sink.write(frame, result)

    def close(self) -> None:
        """Finish all of them.

        Raises:
            OutputError: One cannot be finished; the others are.
        """
        with ExitStack() as stack:
            for sink in self.parts:
                stack.callback(sink.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            for sink in self.parts:
                stack.push(lambda *_, sink=sink: sink.__exit__(kind, error, trace))


class PictureFolder:
    """A folder for both: the pictures of stills, and a clip for every source of clips.

    Args:
        path: The folder; it is made if needed.
        draw: Draw boxes and labels.
        blur: Hide the faces.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, path: Path | str, *, draw: bool = False, blur: bool = False) -> None:
        self._stills = ImageSink(path, draw=draw, blur=blur)
        self._clips: VideoSink | None = None

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Hand a frame of a clip to `VideoSink`, anything else to `ImageSink`.

        Raises:
            OutputError: It cannot be written.
            MissingExtraError: It belongs to a clip, and PyAV is not installed.
        """
        if frame.time_s is None:
            self._stills.write(frame, result)
            return
        if self._clips is None:
            stills = self._stills
            self._clips = VideoSink(stills.path, draw=stills.draw, blur=stills.blur)
        self._clips.write(frame, result)

    def close(self) -> None:
        """Complete the last clip.

        Raises:
            OutputError: It cannot be completed.
        """
        if self._clips is not None:
            self._clips.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        close_after(self, error)


def open_pictures(path: Path | str, *, draw: bool = False, blur: bool = False) -> Sink:
    """Open what writes pictures: a still, a clip, or a folder of both, by the ending of `path`.

    Args:
        path: Where to write.
        draw: Draw boxes and labels.
        blur: Hide the faces; with `draw`, the labels are drawn on top.

    Raises:
        ConfigError: The ending is unknown, or nothing is to be done.
        OutputError: The folder cannot be made or is not there.
        MissingExtraError: It is a clip, and PyAV is not installed.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if path.is_dir() or not ending:
        return PictureFolder(path, draw=draw, blur=blur)
    if ending in CLIP_ENDINGS:
        return VideoSink(path, draw=draw, blur=blur)
    if ending not in IMAGE_ENDINGS:
        raise ConfigError(
            f"{path}: neither pictures nor clips can have the ending {path.suffix!r}. "
            f"Known: {', '.join((*IMAGE_ENDINGS, *CLIP_ENDINGS))}; or name a folder."
        )
    return ImageSink(path, draw=draw, blur=blur)


def open_sink(path: Path | str, *, columns: TableColumns | None = None) -> Sink:
    """Open the sink that writes the format of `path`'s ending.

    Args:
        path: Where to write; ``-`` means JSON Lines on standard output.
        columns: Columns of the flat formats; those of the shipped models by default.

    Raises:
        ConfigError: The ending is unknown.
        OutputError: The file cannot be made.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    if str(path) == "-":
        return JsonLinesSink.to_stream(sys.stdout)
    ending = path.suffix.lower()
    if ending not in sinks:
        is_picture = ending in IMAGE_ENDINGS + CLIP_ENDINGS
        hint = " Pictures are written with --draw or --blur." if is_picture else ""
        raise ConfigError(
            f"{path}: no output format has the ending {ending!r}. Known: {', '.join(sinks)}.{hint}"
        )
    return sinks[ending](path, columns or TableColumns())


def open_sinks(paths: Iterable[Path | str], *, columns: TableColumns | None = None) -> MultiSink:
    """Open several files at once; when one cannot be opened, none is left behind.

    Raises:
        ConfigError: An ending is unknown, or a path comes twice.
        OutputError: A file cannot be made.
        MissingExtraError: A format needs a library that is not installed.
    """
    seen: set[Path] = set()
    with ExitStack() as stack:
        opened = []
        for path in paths:
            if Path(path).resolve() in seen:
                raise ConfigError(f"{path} is named twice as an output. Name every file once.")
            seen.add(Path(path).resolve())
            opened.append(stack.enter_context(open_sink(path, columns=columns)))
        stack.pop_all()
    return MultiSink(opened)
