"""FER2013: 35,887 faces, 48x48 grey, one of seven expressions each, in one CSV file.

Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning
contests", ICONIP 2013. Images are for research.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.datasets.pixel_csv import FILE_NAMES, PixelCsv, find_pixel_csv
from mien.datasets.records import DropCounter, Record, datasets
from mien.errors import InputError

USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""Our names in the order of the file's codes."""


@datasets.register("fer2013")
class Fer2013:
    """``fer2013.csv``, or ``icml_face_data.csv`` with its other order of columns.

    The file is read as a stream. ``Usage`` gives the split: Training is train, PublicTest val,
    PrivateTest test. The labels hold 5 to 10 % noise, and the splits hold near-duplicates of each
    other.

    Args:
        path: The file, or a folder that holds it.

    Raises:
        InputError: There is no such file, it lacks a column or has a wrong row.
    """

    name = "fer2013"

    def __init__(self, path: Path) -> None:
        file = find_pixel_csv(path)
        if file is None:
            raise InputError(f"{path}: found no {' or '.join(FILE_NAMES)}")
        self._table = PixelCsv(file, ("emotion", "Usage"))
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every row with a label, also faces that are all black."""
        self.dropped.clear()
        for row in self._table.rows():
            split = split_of_usage(row.cells["Usage"], row.where)
            code = row.cells["emotion"].strip()
            if not code:
                self._drop.add("row without an emotion")
                continue
            yield Record(name=row.name, split=split, expression=_expression(code, row.where))

    def read(self, name: str) -> bytes:
        """PNG bytes of one face; see `PixelCsv.read` for what a wrong row raises."""
        return self._table.read(name)


def split_of_usage(text: str, where: str) -> str:
    """Our name of the split.

    Args:
        text: Cell of the column ``Usage``.
        where: Name of the row for messages.

    Raises:
        InputError: There is no such usage.
    """
    usage = text.strip()
    if usage not in USAGES:
        raise InputError(f"{where}: Usage is one of {', '.join(USAGES)}, got {usage!r}")
    return USAGES[usage]


def _expression(code: str, where: str) -> str:
    codes = {str(number): name for number, name in enumerate(EXPRESSIONS)}
    if code not in codes:
        raise InputError(f"{where}: emotion is a number from 0 to 6, got {code!r}")
    return codes[code]
