"""Which UTKFace picture is in which split, by the files that people publish.

Two formats are known, both beside the pictures:

- ``utkface-split.csv`` with the columns ``file,split``. It decides where both are there.
- ``utk_train.csv``, ``utk_test.csv`` and perhaps ``utk_valid.csv`` with the columns ``file,age``
  and a nameless row number, as published with CORAL (Cao, Mirjalili, Raschka, "Rank consistent
  ordinal regression for neural networks", 2020: ages 21 to 60). Their ``age`` is a class there,
  the years above 21, and years in copies made later, so it is not read: the age comes from the
  picture's name. Without ``utk_valid.csv`` a tenth of the training files becomes ``val``, by a
  hash of the name, because a test part must never choose a model.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien.datasets.files import csv_table
from mien.datasets.records import SPLITS
from mien.errors import InputError

SPLIT_FILE = "utkface-split.csv"
PUBLISHED = {"train": "utk_train.csv", "val": "utk_valid.csv", "test": "utk_test.csv"}
OPTIONAL = "val"


def read_split(folder: Path) -> dict[str, str] | None:
    """Split by `split_key`, or ``None`` where there is no split file.

    Args:
        folder: Where the split files would be.

    Raises:
        InputError: A file has a wrong row, one of the published files is missing, or a picture is
            in two splits.
    """
    if (folder / SPLIT_FILE).is_file():
        return _collected(_own_rows(folder / SPLIT_FILE))
    found = {split: folder / name for split, name in PUBLISHED.items() if (folder / name).is_file()}
    if not found:
        return None
    for split, name in PUBLISHED.items():
        if split not in found and split != OPTIONAL:
            present = ", ".join(file.name for file in found.values())
            raise InputError(f"{folder}: {name} is missing beside {present}")
    splits = _collected(_published_rows(found))
    if OPTIONAL in found:
        return splits
    return {key: _held_out(key) if split == "train" else split for key, split in splits.items()}


def split_key(file: str) -> str:
    """Name of a picture without folders and endings, which differ from copy to copy."""
    return PurePosixPath(file.replace("\\", "/")).name.partition(".")[0]


def _own_rows(file: Path) -> Iterator[tuple[str, str, str]]:
    for where, row in csv_table(file, ("file", "split")):
        if row["split"] not in SPLITS:
            raise InputError(f"{where}: expected {', '.join(SPLITS)}, got {row['split']!r}")
        yield where, row["file"], row["split"]


def _published_rows(files: dict[str, Path]) -> Iterator[tuple[str, str, str]]:
    for split, file in files.items():
        for where, row in csv_table(file, ("file",)):
            yield where, row["file"], split


def _collected(rows: Iterator[tuple[str, str, str]]) -> dict[str, str]:
    """Split by key, from where, file and split."""
    splits: dict[str, str] = {}
    for where, file, split in rows:
        if splits.setdefault(split_key(file), split) != split:
            raise InputError(f"{where}: {file} is in {splits[split_key(file)]} and in {split}")
    return splits


def _held_out(key: str) -> str:
    return "val" if zlib.crc32(key.encode()) % 10 == 8 else "train"
