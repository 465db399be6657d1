"""A user's own faces, sorted into class folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mien.datasets.files import FileTree
from mien.datasets.labels import (
    NOTHING,
    SPLIT_NAMES,
    OnePlace,
    age_label,
    check_choice,
    gender_name,
    person_key,
)
from mien.datasets.records import (
    DropCounter,
    Record,
    check_validation,
    datasets,
    expression_name,
    hashed_split,
    is_held_out,
)
from mien.errors import ConfigError, InputError, did_you_mean

KINDS = ("emotion", "gender", "age")


class Answer(TypedDict, total=False):
    """The label of one class, as fields of a `Record`."""

    expression: str
    gender: str
    age_years: float
    age_range: tuple[int, int]


@datasets.register("folder")
class Folder:
    """Your own images in class folders: ``train/happy/*.jpg``, or ``happy/*.jpg`` without splits.

    Top folders called train, val, valid, validation, dev or test are splits; without them a hash
    gives 80 % train, 10 % val, 10 % test. Folders inside a class folder do not matter. Without a
    folder for val, a share of train is taken for it, because a test part must never choose a model.

    Args:
        path: Folder or one zip archive.
        classes: What the class folders say: ``"emotion"``, ``"gender"`` or ``"age"`` (folders such
            as ``25``, ``20-29`` or ``60+``).
        rename: Class folder to label, e.g. ``{"smile": "happiness"}``; an empty label leaves the
            class out.
        person: Regular expression whose first group, found in the file name, says who it is;
            empty when nobody knows. All images of a person then are in one split.
        validation: Share of the folder ``train`` that becomes val where val has no folder, from 0
            to below 1.

    Raises:
        InputError: There are no images, an image lies outside the class folders, a folder names no
            such class, a file name has no person, or a person is in two split folders.
        ConfigError: An option is not usable.
    """

    name = "folder"

    def __init__(
        self,
        path: Path,
        *,
        classes: str = "emotion",
        rename: Mapping[str, str] = NOTHING,
        person: str = "",
        validation: float = 0.1,
    ) -> None:
        check_choice("classes", classes, KINDS)
        check_validation(validation)
        self._pattern = _pattern(person)
        self._tree = FileTree(path, "")
        self._images = _layout(self._tree)
        has_val = any(image.split == "val" for image in self._images)
        self._held_out = 0.0 if has_val else validation
        self._drop = DropCounter()
        self.dropped = self._drop.counts
        folders = sorted({image.folder for image in self._images})
        for folder in rename:
            if folder not in folders:
                raise ConfigError(
                    f"rename: {path} has no class folder {folder!r}."
                    f"{did_you_mean(folder, folders)} Known: {', '.join(folders)}."
                )
        self._answers = {
            folder: _answer(classes, rename.get(folder, folder), f"{path}: class folder {folder!r}")
            for folder in folders
        }

    def records(self) -> Iterator[Record]:
        """Yield every image of the classes that are not left out."""
        self.dropped.clear()
        people = OnePlace()
        for image in self._images:
            answer = self._answers[image.folder]
            if not answer:
                self._drop.add(f"class {image.folder!r} left out")
                continue
            person = self._person(image.name)
            split = self._split(image, person or image.key)
            if person is not None:
                people.check(person, split, image.name)
            yield Record(name=image.name, split=split, person=person, **answer)

    def _split(self, image: _Image, key: str) -> str:
        if image.split == "train" and is_held_out(key, self._held_out):
            return "val"
        return image.split or hashed_split(key)

    def _person(self, name: str) -> str | None:
        if self._pattern is None:
            return None
        match = self._pattern.search(name.rpartition("/")[2])
        if match is None or not match[1]:
            raise InputError(
                f"{self._tree.path}: {name}: the pattern {self._pattern.pattern!r} finds no person "
                "in this file name"
            )
        return person_key(match[1])

    def read(self, name: str) -> bytes:
        """Encoded bytes of one image."""
        return self._tree.read(name)


@dataclass(frozen=True, slots=True)
class _Image:
    """One file.

    Attributes:
        name: As the tree calls it.
        split: Ours, empty when no folder says it.
        folder: The class folder.
        key: Class folder and what follows; the same wherever the tree lies.
    """

    name: str
    split: str
    folder: str
    key: str


def _layout(tree: FileTree) -> list[_Image]:
    """Split and class folder of every image."""
    paths = {name: [part for part in name.split("/") if part != "."] for name in tree.images()}
    if not paths:
        raise InputError(f"{tree.path}: holds no images")
    while _wrapped(list(paths.values())):
        paths = {name: parts[1:] for name, parts in paths.items()}
    tops = sorted({parts[0] for parts in paths.values() if len(parts) > 1})
    splits = [top for top in tops if top.lower() in SPLIT_NAMES]
    if splits and len(splits) < len(tops):
        odd = next(top for top in tops if top not in splits)
        raise InputError(
            f"{tree.path}: folder {odd!r} lies beside {splits[0]!r}: expected either split folders "
            "or class folders"
        )
    if splits and not any(SPLIT_NAMES[top.lower()] == "train" for top in splits):
        raise InputError(f"{tree.path}: has the folder {splits[0]!r} but no 'train'")
    depth = 1 if splits else 0
    images = []
    for name, parts in paths.items():
        if len(parts) < depth + 2:
            raise InputError(f"{tree.path}: {name} lies outside the class folders")
        split = SPLIT_NAMES[parts[0].lower()] if splits else ""
        images.append(_Image(name, split, parts[depth], "/".join(parts[depth:])))
    if not splits and len(tops) == 1:
        raise InputError(
            f"{tree.path}: has one class folder only, {tops[0]!r}; expected at least two, or "
            "split folders around them"
        )
    return images


def _wrapped(paths: list[list[str]]) -> bool:
    """Whether one folder, that is no split, is around all others, as archives often have it."""
    tops = {parts[0] for parts in paths}
    return (
        len(tops) == 1
        and min(map(len, paths)) > 2
        and not any(top.lower() in SPLIT_NAMES for top in tops)
    )


def _answer(classes: str, label: str, where: str) -> Answer:
    """What a class folder says; empty when it is left out."""
    if not label:
        return {}
    if classes == "gender":
        return {"gender": gender_name(label, where)}
    if classes == "emotion":
        return {"expression": expression_name(label)}
    age = age_label(label, where)
    return {"age_range": age} if isinstance(age, tuple) else {"age_years": age}


def _pattern(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ConfigError(f"person: {text!r} is no regular expression: {error}") from error
    if pattern.groups < 1:
        raise ConfigError(f"person: {text!r} needs a group in brackets, such as '^(.+?)_'")
    return pattern
