"""The long part of `mien prepare`: cut every face, block by block, into one big array."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec, align_faces
from mien.datasets import Dataset, Record
from mien.detect import DetectorSettings, Whole
from mien.detect.crops import Crop
from mien.errors import InputError, OutputError, UnreadableMediaError
from mien.images import decode, to_grey
from mien.interfaces import Detection, Image
from mien.sinks.files import output_error
from mien.training.packed import read_meta, write_meta

BLOCK = 256
"""Images between two progress marks; what a killed run loses at most."""

TODO, FOUND, MISSED, UNREADABLE, COPY = range(5)
"""What came of an image, in ``status.npy``."""

REASONS: Mapping[int, str] = MappingProxyType(
    {
        MISSED: "no face found",
        UNREADABLE: "unreadable",
        COPY: "copy of a photo in another split",
    }
)
"""Why an image is left out, in the words of ``records.csv``."""

Mapped: TypeAlias = np.memmap[tuple[int, ...], np.dtype[np.uint8]]
Progress = Callable[[int, int], None]
Finder = Callable[[Image], Detection | None]


def _crop_finder() -> Finder:
    crop = Crop(DetectorSettings(min_score=Crop.DEFAULT_MIN_SCORE, threads=1))
    return lambda image: crop.find([image])[0]


def _whole_finder() -> Finder:
    whole = Whole(DetectorSettings(min_score=Whole.DEFAULT_MIN_SCORE))
    return lambda image: whole.detect([image])[0][0]


FINDERS: Mapping[str, Callable[[], Finder]] = MappingProxyType(
    {"crop": _crop_finder, "whole": _whole_finder}
)
"""Who says where the face of an image is, by name of the detector."""

FINDER_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "crop": "the central face of every image; an image without one is left out",
        "whole": "none; every image is taken for the crop of a face as it is",
    }
)

_NAMES = {
    "dataset": "data set",
    "total": "number of images",
    "align": "size or alignment",
    "channels": "colour",
    "detector": "detector",
    "options": "options",
    "limit": "limit",
    "names": "list of images",
}
_OLDEST: dict[str, Any] = {"detector": "crop", "options": {}}
"""How folders were packed that do not say so."""


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """In what a packed folder is not what is wanted, in words.

    Args:
        found: Its ``meta.json``; what older versions did not write counts as equal.
        wanted: Some of the same keys.
    """
    return [
        _NAMES.get(key, key)
        for key, value in wanted.items()
        if found.get(key, _OLDEST.get(key, value)) != value
    ]


@dataclass(frozen=True, slots=True)
class Store:
    """The arrays of one folder.

    Attributes:
        chips: ``uint8``, shape ``(n, packed_size, packed_size, 1 or 3)``, mapped from disk.
        status: What came of every image, shape ``(n,)``, mapped from disk.
    """

    chips: Mapped
    status: Mapped

    def flush(self) -> None:
        """Write chips, then what is known about them: never a mark without its chip."""
        self.chips.flush()
        self.status.flush()


def check_folder(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, without touching anything.

    Raises:
        OutputError: It is a file, or neither it nor a folder above it can be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, not a folder. Choose another name.")
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"{folder}: {place} is a file, not a folder. Choose another path.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(
            f"{folder}: no permission to write in {str(place)!r}. Choose another folder or change "
            "its rights."
        )


def open_store(folder: Path, meta: Mapping[str, Any]) -> Store:
    """Open the arrays of a folder, or make them.

    Args:
        folder: Made when missing.
        meta: What tells these chips from others: total, align, channels and more.

    Raises:
        InputError: The folder holds other chips, or its arrays are damaged.
        OutputError: It cannot be written, or the disk is too small.
    """
    size = AlignSpec(**meta["align"]).packed_size
    shape = (meta["total"], size, size, meta["channels"])
    try:
        if not (folder / "meta.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            _check_space(folder, int(np.prod(shape)))
            store = Store(
                _array(folder / "chips.npy", shape), _array(folder / "status.npy", shape[:1])
            )
        else:
            store = _reopen(folder, meta, shape)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise output_error(folder / "chips.npy", error) from error
    write_meta(folder, {**meta, "complete": False})
    return store


def _array(path: Path, shape: tuple[int, ...]) -> Mapped:
    return np.lib.format.open_memmap(path, "w+", np.uint8, shape)


def _reopen(folder: Path, meta: Mapping[str, Any], shape: tuple[int, ...]) -> Store:
    found = read_meta(folder)
    others = differences(found, meta)
    if others:
        raise InputError(
            f"{folder}: holds chips of {found.get('dataset')} ({found.get('total')} images) with "
            f"another {' and '.join(others)}. Name another folder or remove this one."
        )
    try:
        store = Store(
            np.lib.format.open_memmap(folder / "chips.npy", "r+"),
            np.lib.format.open_memmap(folder / "status.npy", "r+"),
        )
        fits = store.chips.shape == shape and store.status.shape == shape[:1]
    except (FileNotFoundError, ValueError, EOFError):
        fits = False
    if not fits:
        raise InputError(
            f"{folder}: chips.npy or status.npy is missing or damaged. Remove the folder and run "
            "`mien prepare` again."
        )
    return store


def _check_space(folder: Path, needed: int) -> None:
    """A mapped file on a full disk ends the process without a word; so look before."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder}: the chips need {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. "
            "Choose another disk or a smaller chip size."
        )


def pack(
    dataset: Dataset,
    records: Sequence[Record],
    store: Store,
    align: AlignSpec,
    *,
    detector: str,
    threads: int,
    progress: Progress | None,
) -> None:
    """Cut the faces that are still to do.

    Args:
        dataset: Where the images come from.
        records: One a chip.
        store: What is filled, block by block.
        align: How to cut.
        detector: Key of `FINDERS`.
        threads: Images read and searched side by side.
        progress: Called with images done and in total after every block.
    """
    todo = np.flatnonzero(store.status == TODO)
    if not len(todo):
        return
    find = FINDERS[detector]()
    channels = store.chips.shape[3]

    def cut(row: int) -> tuple[int, npt.NDArray[np.uint8] | None]:
        return cut_face(dataset, records[row], find, align, channels)

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(todo), BLOCK):
            rows = todo[start : start + BLOCK]
            for row, (outcome, chip) in zip(rows, pool.map(cut, rows.tolist()), strict=True):
                store.chips[row] = 0 if chip is None else chip
                store.status[row] = outcome
            store.flush()
            if progress is not None:
                progress(int((store.status != TODO).sum()), len(records))


def cut_face(
    dataset: Dataset, record: Record, find: Finder, align: AlignSpec, channels: int
) -> tuple[int, npt.NDArray[np.uint8] | None]:
    """What came of one image, and its chip ``(packed_size, packed_size, channels)`` if any."""
    try:
        image = decode(dataset.read(record.name))
    except UnreadableMediaError:
        return UNREADABLE, None
    face = find(image)
    if face is None:
        return MISSED, None
    try:
        chip = align_faces(image, [face], align)[0]
    except InputError:  # the detector's points make no face
        return MISSED, None
    return FOUND, to_grey(chip) if channels == 1 else chip


def count_channels(dataset: Dataset, records: Sequence[Record], looks: int = 40) -> int:
    """One channel when images from all over the data set are grey, else three.

    Grey chips take a third of the space.
    """
    for record in records[:: max(1, len(records) // looks)]:
        try:
            image = decode(dataset.read(record.name))
        except UnreadableMediaError:
            continue
        if (image[..., :1] != image).any():
            return 3
    return 1
