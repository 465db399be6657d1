"""APPA-REAL: how old 7,591 people look to about 38 others each, and how old they are.

Agustsson, Timofte, Escalera, Baró, Guyon, Rothe, "Apparent and Real Age Estimation in Still Images
with Deep Residual Regressors on APPA-REAL Database", FG 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from statistics import stdev

from mien.datasets.files import FileTree, csv_cells
from mien.datasets.labels import OLDEST, check_choice
from mien.datasets.records import DropCounter, Record, datasets
from mien.errors import InputError

PARTS = {"train": "train", "valid": "val", "test": "test"}
COLUMNS = ("file_name", "apparent_age_avg", "apparent_age_std", "real_age")
VOTE_COLUMNS = ("file_name", "apparent_age")
ENDINGS = {"face": "_face.jpg", "full": ""}


@datasets.register("appa-real")
class AppaReal:
    """Folders ``train``, ``valid``, ``test`` with ``gt_avg_*.csv``; apparent and real age.

    `Record.age_years` is the average of the votes. Their standard deviation comes from the single
    votes in ``gt_train.csv``, ``gt_valid.csv`` and ``gt_test.csv`` where these files are there,
    else from the column ``apparent_age_std``.

    Args:
        path: Folder or archives, see `FileTree`.
        images: ``"face"`` for the cropped and turned ``*_face.jpg``, ``"full"`` for whole photos.

    Raises:
        InputError: A ``gt_avg_*.csv`` is missing or has a wrong row.
        ConfigError: `images` is something else.
    """

    name = "appa-real"

    def __init__(self, path: Path, *, images: str = "face") -> None:
        check_choice("images", images, ENDINGS)
        self._ending = ENDINGS[images]
        self._tree = FileTree(path, "appa-real-release")
        self._labels = {part: self._tree.find(f"gt_avg_{part}.csv") for part in PARTS}
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every row whose image is there."""
        self.dropped.clear()
        for part, labels in self._labels.items():
            base = PurePosixPath(labels).parent
            spreads = self._spreads((base / f"gt_{part}.csv").as_posix())
            for where, row in csv_cells(self._tree.read(labels), labels, COLUMNS):
                name = (base / part / f"{row['file_name']}{self._ending}").as_posix()
                if name not in self._tree:
                    self._drop.add("row without an image")
                    continue
                spread = _years(row, "apparent_age_std", where)
                yield Record(
                    name=name,
                    split=PARTS[part],
                    age_years=_years(row, "apparent_age_avg", where),
                    age_spread=spreads.get(row["file_name"], spread),
                    real_age=_years(row, "real_age", where),
                )

    def _spreads(self, votes_file: str) -> dict[str, float]:
        """Standard deviation of the votes on every image that has at least two."""
        votes: dict[str, list[float]] = {}
        if votes_file in self._tree:
            for where, row in csv_cells(self._tree.read(votes_file), votes_file, VOTE_COLUMNS):
                age = _years(row, "apparent_age", where)
                votes.setdefault(row["file_name"], []).append(age)
        return {name: stdev(ages) for name, ages in votes.items() if len(ages) > 1}

    def read(self, name: str) -> bytes:
        """JPEG bytes of one image."""
        return self._tree.read(name)


def _years(row: dict[str, str], column: str, where: str) -> float:
    try:
        years = float(row[column])
    except ValueError:
        years = -1.0
    if not 0 <= years <= OLDEST:
        raise InputError(
            f"{where}: {column} must be a number of years from 0 to {OLDEST}, got {row[column]!r}"
        )
    return years
