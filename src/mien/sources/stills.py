"""Whatever the user points at, as a list of still images: cheap to list, decoded when asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from os import PathLike, fsdecode
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

import numpy as np
import numpy.typing as npt

from mien.decoding.pixels import check_colour
from mien.errors import ConfigError, InputError, MienError, UnreadableMediaError
from mien.images import MAX_PIXELS, Colour, from_array, from_pil
from mien.interfaces import Frame, Image
from mien.sources import listing, readers
from mien.sources.listing import Listed, Tally

if TYPE_CHECKING:
    import PIL.Image

OneSource: TypeAlias = Union[
    str,
    "PathLike[str]",
    bytes,
    bytearray,
    memoryview,
    readers.Readable,
    npt.NDArray[Any],
    "PIL.Image.Image",
]
"""A path, folder, pattern, address, ``"-"``, image file in memory, file object or picture."""

SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class StillItem:
    """One image that has not been read yet. Items may be loaded in any thread and any order.

    Attributes:
        name: Where it comes from, for `Frame.source`; always encodable as UTF-8.
        read: Reads and decodes it.
    """

    name: str
    read: Callable[[], Image]

    def load(self) -> Frame:
        """Read and decode; a failure becomes a frame with an error of one line."""
        try:
            return Frame(source=self.name, image=self.read())
        except MienError as error:
            return Frame(source=self.name, error=" ".join(str(error).split()))
        except OSError as error:
            return Frame(source=self.name, error=readers.os_reason(error))
        except UnicodeEncodeError:  # a path with characters that this file system cannot hold
            return Frame(source=self.name, error="the path is not valid on this system")


class StillSource:
    """Images from one or many places; iterate it for frames, or `items` to load them elsewhere.

    Args:
        source: One source or several.
        colour: Order of the channels in NumPy arrays.
        max_pixels: Larger image files are refused.
        recursive: Look into the folders below a folder.

    Raises:
        InputError: A source is of a type that cannot hold an image.
        ConfigError: `colour` or `max_pixels` is out of range.
    """

    def __init__(
        self,
        source: OneSource | Iterable[OneSource],
        *,
        colour: Colour = "RGB",
        max_pixels: int = MAX_PIXELS,
        recursive: bool = True,
    ) -> None:
        check_colour(colour)
        if max_pixels < 1:
            raise ConfigError(f"max_pixels must be at least 1, got {max_pixels}")
        self._is_single = is_one_source(source)
        if not self._is_single and not isinstance(source, Iterable):
            raise InputError(_wrong_type(source))
        self._sources: Iterable[Any] = (
            [source] if self._is_single else cast("Iterable[Any]", source)
        )
        self._colour: Colour = colour
        self._max_pixels = max_pixels
        self._recursive = recursive
        self._tally = Tally()
        self._count: int | None = None

    @property
    def skipped_files(self) -> int:
        """Files passed over by the latest iteration: in a folder, without an image's ending."""
        return self._tally.skipped

    def items(self) -> Iterator[StillItem]:
        """List the images in order without reading any."""
        self._tally = Tally()
        yield from self._list(self._tally)

    def __iter__(self) -> Iterator[Frame]:
        """Read and decode the images in order, one at a time."""
        return (item.load() for item in self.items())

    def __len__(self) -> int:
        """Number of images. Folders are listed for it, once; no file is opened.

        Raises:
            TypeError: The sources come from an iterator, so that nobody knows.
        """
        if not isinstance(self._sources, Collection):
            raise TypeError("the number of images is not known before an iterator has ended")
        if self._count is None:
            self._count = sum(1 for _ in self._list(Tally()))
        return self._count

    def _list(self, tally: Tally) -> Iterator[StillItem]:
        for index, source in enumerate(self._sources):
            if isinstance(source, PathLike):
                yield from self._from_path(fsdecode(source), tally)
            elif isinstance(source, str):
                yield from self._from_text(source, tally)
            else:
                yield self._from_memory(source, None if self._is_single else index)

    def _from_text(self, text: str, tally: Tally) -> Iterator[StillItem]:
        if "\0" in text:
            yield _failed(text.replace("\0", "?"), "the path holds a NUL character")
        elif text == "-":
            yield StillItem("<stdin>", partial(readers.read_stdin, self._max_pixels))
        elif text.lower().startswith(("http://", "https://")):
            yield StillItem(_printable(text), partial(_read_url, text, self._max_pixels))
        elif SCHEME.match(text):
            yield _failed(text, "only http:// and https:// addresses and paths are read")
        elif listing.is_pattern(text) and not listing.exists(text):
            before = tally.images
            yield from map(self._found, listing.list_pattern(text, tally))
            if tally.images == before:
                yield _failed(text, "no image file matches this pattern")
        else:
            yield from self._from_path(text, tally)

    def _from_path(self, path: str, tally: Tally) -> Iterator[StillItem]:
        if not path:
            yield _failed("", "the path is empty")
        elif listing.is_folder(path):
            images, skipped, problems = tally.images, tally.skipped, 0
            for found in listing.list_folder(path, tally, recursive=self._recursive):
                problems += found.problem is not None
                yield self._found(found)
            if tally.images == images and not problems:
                others = tally.skipped - skipped
                note = f" ({others} other file{'s' * (others != 1)})" if others else ""
                yield _failed(path, f"no image file in this folder{note}")
        else:
            yield self._found(Listed(path))

    def _found(self, found: Listed) -> StillItem:
        if found.problem is not None:
            return _failed(found.path, readers.os_reason(found.problem))
        return StillItem(
            _printable(found.path), partial(readers.read_path, found.path, self._max_pixels)
        )

    def _from_memory(self, source: Any, index: int | None) -> StillItem:
        """Wrap what is not named by a text; `index` is its place in a list."""
        counted = "" if index is None else f" {index}"
        if isinstance(source, (bytes, bytearray, memoryview)):
            return StillItem(
                f"<bytes{counted}>", partial(readers.read_bytes, source, self._max_pixels)
            )
        if isinstance(source, np.ndarray):
            return StillItem(
                f"<array {index or 0}>", partial(from_array, source, colour=self._colour)
            )
        if _is_pil_image(source):
            name = getattr(source, "filename", "") or f"<image {index or 0}>"
            return StillItem(_printable(fsdecode(name)), partial(from_pil, source))
        if hasattr(source, "read"):
            named = getattr(source, "name", None)  # a number when it was opened from one
            name = named if isinstance(named, str) else f"<file{counted}>"
            return StillItem(
                _printable(name), partial(readers.read_file_object, source, self._max_pixels)
            )
        raise InputError(_wrong_type(source))


