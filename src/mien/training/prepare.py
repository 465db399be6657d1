"""`mien prepare`: detect, align and pack every face of a data set, once, and describe it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec
from mien.datasets import Dataset, Record
from mien.datasets.summary import labels_agree, shared_people
from mien.errors import ConfigError, InputError, did_you_mean
from mien.training.data_card import write_card
from mien.training.duplicates import (
    DISTANCE,
    DUPLICATES_FILE,
    HASH_BITS,
    Duplicate,
    find_duplicates,
    least_correlation,
    write_duplicates,
)
from mien.training.packed import write_meta, write_records
from mien.training.packing import (
    COPY,
    FINDERS,
    FOUND,
    MISSED,
    REASONS,
    UNREADABLE,
    Progress,
    Store,
    check_folder,
    count_channels,
    open_store,
    pack,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """How a data set is packed.

    Attributes:
        align: How to cut; its border leaves room for augmentation.
        detector: Who finds the face: ``"crop"``, or ``"whole"`` to take every image as it is.
        options: What the reader was built with; a folder holds chips of one choice only.
        limit: Only this many records of every split, for a trial.
        duplicate_distance: Bits by which the hashes of copies may differ; ``None``: no search.
        drop_duplicates: Leave out copies, so that no photo is in two splits.
        threads: Images read and searched side by side; 0 means all cores.

    Raises:
        ConfigError: A number is out of range, or the detector unknown.
    """

    align: AlignSpec
    detector: str = "crop"
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    duplicate_distance: int | None = DISTANCE
    drop_duplicates: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if self.detector not in FINDERS:
            raise ConfigError(
                f"faces of a data set are found by {' or '.join(FINDERS)}, "
                f"got {self.detector!r}.{did_you_mean(self.detector, FINDERS)}"
            )
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be at least 1, got {self.limit}")
        if self.threads < 0:
            raise ConfigError(f"threads must be at least 0, got {self.threads}")
        distance = self.duplicate_distance
        if distance is not None and not 0 <= distance <= HASH_BITS // 2:
            raise ConfigError(
                f"duplicate_distance must lie between 0 and {HASH_BITS // 2}, got {distance}"
            )
        if self.drop_duplicates and distance is None:
            raise ConfigError("duplicates cannot be dropped when they are not searched")

    @property
    def workers(self) -> int:
        """Number of threads."""
        return self.threads or os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareReport:
    """What happened.

    Attributes:
        total: Records of the data set.
        found: Faces that training may use.
        missed: Images without a face for the detector; left out of training.
        unreadable: Images that could not be decoded; left out.
        copies: Faces left out because the same photo is in another split.
        duplicates: Pairs of the same photo in two splits; ``None`` when nobody looked.
        shared_people: People who are in more than one split.
        dropped: What the reader left out, by reason.
        pictures: Plots of the data card; empty without the library that draws.
    """

    total: int
    found: int
    missed: int
    unreadable: int
    copies: int
    duplicates: int | None
    shared_people: int
    dropped: dict[str, int]
    pictures: tuple[str, ...]


def prepare(
    dataset: Dataset,
    folder: Path,
    settings: PrepareSettings,
    *,
    progress: Progress | None = None,
    searching: Progress | None = None,
) -> PrepareReport:
    """Pack the chips of a data set into `folder`; a run that was killed goes on where it stopped.

    Args:
        dataset: Where the images and labels come from.
        folder: Made when missing. Holds ``chips.npy``, ``status.npy``, ``records.csv`` and
            ``meta.json``, the data card ``card.md`` with its pictures, and ``duplicates.csv``.
        settings: How to pack.
        progress: Called with images packed and in total.
        searching: The same for the search for copies.

    Raises:
        InputError: The data set has no records, or `folder` holds other chips.
        OutputError: `folder` cannot be written.
    """
    check_folder(folder)
    records = _limited(dataset.records(), settings.limit)
    if not records:
        why = ", ".join(f"{count} ({reason})" for reason, count in dataset.dropped.items())
        raise InputError(
            f"{dataset.name}: no usable records" + (f"; left out: {why}" if why else "")
        )
    identity = {
        **identity_of(dataset.name, settings),
        "total": len(records),
        "channels": count_channels(dataset, records),
        "names": hashlib.sha256("\n".join(r.name for r in records).encode()).hexdigest()[:16],
    }
    store = open_store(folder, identity)
    pack(
        dataset,
        records,
        store,
        settings.align,
        detector=settings.detector,
        threads=settings.workers,
        progress=progress,
    )
    pairs = _search(store, records, settings, searching)
    found = np.asarray(store.status == FOUND)
    used = [record for record, seen in zip(records, found, strict=True) if seen]
    meta = {
        **identity,
        "dropped": dict(dataset.dropped),
        "shared_people": len(shared_people(used)),
        "drop_duplicates": settings.drop_duplicates,
        "duplicates": _duplicates(records, pairs, settings),
    }
    pictures = _describe(folder, meta, records, store.status, pairs)
    write_meta(folder, {**meta, "complete": True})
    return _report(meta, store.status, pictures)


def _describe(
    folder: Path,
    meta: Mapping[str, Any],
    records: Sequence[Record],
    status: npt.NDArray[np.uint8],
    pairs: Sequence[Duplicate] | None,
) -> tuple[str, ...]:
    """Write labels, copies and card; return the names of the pictures."""
    reasons = [REASONS.get(int(what), "") for what in status]
    write_records(folder / "records.csv", records, np.asarray(status == FOUND), reasons)
    if pairs is None:
        (folder / DUPLICATES_FILE).unlink(missing_ok=True)
    else:
        write_duplicates(folder, pairs, records)
    return write_card(folder, meta, records, reasons)


def identity_of(name: str, settings: PrepareSettings) -> dict[str, Any]:
    """What tells the chips of one folder from others before the data set is read."""
    return {
        "dataset": name,
        "align": asdict(settings.align),
        "detector": settings.detector,
        "options": dict(settings.options),
        "limit": settings.limit,
    }


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


def _search(
    store: Store,
    records: Sequence[Record],
    settings: PrepareSettings,
    progress: Progress | None,
) -> list[Duplicate] | None:
    """Look for copies, and mark those that are to be left out."""
    status = store.status
    status[status == COPY] = FOUND  # an earlier run may have wanted something else
    pairs = None
    if settings.duplicate_distance is not None:
        pairs = find_duplicates(
            store.chips,
            [record.split for record in records],
            np.asarray(status == FOUND),
            distance=settings.duplicate_distance,
            threads=settings.workers,
            progress=progress,
        )
        if settings.drop_duplicates:
            for pair in pairs:
                status[pair.copy] = COPY
    store.flush()
    return pairs


def _duplicates(
    records: Sequence[Record], pairs: Sequence[Duplicate] | None, settings: PrepareSettings
) -> dict[str, Any] | None:
    """What ``meta.json`` and the card say about copies; ``None`` when nobody looked."""
    if pairs is None:
        return None
    splits = Counter(f"{records[pair.kept].split}, {records[pair.copy].split}" for pair in pairs)
    touched = Counter(records[row].split for row in {pair.kept for pair in pairs})
    answers = [labels_agree(records[pair.kept], records[pair.copy]) for pair in pairs]
    return {
        "distance": settings.duplicate_distance,
        "correlation": least_correlation(settings.align.packed_size),
        "pairs": len(pairs),
        "splits": splits,
        "touched": touched,
        "labels_disagree": answers.count(False),
    }


def _report(
    meta: Mapping[str, Any], status: npt.NDArray[np.uint8], pictures: tuple[str, ...]
) -> PrepareReport:
    def count(what: int) -> int:
        return int((status == what).sum())

    return PrepareReport(
        total=len(status),
        found=count(FOUND),
        missed=count(MISSED),
        unreadable=count(UNREADABLE),
        copies=count(COPY),
        duplicates=None if meta["duplicates"] is None else meta["duplicates"]["pairs"],
        shared_people=meta["shared_people"],
        dropped=meta["dropped"],
        pictures=pictures,
    )
