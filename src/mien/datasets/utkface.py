"""UTKFace: ``<age>_<gender>_<race>_<date>`` in the file name.

Zhang, Song, Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", CVPR 2017.
Images are for non-commercial research.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien.datasets.files import FileTree
from mien.datasets.records import DropCounter, Record, datasets, hashed_split
from mien.datasets.utkface_splits import read_split, split_key

NAME = re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_\d+", re.ASCII)
GENDER = ("male", "female")
RACE = ("White", "Black", "Asian", "Indian", "Others")
ENDINGS = (".webp", ".jpg", ".jpeg", ".png")


@datasets.register("utkface")
class UtkFace:
    """Aligned and cropped faces with age, gender and race in their names.

    The split comes from the published files beside the images, see `utkface_splits`; without them,
    a hash of the name gives 80 % train, 10 % val, 10 % test.

    Args:
        path: Folder or archives, see `FileTree`.

    Raises:
        InputError: The path is missing or empty, or a split file is missing or wrong.
    """

    name = "utkface"

    def __init__(self, path: Path) -> None:
        self._tree = FileTree(path, "utkface")
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        self._split = read_split(path if path.is_dir() else path.parent)

    def records(self) -> Iterator[Record]:
        """Yield every image whose name says age, gender and race."""
        self.dropped.clear()
        for name in self._tree.names(ENDINGS):
            match = NAME.match(PurePosixPath(name).name)
            if match is None:
                self._drop.add("name without age, gender and race")
                continue
            age = int(match["age"])
            if age > 116:
                self._drop.add("age above 116")
                continue
            split = self._split_of(PurePosixPath(name).name)
            if split is None:
                self._drop.add("not in the split file")
                continue
            yield Record(
                name=name,
                split=split,
                age_years=float(age),
                gender=GENDER[int(match["gender"])],
                group=RACE[int(match["race"])],
            )

    def _split_of(self, file_name: str) -> str | None:
        if self._split is not None:
            return self._split.get(split_key(file_name))
        return hashed_split(file_name)

    def read(self, name: str) -> bytes:
        """Encoded bytes of one face."""
        return self._tree.read(name)
