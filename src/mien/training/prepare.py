"""`mien prepare`: detect, align and pack every face of a data set, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec, align_faces
from mien.datasets import Dataset, Record
from mien.detect import DetectorSettings
from mien.detect.crops import Crop
from mien.errors import InputError, UnreadableMediaError
from mien.images import decode, to_grey
from mien.training.packed import read_meta, write_meta, write_records

BLOCK = 256
"""Images between two progress marks; what a killed run loses at most."""

TODO, FOUND, MISSED, UNREADABLE = range(4)

Mapped: TypeAlias = np.memmap[tuple[int, ...], np.dtype[np.uint8]]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareReport:
    """What happened.

    Attributes:
        total: Records of the data set.
        found: Images in which the face was found and packed.
        missed: Images without a face for the detector; left out of training.
        unreadable: Images that could not be decoded; left out.
        dropped: What the reader left out, by reason.
    """

    total: int
    found: int
    missed: int
    unreadable: int
    dropped: dict[str, int]


def prepare(
    dataset: Dataset,
    folder: Path,
    *,
    align: AlignSpec,
    threads: int = 2,
    limit: int | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Pack the chips of a data set into `folder`; a run that was killed goes on where it stopped.

    Args:
        dataset: Where the images and labels come from.
        folder: Made when missing. Holds ``chips.npy``, ``records.csv`` and ``meta.json``.
        align: How to cut; its border leaves room for augmentation.
        threads: Decoding and detecting threads.
        limit: Only this many records of every split, for a trial.
        progress: Called with images done and in total.

    Raises:
        InputError: The data set has no records, or `folder` holds other chips.
    """
    records = _limited(dataset.records(), limit)
    if not records:
        raise InputError(f"{dataset.name}: no usable records")
    meta = {
        "dataset": dataset.name,
        "total": len(records),
        "align": asdict(align),
        "channels": _channels(dataset, records),
    }
    chips, status = _open(folder, meta)
    detector = Crop(DetectorSettings(min_score=Crop.DEFAULT_MIN_SCORE, threads=1))
    cut = partial(_cut, dataset, detector, align, chips.shape[3])
    todo = np.flatnonzero(status == TODO)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(todo), BLOCK):
            rows = todo[start : start + BLOCK]
            for row, (outcome, chip) in zip(
                rows, pool.map(lambda row: cut(records[row]), rows), strict=True
            ):
                chips[row] = chip
                status[row] = outcome
            chips.flush()
            status.flush()
            if progress is not None:
                progress(int((status != TODO).sum()), len(records))
    write_records(folder / "records.csv", records, status == FOUND)
    write_meta(folder, {**meta, "complete": True})
    return PrepareReport(
        total=len(records),
        found=int((status == FOUND).sum()),
        missed=int((status == MISSED).sum()),
        unreadable=int((status == UNREADABLE).sum()),
        dropped=dict(dataset.dropped),
    )


def _limited(records: Iterator[Record], limit: int | None) -> list[Record]:
    if limit is None:
        return list(records)
    taken: dict[str, int] = {}
    kept = []
    for record in records:
        taken[record.split] = taken.get(record.split, 0) + 1
        if taken[record.split] <= limit:
            kept.append(record)
    return kept


def _channels(dataset: Dataset, records: Sequence[Record]) -> int:
    """One channel when the first images are grey, else three: grey chips take a third."""
    for record in records[:20]:
        try:
            image = decode(dataset.read(record.name))
        except UnreadableMediaError:
            continue
        if (image[..., :1] != image).any():
            return 3
    return 1


def _open(folder: Path, meta: dict[str, Any]) -> tuple[Mapped, Mapped]:
    """Open or make the two arrays on disk."""
    size = AlignSpec(**meta["align"]).packed_size
    shape = (meta["total"], size, size, meta["channels"])
    fresh = not (folder / "meta.json").exists()
    if fresh:
        folder.mkdir(parents=True, exist_ok=True)
        chips = np.lib.format.open_memmap(folder / "chips.npy", "w+", np.uint8, shape)
        status = np.lib.format.open_memmap(folder / "status.npy", "w+", np.uint8, shape[:1])
        write_meta(folder, {**meta, "complete": False})
        return chips, status
    found = read_meta(folder)
    if {key: found.get(key) for key in meta} != meta:
        raise InputError(
            f"{folder}: holds chips of {found.get('dataset')} ({found.get('total')} images) cut "
            "in another way. Name another folder or remove this one."
        )
    write_meta(folder, {**meta, "complete": False})
    return (
        np.lib.format.open_memmap(folder / "chips.npy", "r+"),
        np.lib.format.open_memmap(folder / "status.npy", "r+"),
    )


def _cut(
    dataset: Dataset, detector: Crop, align: AlignSpec, channels: int, record: Record
) -> tuple[int, npt.NDArray[np.uint8]]:
    """Chip of one record and what came of it; an empty chip when there is none."""
    empty = np.zeros((align.packed_size, align.packed_size, channels), np.uint8)
    try:
        image = decode(dataset.read(record.name))
    except UnreadableMediaError:
        return UNREADABLE, empty
    face = detector.find([image])[0]
    if face is None:
        return MISSED, empty
    try:
        chip = align_faces(image, [face], align)[0]
    except InputError:  # the detector's points make no face
        return MISSED, empty
    return FOUND, to_grey(chip) if channels == 1 else chip
