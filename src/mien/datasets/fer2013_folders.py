"""FER2013 as class folders of JPEG files, the way it is mostly passed on.

This distribution merges the two test parts of FER2013, PublicTest and PrivateTest, into one folder
``test`` of 7,178 faces: its figures cannot be compared with those on PrivateTest alone. It has no
validation part either. As a test part must never choose a model, a share of ``train`` is taken out
for that, by a hash of the file's name, so that it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien.datasets.fer2013 import EXPRESSIONS
from mien.datasets.files import FileTree
from mien.datasets.records import (
    DropCounter,
    Record,
    check_validation,
    datasets,
    expression_name,
    is_held_out,
)
from mien.errors import InputError, did_you_mean

FOLDERS = ("train", "test")
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@datasets.register("fer2013-folders")
class Fer2013Folders:
    """Folders ``train`` and ``test`` with one folder a class: ``train/angry/…jpg``.

    ``test`` is PublicTest and PrivateTest together; see the module's text.

    Args:
        path: Folder or archives, see `FileTree`.
        validation: Share of ``train`` that becomes ``val``, from 0 to below 1.

    Raises:
        InputError: A class or a split has no picture, or a class is unknown.
        ConfigError: `validation` is no such share.
    """

    name = "fer2013-folders"

    def __init__(self, path: Path, validation: float = 0.1) -> None:
        check_validation(validation)
        self._tree = FileTree(path, "fer2013")
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        self._validation = validation
        self._check_folders()

    def records(self) -> Iterator[Record]:
        """Yield every picture in a class folder."""
        self.dropped.clear()
        for name in self._tree.images():
            folder, class_name = _folders_of(name)
            if folder not in FOLDERS:
                self._drop.add("picture outside the class folders")
                continue
            yield Record(
                name=name,
                split="val" if folder == "train" and self._is_held_out(name) else folder,
                expression=expression_name(class_name),
            )

    def read(self, name: str) -> bytes:
        """Encoded bytes of one face."""
        return self._tree.read(name)

    def _is_held_out(self, name: str) -> bool:
        # Folders above the split are left out, so that every copy is cut the same way.
        key = "/".join(PurePosixPath(name).parts[-3:])
        return is_held_out(key, self._validation)

    def _check_folders(self) -> None:
        found: dict[str, set[str]] = {folder: set() for folder in FOLDERS}
        for name in self._tree.images():
            folder, class_name = _folders_of(name)
            if folder not in FOLDERS:
                continue
            expression = expression_name(class_name)
            if expression not in EXPRESSIONS:
                raise InputError(
                    f"{self._tree.path}: {folder}/{class_name} is no class of FER2013."
                    f"{did_you_mean(class_name, CLASSES)} Known: {', '.join(CLASSES)}."
                )
            found[folder].add(expression)
        for folder in FOLDERS:
            if not found[folder]:
                raise InputError(f"{self._tree.path}: folder {folder} is missing or has no picture")
            for class_name in CLASSES:
                if expression_name(class_name) not in found[folder]:
                    raise InputError(
                        f"{self._tree.path}: folder {folder}/{class_name} is missing "
                        "or has no picture"
                    )


def _folders_of(name: str) -> tuple[str, str]:
    """Names of the split's and the class's folder; empty where a picture lies higher."""
    parts = ("", "", *PurePosixPath(name).parts)
    return parts[-3].lower(), parts[-2]
