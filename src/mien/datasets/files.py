"""Read a tree of files from a folder or from zip archives, without unpacking."""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.errors import InputError, UnreadableMediaError

BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What reading a damaged or encrypted archive raises; RuntimeError is the missing password."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""How the names of images end in data sets that do not say so themselves, in small letters."""


class FileTree:
    """Names and bytes below one path.

    `path` may be a folder, a zip file, or a folder of zip files ``<stem>.zip``,
    ``<stem>-0.zip``, ``<stem>-1.zip``, ... that hold parts of one tree. Without archives in it,
    a folder's own files count, or those of the folder `stem` inside it.

    Args:
        path: What the user gave.
        stem: Start of the archives' names, and name of the unpacked folder.

    Raises:
        InputError: The path does not exist or holds neither.
    """

    def __init__(self, path: Path, stem: str) -> None:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        self.path = path
        self._archives: dict[str, zipfile.ZipFile] = {}
        # Names, not paths: there are data sets of half a million files.
        self._files: set[str] = set()
        if path.is_file():
            self._open(path)
            return
        archives = sorted(path.glob(f"{stem}.zip")) + sorted(path.glob(f"{stem}-*.zip"))
        for archive in archives:
            self._open(archive)
        self._folder = path / stem if (path / stem).is_dir() else path
        if not archives:
            for parent, _, files in os.walk(self._folder):
                base = Path(parent).relative_to(self._folder).as_posix()
                self._files.update(name if base == "." else f"{base}/{name}" for name in files)
        if not self._archives and not self._files:
            raise InputError(f"{path}: found neither files nor {stem}*.zip")

    def _open(self, path: Path) -> None:
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read as a zip archive: {error}") from error
        for name in archive.namelist():
            if not name.endswith("/"):
                self._archives[name] = archive

    def names(self, ending: str | tuple[str, ...] = "") -> list[str]:
        """All names with one of these endings, sorted."""
        names = list(self._archives) + list(self._files)
        return sorted(name for name in names if name.lower().endswith(ending or ("",)))

    def __contains__(self, name: str) -> bool:
        return name in self._files or name in self._archives

    def images(self) -> list[str]:
        """Names of all images, sorted, without hidden files and what macOS adds to archives."""
        return [name for name in self.names(IMAGE_ENDINGS) if not _hidden(name)]

    def find(self, file_name: str) -> str:
        """Full name of the one file that is called so, in whatever folder it lies.

        Raises:
            InputError: There is none, or more than one.
        """
        found = [
            name
            for name in self.names(file_name.lower())
            if name.rpartition("/")[2] == file_name and not _hidden(name)
        ]
        if not found:
            raise InputError(f"{self.path}: {file_name} is missing")
        if len(found) > 1:
            raise InputError(
                f"{self.path}: more than one {file_name}: {', '.join(found)}. Name one folder."
            )
        return found[0]

    def read(self, name: str) -> bytes:
        """Bytes of one file.

        Raises:
            InputError: There is no such file.
            UnreadableMediaError: It is damaged.
        """
        try:
            if name in self._archives:
                return self._archives[name].read(name)
            if name in self._files:
                return (self._folder / name).read_bytes()
        except BROKEN as error:
            raise UnreadableMediaError(f"{self.path}: {name} cannot be read: {error}") from error
        raise InputError(f"{self.path}: holds no file {name}")


def _hidden(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or any(p.startswith(".") and p.strip(".") for p in parts)


def csv_rows(data: bytes, where: str, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """Rows of a label file.

    Args:
        data: The file, UTF-8 with or without a byte order mark.
        where: Name of the file for messages.
        delimiter: What stands between two cells.

    Yields:
        Name of the row for messages, counted from 1, and its cells.

    Raises:
        InputError: The file is not UTF-8 or not CSV.
    """
    number = 0
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        for row in csv.reader(text, delimiter=delimiter):
            number += 1
            yield f"{where}, row {number}", row
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text: {error.reason}") from error
    except csv.Error as error:
        raise InputError(f"{where}, row {number + 1}: {error}") from error


def csv_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a label file with a header, as cells by column.

    Args:
        path: The file.
        columns: Columns that must be there; others may be.

    Yields:
        Name of the row for messages, and its cells.

    Raises:
        InputError: The file cannot be read, lacks a column or has an incomplete row.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    yield from csv_cells(data, str(path), columns)


def csv_cells(
    data: bytes, where: str, columns: Sequence[str], delimiter: str = ","
) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a label file with a header that is read already, see `csv_rows` and `csv_table`."""
    rows = csv_rows(data, where, delimiter)
    _, header = next(rows, ("", []))
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(f"{where}: column {missing[0]!r} is missing")
    for place, row in rows:
        if row and len(row) != len(header):
            raise InputError(f"{place}: expected {len(header)} cells, got {len(row)}")
        if row:  # an empty line, usually the last one
            yield place, dict(zip(header, row, strict=True))
