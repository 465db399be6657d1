"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from mien.errors import OutputError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system answers when a disk, a quota or the largest allowed file is full."""


def output_error(path: Path | str, error: OSError) -> OutputError:
    """Say in one line why `path` cannot be written and what to do about it."""
    folder = str(Path(path).parent)
    if isinstance(error, FileNotFoundError):
        text = f"the folder {folder!r} does not exist. Create it or choose another path"
    elif isinstance(error, NotADirectoryError):
        text = f"{folder!r} is not a folder. Choose another path"
    elif isinstance(error, IsADirectoryError):
        text = "is a folder. Give the name of a file in it"
    elif isinstance(error, PermissionError):
        text = f"no permission to write in {folder!r}. Choose another folder or change its rights"
    elif error.errno in FULL:
        text = "the disk is full. Free some space or choose another disk"
    elif error.errno == errno.EROFS:
        text = "the disk can only be read. Choose another one"
    else:
        text = f"cannot be written: {error.strerror or error}"
    return OutputError(f"{path}: {text}.")


class PartFile:
    """A growing file with a temporary name, ``.<name>.<random>.part``, in the same folder.

    After every `append` it is a valid file: a row is there as a whole or not at all.

    Args:
        path: The final name. A symbolic link is followed, so that it stays a link.

    Attributes:
        rows: How often `append` succeeded.

    Raises:
        OutputError: The file cannot be made.
    """

    ascii_only = False
    """Whether rows should keep to ASCII; these files are UTF-8."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._target, self.part = _target_and_part(path)
            self._raw = self.part.open("xb", buffering=0)
        except OutputError:
            raise
        except OSError as error:
            raise output_error(path, error) from error
        self._end = 0
        self.rows = 0

    def append(self, data: bytes, tail: bytes = b"") -> None:
        """Write a row, and behind it what closes the file; the next row overwrites `tail`.

        Ctrl-C in the middle of it finishes the row first.

        Raises:
            OutputError: The disk is full or gone; the rows before this one stay.
        """
        try:
            self._write(data + tail)
        except KeyboardInterrupt:
            self._write(data + tail)
            self._advance(data)
            raise
        except OSError as error:
            # Takes the half row back: overwrites what was there before, so it needs no new space.
            # Should even that fail, the first error is the one to tell.
            with contextlib.suppress(OSError):
                self._write(tail)
                self._raw.truncate()
            raise output_error(self.path, error) from error
        self._advance(data)

    def _advance(self, data: bytes) -> None:
        self._end += len(data)
        self.rows += 1

    def _write(self, data: bytes) -> None:
        self._raw.seek(self._end)
        rest = memoryview(data)
        while rest:
            rest = rest[self._raw.write(rest) :]

    def commit(self) -> None:
        """Close the file and give it its final name.

        Raises:
            OutputError: That fails; the message says where the data are.
        """
        try:
            self._raw.close()
            self.part.replace(self._target)
        except OSError as error:
            raise _not_replaced(self.path, self.part, error) from error

    def discard(self) -> None:
        """Throw away what was written; a file that had the final name before stays."""
        with contextlib.suppress(OSError):
            self._raw.close()
            self.part.unlink(missing_ok=True)


class PartFolder:
    """A folder ``.<name>.<random>.part`` for a file that must not stand alone while it grows.

    Args:
        path: The final name, as for `PartFile`.

    Attributes:
        part: The folder; what it holds is for the caller to say.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._target, self.part = _target_and_part(path)
            self.part.mkdir()
        except OutputError:
            raise
        except OSError as error:
            raise output_error(path, error) from error

    def commit(self, file: Path) -> None:
        """Give a complete file of the folder the final name and remove the rest.

        Raises:
            OutputError: That fails; the message says where the data are.
        """
        try:
            file.replace(self._target)
        except OSError as error:
            raise _not_replaced(self.path, file, error) from error
        self.discard()

    def discard(self) -> None:
        """Remove the folder; a file that had the final name before stays."""
        shutil.rmtree(self.part, ignore_errors=True)


def _target_and_part(path: Path) -> tuple[Path, Path]:
    """The file that `path` names, and the temporary name beside it."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: is a device or a pipe, not a file. Use '-' instead.")
    # Random, for two runs may write to the same name; short, for names have a limit.
    return target, target.with_name(f".{target.name[:40]}.{uuid4().hex[:8]}.part")


def _not_replaced(path: Path, part: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be replaced: {error.strerror or error}. The results are in {part}."
    )


class StreamFile:
    """The same for a text stream, e.g. standard output: every row is flushed at once.

    Args:
        stream: Stays open; it belongs to the caller.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.rows = 0
        encoding = getattr(stream, "encoding", None) or "utf-8"
        self.ascii_only = encoding.lower().replace("-", "") != "utf8"

    def append(self, data: bytes, tail: bytes = b"") -> None:
        """Write a row.

        Raises:
            BrokenPipeError: Nobody reads any more; that is for the caller to judge.
            OutputError: The stream cannot be written for another reason.
        """
        try:
            self._stream.write((data + tail).decode())
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            name = getattr(self._stream, "name", "the output stream")
            raise output_error(str(name), error) from error
        self.rows += 1

    def commit(self) -> None:
        """Nothing to do: every row is out."""

    def discard(self) -> None:
        """Nothing to do: what is out is out."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one go: it has either its old content or all of the new one.

    Raises:
        OutputError: It cannot be written.
    """
    file = PartFile(path)
    try:
        file.append(data)
    except BaseException:
        file.discard()
        raise
    file.commit()
