"""FER+: FER2013 faces, 48x48 grey, with ten votes each.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution", ICMI 2016. What the votes mean is in `ferplus_votes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from mien.config import EMOTIONS
from mien.datasets.fer2013 import split_of_usage
from mien.datasets.files import FileTree, csv_rows, csv_table
from mien.datasets.pixel_csv import FILE_NAMES, PixelCsv, find_pixel_csv
from mien.datasets.records import DropCounter, Record, datasets
from mien.errors import InputError

FOLDERS = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
COLUMNS = 10
LABEL_FILE = "fer2013new.csv"
VOTE_COLUMNS = (*EMOTIONS, "unknown", "NF")


@datasets.register("ferplus")
class FerPlus:
    """FER+ as folders of pictures, or as the two files it is made from.

    Either the folders ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` with a ``label.csv``
    each, or, where no ``label.csv`` is, ``fer2013.csv`` and ``fer2013new.csv`` in one folder, which
    belong together row by row. The two files have a few faces more: FER+ gave eight rows four
    names, and of two pictures with one name a folder holds the last.

    Args:
        path: Folder or archives, see `FileTree`.

    Raises:
        InputError: A folder's ``label.csv`` is missing or has a wrong row, or one of the two files
            is missing, or they do not belong together.
    """

    name = "ferplus"

    def __init__(self, path: Path) -> None:
        tree = FileTree(path, "ferplus")
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        has_labels = any(PurePosixPath(n).name == "label.csv" for n in tree.names("label.csv"))
        pair = None if has_labels else _find_pair(path)
        self._source: _Pair | _Folders
        self._source = _Pair(*pair, self._drop) if pair else _Folders(tree, self._drop)

    def records(self) -> Iterator[Record]:
        """Yield every face that has a row of votes and a picture."""
        self.dropped.clear()
        yield from self._source.records()

    def read(self, name: str) -> bytes:
        """PNG bytes of one face."""
        return self._source.read(name)


class _Folders:
    """Pictures in folders, with a ``label.csv`` each."""

    def __init__(self, tree: FileTree, drop: DropCounter) -> None:
        self._tree = tree
        self._drop = drop
        self.read = tree.read

    def records(self) -> Iterator[Record]:
        images = set(self._tree.names(".png"))
        labelled = set()
        label_files = {
            PurePosixPath(name).parent.name: name for name in self._tree.names("label.csv")
        }
        for folder, split in FOLDERS.items():
            if folder not in label_files:
                raise InputError(f"{self._tree.path}: {folder}/label.csv is missing")
            for name, votes in self._votes_by_name(label_files[folder]).items():
                if name not in images:
                    self._drop.add("row without an image")
                    continue
                labelled.add(name)
                yield Record(name=name, split=split, votes=votes)
        self._drop.add("image without a row", len(images - labelled))

    def _votes_by_name(self, label_file: str) -> dict[str, tuple[int, ...]]:
        """Votes of each picture; the last row of a name wins, as its picture was written last."""
        base = PurePosixPath(label_file).parent
        found: dict[str, tuple[int, ...]] = {}
        for where, row in csv_rows(self._tree.read(label_file), label_file):
            if not row:  # an empty line, usually the last one
                continue
            name = (base / row[0]).as_posix()
            self._drop.add("row of a name that comes again", name in found)
            found[name] = _votes(row[2:], where)
        return found


class _Pair:
    """``fer2013.csv`` with the pictures, ``fer2013new.csv`` with the votes, row by row."""

    def __init__(self, pixels: Path, labels: Path, drop: DropCounter) -> None:
        self._table = PixelCsv(pixels, ("Usage",))
        self._labels = labels
        self._drop = drop
        self.read = self._table.read

    def records(self) -> Iterator[Record]:
        labels = list(csv_table(self._labels, ("Usage", "Image name", *VOTE_COLUMNS)))
        if len(labels) != self._table.count():
            raise InputError(
                f"{self._labels} has {len(labels)} rows and {self._table.path} has "
                f"{self._table.count()}: they belong together row by row, so take both unchanged"
            )
        for pixels, (where, row) in zip(self._table.rows(), labels, strict=True):
            split = split_of_usage(row["Usage"], where)
            if split_of_usage(pixels.cells["Usage"], pixels.where) != split:
                raise InputError(
                    f"{where}: Usage is not the one of {pixels.where}: the rows are out of order"
                )
            if not row["Image name"].strip():
                self._drop.add("not a face")
                continue
            votes = _votes([row[column] for column in VOTE_COLUMNS], where)
            yield Record(name=pixels.name, split=split, votes=votes)


def _find_pair(path: Path) -> tuple[Path, Path] | None:
    """Files with the pixels and with the votes; ``None`` where neither is."""
    if not path.is_dir():
        return None
    pixels = find_pixel_csv(path)
    folders = (path, path / "ferplus", path / "fer2013")
    labels = next((f / LABEL_FILE for f in folders if (f / LABEL_FILE).is_file()), None)
    if pixels and labels:
        return pixels, labels
    if pixels or labels:
        missing = LABEL_FILE if pixels else FILE_NAMES[0]
        raise InputError(f"{path}: holds {pixels or labels} but no {missing} and no label.csv")
    return None


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
