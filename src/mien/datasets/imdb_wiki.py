"""IMDB-WIKI: half a million faces of celebrities with date of birth and year of the photo.

Rothe, Timofte, Van Gool, "Deep Expectation of Real and Apparent Age from a Single Image without
Facial Landmarks", IJCV 2018. For academic research only.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.datasets.files import FileTree
from mien.datasets.labels import person_key
from mien.datasets.records import DropCounter, Record, datasets, hashed_split
from mien.errors import ConfigError, InputError, MissingExtraError

UNIX_EPOCH = 719_529
"""Matlab's number of 1 January 1970."""

FIRST_DAY, LAST_DAY = 367, 3_000_000
"""Matlab's number of 1 January of the year 1, and one far in the future."""

REASONS = (
    "",
    "no valid date of birth",
    "no face found in the image",
    "face score too low",
    "second face in the image",
    "age out of range",
    "gender unknown",
)
GENDERS = {0.0: "female", 1.0: "male"}
FloatArray = npt.NDArray[np.float64]


class _ImdbWiki:
    """What both halves share.

    Args:
        path: Folder with the ``.mat`` file and the numbered image folders, or archives, see
            `FileTree`.
        min_face_score: Weakest detection that counts; the data set's own detector gave it.
        allow_second_face: Keep images in which that detector saw a second face.
        min_age: Youngest age in years that counts; lower ones come from wrong dates.
        max_age: Oldest age in years that counts.
        require_gender: Leave out faces whose gender is unknown.

    Raises:
        InputError: The ``.mat`` file is missing, damaged or lacks a field.
        MissingExtraError: SciPy is not installed.
        ConfigError: `min_age` is above `max_age`.
    """

    name = ""

    def __init__(
        self,
        path: Path,
        *,
        min_face_score: float = 1.0,
        allow_second_face: bool = False,
        min_age: int = 0,
        max_age: int = 100,
        require_gender: bool = True,
    ) -> None:
        if min_age > max_age:
            raise ConfigError(f"min_age must not be above max_age, got {min_age} and {max_age}")
        self._tree = FileTree(path, f"{self.name}_crop")
        self._mat = self._tree.find(f"{self.name}.mat")
        self._min_face_score = min_face_score
        self._allow_second_face = allow_second_face
        self._ages = min_age, max_age
        self._require_gender = require_gender
        self._drop = DropCounter()
        self.dropped = self._drop.counts

    def records(self) -> Iterator[Record]:
        """Yield every image that passes the filter and is there, in the order of the table."""
        self.dropped.clear()
        rows = _read(self._tree.read(self._mat), self.name, f"{self._tree.path}: {self._mat}")
        base = PurePosixPath(self._mat).parent
        age = rows.age()
        for index, reason in enumerate(self._reasons(rows, age)):
            if reason:
                self._drop.add(REASONS[reason])
                continue
            name = (base / rows.paths[index]).as_posix()
            if name not in self._tree:
                self._drop.add("row without an image")
                continue
            person = rows.people[index] or None
            yield Record(
                name=name,
                split=hashed_split(person or rows.paths[index]),
                age_years=float(age[index]),
                gender=GENDERS.get(rows.gender[index]),
                person=person,
            )

    def _reasons(self, rows: _Rows, age: FloatArray) -> list[int]:
        """Index into `REASONS` of the first thing that speaks against each row; 0 for none."""
        youngest, oldest = self._ages
        wrong = [
            np.isnan(age),
            ~np.isfinite(rows.face_score),
            rows.face_score < self._min_face_score,
            ~np.isnan(rows.second_face_score) & (not self._allow_second_face),
            (age < youngest) | (age > oldest),
            ~np.isin(rows.gender, (0, 1)) & self._require_gender,
        ]
        return [int(reason) for reason in np.select(wrong, range(1, len(REASONS)))]

    def read(self, name: str) -> bytes:
        """JPEG bytes of one image."""
        return self._tree.read(name)


@datasets.register("imdb")
class Imdb(_ImdbWiki):
    """IMDB-WIKI, IMDb part: ``imdb.mat`` beside numbered folders; age, gender; needs SciPy."""

    name = "imdb"


@datasets.register("wiki")
class Wiki(_ImdbWiki):
    """IMDB-WIKI, Wikipedia part: ``wiki.mat`` beside numbered folders; age, gender; needs SciPy."""

    name = "wiki"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns of the table.

    Attributes:
        paths: Of the images, relative to the table.
        people: Opaque keys, empty where nobody is named.
        born: Matlab day numbers of the dates of birth.
        taken: Years of the photos.
        gender: 0 female, 1 male, NaN unknown.
        face_score: Infinite where no face was found.
        second_face_score: NaN where there is no second face.
    """

    paths: list[str]
    people: list[str]
    born: FloatArray
    taken: FloatArray
    gender: FloatArray
    face_score: FloatArray
    second_face_score: FloatArray

    def age(self) -> FloatArray:
        """Whole years on the first of July of the photo's year; NaN without a valid date.

        As published, whoever was born in July or later has the birthday still to come.
        """
        valid = (self.born >= FIRST_DAY) & (self.born < LAST_DAY) & np.isfinite(self.taken)
        days = np.where(valid, self.born - UNIX_EPOCH, 0).astype(np.int64)
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        years = self.taken - 1970 - months // 12 - (months % 12 >= 6)
        return np.where(valid, years, np.nan)


def _read(data: bytes, table: str, where: str) -> _Rows:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise MissingExtraError(f"reading {table}.mat", "imdb-wiki") from error
    broken = (MatReadError, OSError, ValueError, TypeError, NotImplementedError, zlib.error)
    try:
        # Squeezed, texts are plain: half a million arrays of one text each would take a gigabyte.
        tables = loadmat(io.BytesIO(data), variable_names=[table], squeeze_me=True)
        struct = np.ravel(tables[table])[0]
    except KeyError:
        raise InputError(f"{where}: holds no table {table!r}") from None
    except (*broken, IndexError) as error:
        raise InputError(f"{where}: cannot be read as a Matlab file: {error}") from error
    paths = [_text(cell) for cell in _column(struct, "full_path", where)]
    rows = _Rows(
        paths,
        _people(struct, table, where),
        *(
            _numbers(struct, field, where)
            for field in ("dob", "photo_taken", "gender", "face_score", "second_face_score")
        ),
    )
    for field in ("people", "born", "taken", "gender", "face_score", "second_face_score"):
        if len(getattr(rows, field)) != len(paths):
            raise InputError(f"{where}: its columns are not of the same length")
    return rows


def _column(struct: Any, field: str, where: str) -> npt.NDArray[Any]:
    try:
        return np.ravel(struct[field])
    except (ValueError, IndexError, KeyError):
        raise InputError(f"{where}: field {field!r} is missing") from None


def _numbers(struct: Any, field: str, where: str) -> FloatArray:
    try:
        return _column(struct, field, where).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: field {field!r} holds no numbers: {error}") from error


def _people(struct: Any, table: str, where: str) -> list[str]:
    """IMDb numbers its people; Wikipedia names them, and a name is none of our business."""
    if table == "imdb":
        ids = _numbers(struct, "celeb_id", where)
        return ["" if np.isnan(number) else str(int(number)) for number in ids]
    names = (_text(cell) for cell in _column(struct, "name", where))
    return [person_key(name) if name else "" for name in names]


def _text(cell: Any) -> str:
    flat = np.ravel(cell)
    return str(flat[0]).strip() if flat.size else ""
