"""Which images or clips lie in a folder or match a pattern: names only, nothing is opened."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

IMAGE_ENDINGS = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib",
        ".tif", ".tiff", ".gif", ".heic", ".heif", ".hif", ".avif",
    }
)  # fmt: skip
"""Files in folders count as images when their name ends so, in any case of letters."""

VIDEO_ENDINGS = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
        ".wmv", ".flv", ".3gp", ".ogv",
    }
)  # fmt: skip
"""Files in folders count as clips when their name ends so, in any case of letters."""

SEPARATORS = (os.sep, os.altsep or os.sep)
WILDCARDS = frozenset("*?[")


class Listed(NamedTuple):
    """One find.

    Attributes:
        path: File, or the folder that cannot be listed.
        problem: Why the folder cannot be listed; ``None`` for files.
    """

    path: str
    problem: OSError | None = None


@dataclass
class Tally:
    """Counts while a listing runs.

    Attributes:
        images: Files handed out so far.
        skipped: Files passed over so far because their ending is not an image's.
    """

    images: int = 0
    skipped: int = 0


def has_image_ending(name: str) -> bool:
    """Whether a file of this name is taken for an image when found in a folder."""
    return Path(name).suffix.lower() in IMAGE_ENDINGS


def has_video_ending(name: str) -> bool:
    """Whether a file of this name is taken for a clip when found in a folder."""
    return Path(name).suffix.lower() in VIDEO_ENDINGS


def list_folder(
    folder: str,
    tally: Tally,
    *,
    recursive: bool,
    is_wanted: Callable[[str], bool] = has_image_ending,
) -> Iterator[Listed]:
    """Find the image files of a folder, sorted by path.

    Hidden files and folders (leading dot) are passed over. Links to folders are followed, but no
    folder is read twice, so that links in a circle end. At any time the names of the folders on
    the way down are held in memory, nothing more.

    Args:
        folder: Path of the folder.
        tally: Is counted up on the way.
        recursive: Also look into the folders below.
        is_wanted: Whether a file is handed out, by its name.
    """
    seen: set[tuple[int, int]] = set()
    levels: list[tuple[str, Iterator[str]]] = []  # what is left of every folder on the way down
    enter: str | None = folder if folder.endswith(SEPARATORS) else folder + os.sep
    while enter or levels:
        if enter:
            try:
                found = _names(enter, seen, tally, recursive=recursive, is_wanted=is_wanted)
                levels.append((enter, iter(found)))
            except OSError as error:
                yield Listed(enter.rstrip(os.sep) or enter, error)
            enter = None
            continue
        parent, names = levels[-1]
        name = next(names, None)
        if name is None:
            levels.pop()
        elif name.endswith(os.sep):  # so `_names` marks folders
            enter = parent + name
        else:
            tally.images += 1
            yield Listed(parent + name)


def _names(
    folder: str,
    seen: set[tuple[int, int]],
    tally: Tally,
    *,
    recursive: bool,
    is_wanted: Callable[[str], bool],
) -> list[str]:
    """Sorted names of the wanted files and, marked, of the folders in one folder."""
    status = Path(folder).stat()
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return []
    seen.add(identity)
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if recursive:
                    names.append(entry.name + os.sep)
            elif is_wanted(entry.name) and _is_readable_kind(entry):
                names.append(entry.name)
            else:
                tally.skipped += 1
    return sorted(names)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # e.g. a link to itself; reading it as a file will say what is wrong
        return False


def _is_readable_kind(entry: os.DirEntry[str]) -> bool:
    """Files and links, broken ones too: reading those says why. Pipes and devices would block."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True


def is_pattern(text: str) -> bool:
    """Whether a text holds a wildcard: ``*``, ``?`` or ``[...]``."""
    return not WILDCARDS.isdisjoint(text)


def list_pattern(pattern: str, tally: Tally) -> Iterator[Listed]:
    """Find the image files that match a pattern, sorted by path.

    Folders that match are passed over. A pattern that spells its ending out (``*.dat``) finds all
    files with that ending, any other (``photos/*``) only those with the ending of an image.

    Args:
        pattern: ``*``, ``?``, ``[...]``, and ``**`` for any depth of folders.
        tally: Is counted up on the way.
    """
    suffix = Path(pattern).suffix
    any_ending = len(suffix) > 1 and not is_pattern(suffix)
    try:
        # Path.glob refuses absolute patterns and includes hidden files.
        paths = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207
    except UnicodeEncodeError:  # characters that no name on this system can hold: no match
        return
    for path in paths:
        if any_ending or has_image_ending(path):
            if not Path(path).is_dir():
                tally.images += 1
                yield Listed(path)
        elif Path(path).is_file():
            tally.skipped += 1


def exists(path: str) -> bool:
    """Whether there is something under this path; ``False`` when it cannot be told."""
    try:
        return Path(path).exists()
    except OSError:  # too long, for instance
        return False


def is_folder(path: str) -> bool:
    """Whether a path leads to a folder; ``False`` when it cannot be told."""
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError):  # missing, forbidden, too long, NUL: reading it says which
        return False
