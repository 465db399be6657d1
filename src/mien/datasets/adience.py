"""Adience: unfiltered phone photos with eight age bins and gender, in five folds.

Eidinger, Enbar, Hassner, "Age and Gender Estimation of Unfiltered Faces", IEEE TIFS 9(12), 2014.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from mien.datasets.files import FileTree, csv_cells
from mien.datasets.labels import age_label, check_choice
from mien.datasets.records import DropCounter, Record, datasets
from mien.errors import ConfigError, InputError

FOLDS = range(5)
COLUMNS = ("user_id", "original_image", "face_id", "age", "gender")
GENDER = {"f": "female", "m": "male", "u": None, "": None}
PREFIXES = {"faces": "coarse_tilt_aligned_face", "aligned": "landmark_aligned_face"}
BIN = re.compile(r"\((\d{1,3}), *(\d{1,3})\)", re.ASCII)


class _Age(TypedDict, total=False):
    age_years: float
    age_range: tuple[int, int]


@datasets.register("adience")
class Adience:
    """Folder ``faces`` or ``aligned`` with ``fold_0_data.txt`` to ``fold_4_data.txt``; age, gender.

    Ages stay as the fold files have them: the eight bins as ranges, and the few single numbers,
    such as ``35``, as years.

    Args:
        path: Folder or archives, see `FileTree`.
        test_fold: Fold that is the test split.
        val_fold: Fold that is the validation split; the other three are for training.
        images: ``"faces"``, ``"aligned"``, or ``"any"`` for the first of them that is there.

    Raises:
        InputError: A fold file is missing or has a wrong row.
        ConfigError: A fold is not 0 to 4, both are the same, or `images` is something else.
    """

    name = "adience"

    def __init__(
        self, path: Path, *, test_fold: int = 4, val_fold: int = 3, images: str = "any"
    ) -> None:
        check_choice("images", images, (*PREFIXES, "any"))
        if test_fold not in FOLDS or val_fold not in FOLDS or test_fold == val_fold:
            raise ConfigError(
                "test_fold and val_fold must be two of the folds 0 to 4, "
                f"got {test_fold} and {val_fold}"
            )
        self._prefixes = tuple(PREFIXES.values()) if images == "any" else (PREFIXES[images],)
        self._tree = FileTree(path, "adience")
        self._files = [self._tree.find(f"fold_{fold}_data.txt") for fold in FOLDS]
        # The test fold first: whom it has, the others may not have.
        others = [fold for fold in FOLDS if fold not in (test_fold, val_fold)]
        self._order = {test_fold: "test", val_fold: "val", **dict.fromkeys(others, "train")}
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every labelled row whose image is there: test, then val, then train."""
        self.dropped.clear()
        # Archives and mirrors put the album folders at different depths.
        images = {"/".join(name.split("/")[-2:]): name for name in self._tree.images()}
        splits: dict[str, str] = {}
        for fold, split in self._order.items():
            file = self._files[fold]
            for where, row in csv_cells(self._tree.read(file), file, COLUMNS, "\t"):
                if splits.setdefault(row["user_id"], split) != split:
                    self._drop.add("person is in another split")
                    continue
                name = self._image(row, images)
                if name is None:
                    self._drop.add("row without an image")
                    continue
                record = _record(name, split, row, where)
                if record is None:
                    self._drop.add("neither age nor gender known")
                    continue
                yield record

    def _image(self, row: dict[str, str], images: dict[str, str]) -> str | None:
        for prefix in self._prefixes:
            key = f"{row['user_id']}/{prefix}.{row['face_id']}.{row['original_image']}"
            if key in images:
                return images[key]
        return None

    def read(self, name: str) -> bytes:
        """JPEG bytes of one face."""
        return self._tree.read(name)


def _record(name: str, split: str, row: dict[str, str], where: str) -> Record | None:
    """The record, or ``None`` when the row says neither age nor gender."""
    if row["gender"] not in GENDER:
        raise InputError(f"{where}: gender must be f, m, u or empty, got {row['gender']!r}")
    age, gender = _age(row["age"], where), GENDER[row["gender"]]
    if not age and gender is None:
        return None
    # An album shows several people, but all of a person's photos are in one album.
    return Record(name=name, split=split, gender=gender, person=row["user_id"], **age)


def _age(text: str, where: str) -> _Age:
    if text in ("None", ""):
        return {}
    match = BIN.fullmatch(text)
    age = age_label(f"{match[1]}-{match[2]}" if match else text, where)
    return {"age_range": age} if isinstance(age, tuple) else {"age_years": age}