def open_source(
    source: OneSource | Iterable[OneSource],
    *,
    colour: Colour = "RGB",
    max_pixels: int = MAX_PIXELS,
    recursive: bool = True,
) -> StillSource:
    """Open whatever the user points at. Nothing is listed or read before it is asked for.

    What cannot be read, a missing path, a pattern without a match and a folder without images
    are frames with an error, so that one of them does not stop the others.

    Args:
        source: One of these, or a list or iterator of them: the path of a file (tried whatever
            its ending) or folder (files with the ending of an image, sorted, hidden ones passed
            over), a pattern (``photos/**/*.jpg``), ``"-"`` for the bytes on standard input, an
            ``http(s)`` address, the bytes of an image file, a binary file object, a NumPy array,
            a PIL image.
        colour: Order of the channels in NumPy arrays.
        max_pixels: Larger image files are refused.
        recursive: Look into the folders below a folder.

    Raises:
        InputError: A source is of a type that cannot hold an image. For iterators it is raised
            when its turn comes.
        ConfigError: `colour` or `max_pixels` is out of range.
    """
    opened = StillSource(source, colour=colour, max_pixels=max_pixels, recursive=recursive)
    if isinstance(source, Collection) and not is_one_source(source):
        for one in source:
            if not is_one_source(one):
                raise InputError(_wrong_type(one))
    return opened


def is_one_source(source: object) -> bool:
    """Whether this is one source and not several."""
    known = (str, PathLike, bytes, bytearray, memoryview, np.ndarray)
    return isinstance(source, known) or hasattr(source, "read") or _is_pil_image(source)


def _is_pil_image(source: object) -> bool:
    # Whoever holds a PIL image has imported PIL; nobody else has to.
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(source, pil.Image)


def _wrong_type(source: object) -> str:
    return (
        f"cannot read images from {type(source).__name__}; expected a path, folder, pattern, "
        "http(s) address, '-', bytes, binary file object, NumPy array or PIL image"
    )


def _failed(name: str, reason: str) -> StillItem:
    return StillItem(_printable(name), partial(_fail, reason))


def _fail(reason: str) -> Image:
    raise UnreadableMediaError(reason)


def _printable(name: str) -> str:
    """Replace what UTF-8 cannot hold: names of files may be any bytes."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _read_url(url: str, max_pixels: int) -> Image:
    from mien.sources.urls import fetch  # brings the HTTP and TLS libraries

    return readers.read_bytes(fetch(url), max_pixels)
