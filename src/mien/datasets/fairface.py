"""FairFace: age bins, gender and race, balanced by race. CC BY 4.0.

Kärkkäinen, Joo, "FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias
Measurement and Mitigation", WACV 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mien.config import MAX_AGE
from mien.datasets.files import FileTree, csv_table
from mien.datasets.records import (
    SPLITS,
    DropCounter,
    Record,
    check_validation,
    datasets,
    is_held_out,
)
from mien.errors import InputError

LABEL_FILE = "fairface_label_train.csv"
LABEL_FILES = {LABEL_FILE: "train", "fairface_label_val.csv": "test"}
"""The published parts. Figures are reported on the second, so it is our test part."""

COLUMNS = ("file", "age", "gender", "race")
ENDINGS = (".webp", ".jpg", ".jpeg", ".png")


@datasets.register("fairface")
class FairFace:
    """Images under ``train/`` and ``val/`` with ``fairface_label_{train,val}.csv`` beside them.

    A column ``split`` in a label file decides the split. Without it, the published validation part
    is ``test``, on which figures are reported, and a hashed share of the training part is ``val``:
    a test part must never choose a model.

    Args:
        path: Folder or archives, see `FileTree`.
        validation: That share, from 0 to below 1.

    Raises:
        InputError: Both label files are missing, or one lacks a column or has a wrong row.
        ConfigError: `validation` is no such share.
    """

    name = "fairface"

    def __init__(self, path: Path, validation: float = 0.1) -> None:
        check_validation(validation)
        self._tree = FileTree(path, "fairface")
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        self._validation = validation
        folder = path if path.is_dir() else path.parent
        self._labels = [folder / file for file in LABEL_FILES if (folder / file).is_file()]
        if not self._labels:
            raise InputError(f"{folder / LABEL_FILE} is missing")

    def records(self) -> Iterator[Record]:
        """Yield every row whose image is there."""
        self.dropped.clear()
        # By folder and number alone: copies of the data set come with several endings.
        unlabelled = {
            "/".join(name.split("/")[-2:]).rsplit(".", 1)[0]: name
            for name in self._tree.names(ENDINGS)
        }
        for labels in self._labels:
            for where, row in csv_table(labels, COLUMNS):
                key = row["file"].rsplit(".", 1)[0]
                name = unlabelled.pop(key, None)
                if name is None:
                    self._drop.add("row without an image")
                    continue
                split = row.get("split") or self._split(key, LABEL_FILES[labels.name])
                gender = row["gender"].strip().lower()
                if split not in SPLITS or gender not in ("female", "male"):
                    raise InputError(f"{where}: unknown split {split!r} or gender {gender!r}")
                yield Record(
                    name=name,
                    split=split,
                    age_range=_age_range(row["age"], where),
                    gender=gender,
                    group=row["race"],
                )
        self._drop.add("image without a row", len(unlabelled))

    def _split(self, key: str, part: str) -> str:
        if part == "train" and is_held_out(key, self._validation):
            return "val"
        return part

    def read(self, name: str) -> bytes:
        """Encoded bytes of one face."""
        return self._tree.read(name)


def _age_range(text: str, where: str) -> tuple[int, int]:
    if text == "more than 70":
        return 70, MAX_AGE
    match = re.fullmatch(r"(\d{1,3})-(\d{1,3})", text, re.ASCII)
    if match is None or not int(match[1]) <= int(match[2]) <= MAX_AGE:
        raise InputError(f"{where}: an age bin looks like '20-29' or 'more than 70', got {text!r}")
    return int(match[1]), int(match[2])
