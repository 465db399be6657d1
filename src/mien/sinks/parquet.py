"""Tables as Parquet: typed columns, the age distribution included."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.errors import MissingExtraError, OutputError
from mien.results import SCHEMA_VERSION, FrameResult
from mien.rows import TableColumns, flat_rows
from mien.sinks.base import FileSink, sinks
from mien.sinks.files import PartFile, output_error

ROWS_PER_GROUP = 1024
"""Rows that wait in memory for the next row group: about 8 MB, most of it age distributions."""


@sinks.register(".parquet")
class ParquetSink(FileSink):
    """One row a face, columns as in `mien.rows` with ``age_distribution`` as ``list<float>``.

    A Parquet file can only be read once its footer is written. When the disk is full there may be
    no room for it: then the file is given up, and the error says so.

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
        self._texts = [name for name, kind in self._columns.kinds.items() if kind == "text"]
        self._rows: list[dict[str, Any]] = []
        self._results = 0
        self._file = PartFile(path)
        try:
            # By path: pyarrow then writes by itself, and Ctrl-C cannot cut a row group in two.
            self._writer = parquet.ParquetWriter(str(self._file.part), self._schema)
        except OSError as error:
            self._file.discard()
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
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        table = pyarrow.Table.from_pylist(self._rows, self._schema)
        # Before, not after: Ctrl-C while pyarrow writes is raised when it has written, and the
        # rows would come twice.
        self._rows = []
        try:
            self._writer.write_table(table)
        except OSError as error:
            self._give_up(error)

    def _finish(self) -> None:
        if self._rows:
            self._flush()
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)
        self._file.commit()

    def _give_up(self, error: OSError) -> None:
        self._open = False
        self._discard()
        reason = output_error(self._file.path, error)
        raise OutputError(f"{reason} The file was given up.") from error

    def _discard(self) -> None:
        self._rows = []
        with contextlib.suppress(OSError):  # the footer of a file that is thrown away
            self._writer.close()
        self._file.discard()
