"""Tables as Parquet: typed columns, the age distribution included."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from mien.errors import MissingExtraError, OutputError
from mien.results import SCHEMA_VERSION, FrameResult
from mien.rows import TableColumns, flat_rows
from mien.sinks.base import FileSink, sinks
from mien.sinks.files import PartFolder, output_error

ROWS_PER_GROUP = 1024
"""Rows that wait in memory for the next row group: about 8 MB, most of it age distributions."""

SECONDS_PER_COPY = 5.0
"""How long rows stay in memory alone: a killed run loses what came so shortly before its end."""


@sinks.register(".parquet")
class ParquetSink(FileSink):
    """One row a face, columns as in `mien.rows` with ``age_distribution`` as ``list<float>``.

    A Parquet file can only be read once its footer is written, which is the last thing to happen.
    So while it grows, every row group is written as a complete file of its own, too, and every few
    seconds the rows that wait for the next one are. They lie in ``.<name>.<random>.part``, a folder
    that only a killed run leaves. To merge such files at the end would need as much space, and
    Ctrl-C would have to wait for it.

    When the disk is full there may be no room for the footer: then the file is given up, and the
    error says so.

    Args:
        path: Where to write.
        columns: Which columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OutputError: The file cannot be made.
    """

    def __init__(self, path: Path, columns: TableColumns | None = None) -> None:
        super().__init__()
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("the Parquet output", "parquet") from error
        self._columns = replace(columns or TableColumns(), age_distribution=True)
        types = {
            "text": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "numbers": pyarrow.list_(pyarrow.float32()),
        }
        self._schema = pyarrow.schema(
            [(name, types[kind]) for name, kind in self._columns.kinds.items()],
            metadata={"mien_schema": str(SCHEMA_VERSION)},
        )
        kinds = self._columns.kinds
        self._texts = [name for name, kind in kinds.items() if kind == "text"]
        # Probabilities hardly repeat: a dictionary of them costs space, and three times the time.
        repeated = [name for name, kind in kinds.items() if kind in ("text", "integer")]
        self._options: dict[str, Any] = {"use_dictionary": repeated}
        self._rows: list[dict[str, Any]] = []
        self._results = self._groups = 0
        self._copied = -math.inf  # the first row is copied at once
        self._folder = PartFolder(path)
        self._whole = self._folder.part / ".whole"  # not read with the folder: readers skip dots
        try:
            # By path: pyarrow then writes by itself, and Ctrl-C cannot cut a row group in two.
            self._writer = parquet.ParquetWriter(str(self._whole), self._schema, **self._options)
        except OSError as error:
            self._folder.discard()
            raise output_error(path, error) from error

    @property
    def results(self) -> int:
        """How many results were written so far."""
        return self._results

    def _append(self, result: FrameResult) -> None:
        for row in flat_rows(result, self._columns):
            for name in self._texts:
                if row[name] is not None:
                    row[name] = row[name].encode("utf-8", "backslashreplace").decode()
            self._rows.append(row)
        self._results += 1
        if len(self._rows) >= ROWS_PER_GROUP:
            self._save(close=True)
        elif monotonic() - self._copied >= SECONDS_PER_COPY:
            self._save(close=False)

    def _save(self, *, close: bool) -> None:
        """Copy the rows that wait; with `close` they become a row group and wait no longer."""
        import pyarrow
        from pyarrow import parquet

        self._copied = monotonic()
        table = pyarrow.Table.from_pylist(self._rows, self._schema)
        copy = self._folder.part / ".copy"
        try:
            if close:
                # Before, not after: Ctrl-C while pyarrow writes is raised when it has written, and
                # the rows would come twice.
                self._rows = []
                self._writer.write_table(table)
            parquet.write_table(table, str(copy), **self._options)
            copy.replace(self._folder.part / f"{self._groups:06}.parquet")
        except OSError as error:
            self._give_up(error)
        self._groups += int(close)

    def _finish(self) -> None:
        if self._rows:
            self._save(close=True)
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)
        self._folder.commit(self._whole)

    def _give_up(self, error: OSError) -> None:
        self._open = False
        self._discard()
        reason = output_error(self._folder.path, error)
        raise OutputError(f"{reason} The file was given up.") from error

    def _discard(self) -> None:
        self._rows = []
        with contextlib.suppress(OSError):  # the footer of a file that is thrown away
            self._writer.close()
        self._folder.discard()
