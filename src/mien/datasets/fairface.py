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
from mien.datasets.records import SPLITS, DropCounter, Record, datasets
from mien.errors import InputError

LABEL_FILE = "fairface_label_train.csv"
COLUMNS = ("file", "age", "gender", "race")
ENDINGS = (".webp", ".jpg", ".jpeg", ".png")


@datasets.register("fairface")
class FairFace:
    """Images under ``train/`` with ``fairface_label_train.csv`` beside them.

    A column ``split`` in the label file decides the split; without it, every row is ``train``.

    Args:
        path: Folder or archives, see `FileTree`.

    Raises:
        InputError: The label file is missing, or lacks a column, or has a wrong row.
    """

    name = "fairface"

    def __init__(self, path: Path) -> None:
        self._tree = FileTree(path, "fairface")
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        folder = path if path.is_dir() else path.parent
        self._labels = folder / LABEL_FILE
        if not self._labels.is_file():
            raise InputError(f"{self._labels} is missing")

    def records(self) -> Iterator[Record]:
        """Yield every row whose image is there."""
        self.dropped.clear()
        # By folder and number alone: copies of the data set come with several endings.
        unlabelled = {
            "/".join(name.split("/")[-2:]).rsplit(".", 1)[0]: name
            for name in self._tree.names(ENDINGS)
        }
        for where, row in csv_table(self._labels, COLUMNS):
            name = unlabelled.pop(row["file"].rsplit(".", 1)[0], None)
            if name is None:
                self._drop.add("row without an image")
                continue
            split = row.get("split") or "train"
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
