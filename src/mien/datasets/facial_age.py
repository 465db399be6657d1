"""Facial Age: about 9,800 cropped faces, sorted into one folder for every age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien.datasets.files import FileTree
from mien.datasets.labels import age_label
from mien.datasets.records import Record, datasets, hashed_split
from mien.errors import InputError


@datasets.register("facial-age")
class FacialAge:
    """Folders ``001`` to ``110``, named after the age in years of the faces in them.

    The data set names no splits and no people: a hash of folder and file name gives 80 % train,
    10 % val, 10 % test. Ages above 100 are kept as they are.

    Args:
        path: Folder or archives, see `FileTree`.

    Raises:
        InputError: There are no images, or a folder with images is not named after an age.
    """

    name = "facial-age"

    def __init__(self, path: Path) -> None:
        self._tree = FileTree(path, "facial-age")
        self.dropped: dict[str, int] = {}
        if not self._tree.images():
            raise InputError(f"{path}: holds no images")

    def records(self) -> Iterator[Record]:
        """Yield every image."""
        for name in self._tree.images():
            file = PurePosixPath(name)
            age = age_label(file.parent.name, f"{self._tree.path}: folder {file.parent}")
            if isinstance(age, tuple):
                raise InputError(
                    f"{self._tree.path}: folder {file.parent}: expected one age, got a range; "
                    "read such folders as the data set 'folder'"
                )
            # Not the whole path: archives add folders above.
            key = f"{file.parent.name}/{file.name}"
            yield Record(name=name, split=hashed_split(key), age_years=age)

    def read(self, name: str) -> bytes:
        """Encoded bytes of one face."""
        return self._tree.read(name)
