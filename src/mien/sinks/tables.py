"""Tables as text: JSON Lines, JSON and CSV, written row by row in bounded memory."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TextIO

from mien.results import FrameResult
from mien.rows import TableColumns, flat_rows
from mien.sinks.base import FileSink, sinks
from mien.sinks.files import PartFile, StreamFile


class TextSink(FileSink):
    """Base of the text formats: a head, rows, and a tail that makes the file valid.

    The tail stands behind the last row at any time, so even a killed run leaves a whole file
    (under its temporary name).
    """

    head: ClassVar[bytes] = b""
    tail: ClassVar[bytes] = b""

    def __init__(self, file: PartFile | StreamFile) -> None:
        super().__init__()
        self._file = file
        if self.head:
            self._start(self.head)

    @property
    def results(self) -> int:
        """How many results were written so far."""
        return self._file.rows

    def _start(self, head: bytes) -> None:
        try:
            self._file.append(head, self.tail)
        except BaseException:
            self._file.discard()
            raise
        self._file.rows = 0

    def _append(self, result: FrameResult) -> None:
        self._file.append(self._encode(result), self.tail)

    def _encode(self, result: FrameResult) -> bytes:
        raise NotImplementedError

    def _finish(self) -> None:
        self._file.commit()

    def _discard(self) -> None:
        self._file.discard()


@sinks.register(".jsonl")
class JsonLinesSink(TextSink):
    """One JSON object a line, `FrameResult.to_dict`; every line is flushed at once.

    Numbers that JSON does not know (not-a-number, infinity) are written as ``null``.

    Args:
        path: Where to write.
        columns: Not used: JSON keeps the shape of the result.
    """

    def __init__(self, path: Path, columns: TableColumns | None = None) -> None:
        del columns
        super().__init__(PartFile(path))

    @classmethod
    def to_stream(cls, stream: TextIO) -> Self:
        """Write to an open text stream, which stays open. A broken pipe is raised as it is."""
        sink = cls.__new__(cls)
        TextSink.__init__(sink, StreamFile(stream))
        return sink

    def _encode(self, result: FrameResult) -> bytes:
        return json_bytes(result.to_dict(), ascii_only=self._file.ascii_only) + b"\n"


@sinks.register(".json")
class JsonSink(TextSink):
    """One JSON array of `FrameResult.to_dict` objects, one a line.

    Args:
        path: Where to write.
        columns: Not used: JSON keeps the shape of the result.
    """

    head = b"["
    tail = b"\n]\n"

    def __init__(self, path: Path, columns: TableColumns | None = None) -> None:
        del columns
        super().__init__(PartFile(path))

    def _encode(self, result: FrameResult) -> bytes:
        return (b",\n" if self.results else b"\n") + json_bytes(result.to_dict())


@sinks.register(".csv")
class CsvSink(TextSink):
    """One row a face, columns as in `mien.rows`; UTF-8, commas, RFC 4180 line ends and quotes.

    Args:
        path: Where to write.
        columns: Which columns; without the age distribution, which has no place in a flat table.
    """

    def __init__(self, path: Path, columns: TableColumns | None = None) -> None:
        super().__init__(PartFile(path))
        self._columns = replace(columns or TableColumns(), age_distribution=False)
        self._start(_csv_bytes([self._columns.names]))

    def _encode(self, result: FrameResult) -> bytes:
        return _csv_bytes([row.values() for row in flat_rows(result, self._columns)])


def json_bytes(value: Any, *, ascii_only: bool = False) -> bytes:
    """One line of valid JSON in UTF-8.

    File names may hold bytes that are no text; Python keeps them as lone surrogates, which only
    ASCII escapes can carry.
    """
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return json_bytes(value, ascii_only=True)
    except ValueError:
        return json_bytes(_finite(value), ascii_only=ascii_only)


def _finite(value: Any) -> Any:
    """The same JSON-ready value with ``None`` for not-a-number and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _csv_bytes(rows: list[Any]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8", "backslashreplace")
