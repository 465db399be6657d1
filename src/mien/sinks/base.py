"""What all sinks share: the registry by file ending, and finishing in every case."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.errors import OutputError
from mien.interfaces import Frame, Sink
from mien.models import Registry
from mien.results import FrameResult
from mien.rows import TableColumns

sinks: Registry[Callable[[Path, TableColumns], Sink]] = Registry("output format")
"""Table sinks by file ending, e.g. ``".csv"``; filled by the modules of `mien.sinks`."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of the pictures that can be written."""

CLIP_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv")
"""Endings of the clips that can be written."""


class FileSink(ABC):
    """Base of the sinks that write one file.

    Leaving the ``with`` block always finishes the file, after Ctrl-C and any other exception
    too: results so far are valid and under the final name. Only a block that fails before its
    first result leaves nothing behind, and an older file of that name as it was.
    """

    def __init__(self) -> None:
        self._open = True

    @property
    @abstractmethod
    def results(self) -> int:
        """How many results were written so far."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write one result; `frame` is not looked at.

        Raises:
            OutputError: The file cannot be written.
        """
        del frame
        self._append(result)

    def close(self) -> None:
        """Finish the file; a second call does nothing.

        Raises:
            OutputError: The file cannot be finished.
        """
        if self._open:
            self._open = False
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or self.results:
            close_after(self, error)
        elif self._open:
            self._open = False
            self._discard()

    @abstractmethod
    def _append(self, result: FrameResult) -> None:
        """Write one result."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the file and give it its final name."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove the unfinished file."""


def close_after(sink: Sink, error: BaseException | None) -> None:
    """Close `sink`; a failure to do so becomes a note on `error` when there is one already."""
    try:
        sink.close()
    except OutputError as failure:
        if error is None:
            raise
        error.add_note(str(failure))
