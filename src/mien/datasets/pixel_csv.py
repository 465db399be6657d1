"""`fer2013.csv`: one picture a row, written out as 2304 numbers, read as a stream.

The file is 285 MB, so it is never held: a pass over it keeps where each row starts, and a picture
is fetched from there.
"""

from __future__ import annotations

import csv
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from mien.errors import InputError, UnreadableMediaError

FILE_NAMES = ("fer2013.csv", "icml_face_data.csv")
FOLDER = "fer2013"
SIDE_PX = 48
LINE_LIMIT_BYTES = 64 * 1024
"""A row has at most about 9.3 kB; a longer line is no such file, and is not read to its end."""
NAME_PREFIX = "row"


@dataclass(frozen=True, slots=True)
class PixelRow:
    """One row.

    Attributes:
        name: ``row0000012``: number of the picture in the file, counted from 0. This is not the
            number in the image names of FER+, which leave rows out.
        where: Name of the row for messages, counted from 1 with the header.
        cells: The other cells by column.
    """

    name: str
    where: str
    cells: dict[str, str]


class PixelCsv:
    """Rows and pictures of one file; safe to read from several threads.

    Columns are found by name, in any order and with spaces around them, as in
    ``icml_face_data.csv``.

    Args:
        path: The file.
        columns: Columns besides ``pixels`` that must be there.

    Raises:
        InputError: The file cannot be read or lacks a column.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._places: dict[int, tuple[int, int]] = {}
        self._complete = False
        self._pass = threading.Lock()
        where, _, header = next(_lines(path), (f"{path}, row 1", 0, []))
        self._header = [cell.strip() for cell in header]
        for column in (*columns, "pixels"):
            if column not in self._header:
                raise InputError(f"{where}: column {column!r} is missing")

    def rows(self) -> Iterator[PixelRow]:
        """Yield every row in the file's order; pixels are only looked at in `read`.

        Raises:
            InputError: A row has too many or too few cells.
        """
        lines = enumerate(_lines(self.path), start=1)
        next(lines)  # the header
        number = -1
        for line_number, (where, offset, cells) in lines:
            if not cells:  # an empty line, usually the last one
                continue
            if len(cells) != len(self._header):
                raise InputError(f"{where}: expected {len(self._header)} cells, got {len(cells)}")
            number += 1
            self._places[number] = offset, line_number
            row = dict(zip(self._header, cells, strict=True))
            del row["pixels"]
            yield PixelRow(f"{NAME_PREFIX}{number:07d}", where, row)
        self._complete = True

    def count(self) -> int:
        """Number of pictures; reads through the file the first time."""
        with self._pass:
            if not self._complete:
                for _ in self.rows():
                    pass
        return len(self._places)

    def read(self, name: str) -> bytes:
        """PNG bytes of one picture, 48x48 grey.

        Args:
            name: As in `PixelRow.name`.

        Raises:
            InputError: There is no such row.
            UnreadableMediaError: Its pixels are not 2304 numbers from 0 to 255.
        """
        offset, line_number = self._place(name)
        where = f"{self.path}, row {line_number}"
        with _opened(self.path) as file:
            file.seek(offset)
            cells = _cells(file.readline(LINE_LIMIT_BYTES), where)
        if len(cells) != len(self._header):
            raise UnreadableMediaError(f"{where}: the file was changed while it was being read")
        return _png(cells[self._header.index("pixels")], where)

    def _place(self, name: str) -> tuple[int, int]:
        digits = name.removeprefix(NAME_PREFIX)
        number = int(digits) if digits.isascii() and digits.isdigit() else -1
        if number not in self._places:
            self.count()
        if number not in self._places or name != f"{NAME_PREFIX}{number:07d}":
            raise InputError(f"{self.path}: holds no picture {name}")
        return self._places[number]


def find_pixel_csv(path: Path) -> Path | None:
    """The file itself, or the one in a folder or in its folder ``fer2013``; ``None`` without one.

    Raises:
        InputError: The path does not exist, or is a zip archive.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        files = [folder / name for name in FILE_NAMES for folder in (path, path / FOLDER)]
        return next((file for file in files if file.is_file()), None)
    if zipfile.is_zipfile(path):
        raise InputError(f"{path}: is a zip archive; unpack it, rows are read from where they lie")
    return path


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _lines(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Name of each line for messages, where it starts in bytes, and its cells."""
    offset, number = 0, 0
    with _opened(path) as file:
        while line := file.readline(LINE_LIMIT_BYTES):
            number += 1
            where = f"{path}, row {number}"
            if len(line) == LINE_LIMIT_BYTES:
                raise InputError(f"{where}: is longer than any row of pixels; is it such a file?")
            yield where, offset, _cells(line, where)
            offset += len(line)


def _cells(line: bytes, where: str) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{where}: is not CSV in UTF-8: {error}") from error


def _png(pixels: str, where: str) -> bytes:
    try:
        values = bytes(map(int, pixels.split()))  # refuses what is no number from 0 to 255
    except ValueError as error:
        raise UnreadableMediaError(
            f"{where}: a pixel is no number from 0 to 255: {error}"
        ) from error
    if len(values) != SIDE_PX**2:
        raise UnreadableMediaError(f"{where}: expected {SIDE_PX**2} pixels, got {len(values)}")
    picture = np.frombuffer(values, np.uint8).reshape(SIDE_PX, SIDE_PX)
    done, data = cv2.imencode(".png", picture)
    assert done  # cannot happen for an array of this shape
    return bytes(data)
