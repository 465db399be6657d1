"""Read a tree of files from a folder or from zip archives, without unpacking."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from mien.errors import InputError


class FileTree:
    """Names and bytes below one path.

    `path` may be a folder, a zip file, or a folder of zip files ``<stem>.zip``,
    ``<stem>-0.zip``, ``<stem>-1.zip``, ... that hold parts of one tree.

    Args:
        path: What the user gave.
        stem: Start of the archives' names to look for when `path` is a folder; files of a
            folder named `stem` inside `path` count, too.

    Raises:
        InputError: The path does not exist or holds neither.
    """

    def __init__(self, path: Path, stem: str) -> None:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        self.path = path
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._files: dict[str, Path] = {}
        if path.is_file():
            self._open(path)
            return
        archives = sorted(path.glob(f"{stem}.zip")) + sorted(path.glob(f"{stem}-*.zip"))
        for archive in archives:
            self._open(archive)
        folder = path / stem if (path / stem).is_dir() else path
        if not archives:
            for file in folder.rglob("*"):
                if file.is_file():
                    self._files[file.relative_to(folder).as_posix()] = file
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

    def find(self, file_name: str) -> str | None:
        """Full name of the first file called `file_name`, or ``None``."""
        return next((n for n in self.names() if PurePosixPath(n).name == file_name), None)

    def read(self, name: str) -> bytes:
        """Bytes of one file.

        Raises:
            InputError: There is no such file, or it cannot be read.
        """
        try:
            if name in self._archives:
                return self._archives[name].read(name)
            return self._files[name].read_bytes()
        except KeyError:
            raise InputError(f"{self.path}: holds no file {name}") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{self.path}: {name} cannot be read: {error}") from error
