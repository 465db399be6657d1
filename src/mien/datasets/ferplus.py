"""FER+: FER2013 faces, 48x48 grey, with ten votes each.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution", ICMI 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from mien.datasets.files import FileTree, csv_rows
from mien.datasets.records import DropCounter, Record, datasets
from mien.errors import InputError

FOLDERS = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
COLUMNS = 10


@datasets.register("ferplus")
class FerPlus:
    """Folders ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` with a ``label.csv`` each.

    Args:
        path: Folder or archives, see `FileTree`.

    Raises:
        InputError: A folder's ``label.csv`` is missing or has a wrong row.
    """

    name = "ferplus"

    def __init__(self, path: Path) -> None:
        self._tree = FileTree(path, "ferplus")
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every image that has a row and a file."""
        self.dropped.clear()
        images = set(self._tree.names(".png"))
        labelled = set()
        label_files = {
            PurePosixPath(name).parent.name: name for name in self._tree.names("label.csv")
        }
        for folder, split in FOLDERS.items():
            if folder not in label_files:
                raise InputError(f"{self._tree.path}: {folder}/label.csv is missing")
            base = PurePosixPath(label_files[folder]).parent
            data = self._tree.read(label_files[folder])
            for where, row in csv_rows(data, label_files[folder]):
                name = (base / row[0]).as_posix() if row else ""
                if name not in images:
                    self._drop.add("row without an image", len(row) > 0)
                    continue
                labelled.add(name)
                yield Record(name=name, split=split, votes=_votes(row[2:], where))
        self._drop.add("image without a row", len(images - labelled))

    def read(self, name: str) -> bytes:
        """PNG bytes of one face."""
        return self._tree.read(name)


def _votes(cells: Sequence[str], where: str) -> tuple[int, ...]:
    if len(cells) != COLUMNS:
        raise InputError(f"{where}: expected {COLUMNS} vote columns, got {len(cells)}")
    try:
        votes = [float(cell) for cell in cells]
    except ValueError as error:
        raise InputError(f"{where}: a vote is not a number: {error}") from error
    if not all(vote >= 0 and vote.is_integer() for vote in votes):
        raise InputError(f"{where}: votes are counts, got {', '.join(cells)}")
    return tuple(map(int, votes))


def without_single_votes(votes: Sequence[int]) -> tuple[int, ...]:
    """Drop classes that only one person named: the paper's outlier rejection."""
    return tuple(vote if vote > 1 else 0 for vote in votes)


def majority(votes: Sequence[int]) -> int | None:
    """Class index by the paper's "majority" filter, or ``None`` when the face is left out.

    Single votes go first; the strongest class must then hold more than half of the rest and be
    one of the eight expressions.
    """
    kept = without_single_votes(votes)
    total, best = sum(kept), max(kept)
    if total == 0 or best * 2 <= total:
        return None
    index = kept.index(best)
    return index if index < 8 else None


def soft_target(votes: Sequence[int]) -> tuple[float, ...] | None:
    """Vote shares over the eight expressions after outlier rejection; sums to one.

    ``None`` when nobody agreed on an expression, or when most votes say "unknown" or
    "not a face".
    """
    kept = without_single_votes(votes)
    total = sum(kept[:8])
    if total == 0 or sum(kept[8:]) > total:
        return None
    return tuple(vote / total for vote in kept[:8])
