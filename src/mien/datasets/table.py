"""A user's own faces, listed in a CSV file with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mien.config import MAX_AGE
from mien.datasets.files import csv_cells, csv_rows
from mien.datasets.labels import NOTHING, OLDEST, SPLIT_NAMES, OnePlace, gender_name, person_key
from mien.datasets.records import DropCounter, Record, datasets, expression_name, hashed_split
from mien.errors import ConfigError, InputError, UnreadableMediaError, did_you_mean

LABELS = ("age", "age_low", "age_high", "gender", "emotion")
COLUMNS = ("path", "split", *LABELS, "age_spread", "real_age", "group", "person")
NUMBERS = {
    "age": OLDEST,
    "age_low": OLDEST,
    "age_high": OLDEST,
    "age_spread": 60,
    "real_age": OLDEST,
}
"""Columns of numbers and how large they may be, in years."""

RENAMED = ("gender", "emotion")


@datasets.register("csv")
class CsvTable:
    """Your own images listed in a CSV file: a column ``path`` and at least one of labels.

    Columns: ``path`` (or ``file``), relative to the CSV file; labels ``age``, ``age_low`` and
    ``age_high``, ``gender``, ``emotion``; besides ``split``, ``age_spread``, ``real_age``,
    ``group``, ``person``. Empty cells are labels that nobody knows. Without the column ``split``
    a hash of the person, else of the path, gives 80 % train, 10 % val, 10 % test.

    Args:
        path: The CSV file, UTF-8, with a header.
        columns: Our column to yours, e.g. ``{"emotion": "label"}``.
        rename: Gender or emotion in the file to ours, e.g. ``{"0": "anger"}``; with the column in
            front, ``{"gender:0": "female"}``, for that column alone. An empty label leaves the row
            out.
        delimiter: What stands between two cells.

    Raises:
        InputError: The file cannot be read, a column is missing, or a cell has a wrong value; the
            message names file, row and column.
        ConfigError: An option is not usable.
    """

    name = "csv"

    def __init__(
        self,
        path: Path,
        *,
        columns: Mapping[str, str] = NOTHING,
        rename: Mapping[str, str] = NOTHING,
        delimiter: str = ",",
    ) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ConfigError(f"delimiter must be one character, got {delimiter!r}")
        self._path = path
        self._delimiter = delimiter
        self._rename = rename
        self._data = _read(path)
        _, header = next(csv_rows(self._data, str(path), delimiter), ("", []))
        self._columns = _columns(header, columns, str(path))
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every labelled row whose image is there.

        All rows are checked before the first is given out.
        """
        self.dropped.clear()
        people, unused, places, records = OnePlace(), set(self._rename), dict[str, str](), []
        for where, raw in csv_cells(self._data, str(self._path), (), self._delimiter):
            cells = {ours: raw[theirs].strip() for ours, theirs in self._columns.items()}
            row = _Row(where, self._columns, cells)
            left_out = self._translate(cells, unused)
            record = row.record()
            if record.name in places:
                raise row.problem("path", f"is in {places[record.name]} already")
            places[record.name] = where.rpartition(", ")[2]
            if record.person is not None:
                people.check(record.person, record.split, where)
            if reason := left_out or self._reason(record):
                self._drop.add(reason)
            else:
                records.append(record)
        if unused:
            raise ConfigError(
                f"rename: {self._path} has no such label: {', '.join(sorted(unused))}"
            )
        yield from records

    def _translate(self, cells: dict[str, str], unused: set[str]) -> str:
        """Rename labels in place; the reason why the row is left out, if it is."""
        reason = ""
        for column in RENAMED:
            for key in (f"{column}:{cells.get(column, '')}", cells.get(column, "")):
                if key in self._rename and cells.get(column):
                    unused.discard(key)
                    if not self._rename[key]:
                        reason = f"{column} {cells[column]!r} left out"
                    cells[column] = self._rename[key]
                    break
        return reason

    def _reason(self, record: Record) -> str:
        labels = (record.age_years, record.age_range, record.gender, record.expression)
        if all(label is None for label in labels):
            return "row without a label"
        return "" if (self._path.parent / record.name).is_file() else "row without an image"

    def read(self, name: str) -> bytes:
        """Encoded bytes of one image.

        Raises:
            UnreadableMediaError: The file is gone or cannot be read.
        """
        try:
            return (self._path.parent / name).read_bytes()
        except OSError as error:
            raise UnreadableMediaError(f"{name}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Row:
    """One row.

    Attributes:
        where: Name of the row for messages.
        columns: Our columns to those of the file.
        cells: Cells by our columns.
    """

    where: str
    columns: Mapping[str, str]
    cells: Mapping[str, str]

    def problem(self, column: str, what: str) -> InputError:
        """Error that names file, row and column."""
        theirs, cell = self.columns[column], self.cells[column]
        return InputError(f"{self.where}, column {theirs!r}: {cell!r} {what}")

    def record(self) -> Record:
        """The row as a record.

        Raises:
            InputError: A cell has a wrong value.
        """
        name = self.cells["path"]
        if not name:
            raise self.problem("path", "is no path")
        person = person_key(self.cells["person"]) if self.cells.get("person") else None
        record = Record(
            name=name,
            split=self._split(person or name),
            age_years=self._number("age"),
            age_range=self._age_range(),
            age_spread=self._number("age_spread"),
            real_age=self._number("real_age"),
            group=self.cells.get("group") or None,
            person=person,
        )
        if self.cells.get("gender"):
            where = f"{self.where}, column {self.columns['gender']!r}"
            record = replace(record, gender=gender_name(self.cells["gender"], where))
        if self.cells.get("emotion"):
            record = replace(record, expression=expression_name(self.cells["emotion"]))
        return record

    def _split(self, key: str) -> str:
        if "split" not in self.cells:
            return hashed_split(key)
        if self.cells["split"].lower() not in SPLIT_NAMES:
            raise self.problem("split", f"is none of {', '.join(SPLIT_NAMES)}")
        return SPLIT_NAMES[self.cells["split"].lower()]

    def _number(self, column: str) -> float | None:
        text = self.cells.get(column)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= NUMBERS[column]:
            raise self.problem(column, f"is no number from 0 to {NUMBERS[column]}")
        return number

    def _age_range(self) -> tuple[int, int] | None:
        low, high = self._number("age_low"), self._number("age_high")
        if low is None and high is None:
            return None
        if low is None or high is None:
            raise self.problem("age_low", "needs both age_low and age_high, or neither")
        if low > high or not (low.is_integer() and high.is_integer()):
            raise self.problem("age_low", f"to {high:g} is no range of whole years")
        return min(int(low), MAX_AGE), min(int(high), MAX_AGE)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path}: expected a CSV file, got a folder")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _columns(header: list[str], mapped: Mapping[str, str], where: str) -> dict[str, str]:
    """Our columns to those of the file, as far as it has them."""
    there = f"It has: {', '.join(header)}." if header else "It has no header."
    for ours, theirs in mapped.items():
        if ours not in COLUMNS:
            raise ConfigError(
                f"columns: there is no column {ours!r}.{did_you_mean(ours, COLUMNS)} "
                f"Known: {', '.join(COLUMNS)}."
            )
        if theirs not in header:
            raise InputError(f"{where}: column {theirs!r} is missing. {there}")
    found = {ours: ours for ours in COLUMNS if ours in header} | dict(mapped)
    if "path" not in found and "file" in header:
        found["path"] = "file"
    if "path" not in found:
        raise InputError(f"{where}: column 'path' is missing. {there}")
    if not any(label in found for label in LABELS):
        raise InputError(
            f"{where}: has no column of labels ({', '.join(LABELS)}). {there} "
            "Say which is which with the option 'columns'."
        )
    if ("age_low" in found) != ("age_high" in found):
        raise InputError(f"{where}: needs both columns, 'age_low' and 'age_high', or neither")
    return found
