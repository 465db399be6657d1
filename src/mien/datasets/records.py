"""A labelled face, whatever data set it comes from. No torch, no pixels."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mien.config import EMOTIONS, GENDERS
from mien.errors import ConfigError, did_you_mean
from mien.models import Registry

__all__ = [
    "EMOTIONS",
    "EXPRESSION_NAMES",
    "GENDERS",
    "SPLITS",
    "Dataset",
    "DropCounter",
    "Record",
    "check_validation",
    "datasets",
    "expression_name",
    "hashed_split",
    "is_held_out",
    "open_dataset",
]

SPLITS = ("train", "val", "test")

EXPRESSION_NAMES = {
    "neutrality": "neutral",
    "calm": "neutral",
    "happy": "happiness",
    "joy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "contemptuous": "contempt",
}
"""Other names of the eight `EMOTIONS` in data sets and class folders."""


def expression_name(text: str) -> str:
    """Our name of an expression; a class that is none of ours keeps its name, in small letters."""
    name = text.strip().lower()
    return EXPRESSION_NAMES.get(name, name)


def hashed_split(key: str) -> str:
    """80 % train, 10 % val, 10 % test by a hash of `key`: the same on every machine.

    Args:
        key: The person where the data set says who it is, else the file name.
    """
    tenth = zlib.crc32(key.encode()) % 10
    return "train" if tenth < 8 else ("val" if tenth == 8 else "test")


def check_validation(share: float) -> None:
    """Refuse a share of the training part that cannot be held out for validation.

    Raises:
        ConfigError: It is not a number from 0 to below 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise ConfigError(f"validation is a share such as 0.1, got {share!r}")
    if not 0 <= share < 1:
        raise ConfigError(f"validation must be at least 0 and below 1, got {share}")


def is_held_out(key: str, share: float) -> bool:
    """Whether a hash of `key` falls into the share that becomes the validation part."""
    return zlib.crc32(key.encode()) < share * 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a data set says about one image.

    Attributes:
        name: Unique within the data set; `Dataset.read` takes it.
        split: ``"train"``, ``"val"`` or ``"test"``.
        votes: FER+ votes for the eight `EMOTIONS`, then "unknown" and "not a face".
        age_years: Age in years.
        age_range: Lowest and highest age of the bin, both included.
        gender: One of `GENDERS`.
        group: Race as the data set labels it, for reports by group only.
        expression: The one class the data set names: one of `EMOTIONS`, or a user's own class.
        age_spread: Standard deviation of the votes behind `age_years`, in years.
        real_age: Age in the passport, where `age_years` is the apparent one.
        person: Who it is, as an opaque key, so that nobody is in two splits.
    """

    name: str
    split: str
    votes: tuple[int, ...] | None = None
    age_years: float | None = None
    age_range: tuple[int, int] | None = None
    gender: str | None = None
    group: str | None = None
    expression: str | None = None
    age_spread: float | None = None
    real_age: float | None = None
    person: str | None = None


class Dataset(Protocol):
    """A folder, archive or table of labelled faces.

    Attributes:
        name: Public name.
        dropped: Why images were left out and how many, filled while `records` runs.
    """

    name: str
    dropped: dict[str, int]

    def records(self) -> Iterator[Record]:
        """Yield every usable record in a fixed order."""
        ...

    def read(self, name: str) -> bytes:
        """Return the encoded image of one record."""
        ...


@dataclass(slots=True)
class DropCounter:
    """Counts what a reader leaves out, by reason."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, count: int = 1) -> None:
        """Count one more, or several; none at all leaves no trace."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count


datasets: Registry[Callable[..., Dataset]] = Registry("data set")
"""Readers by public name; each takes the path the user gave, and options by keyword."""


def open_dataset(name: str, path: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """Build a reader.

    Args:
        name: Key of `datasets`.
        path: What the user gave.
        options: Keyword arguments of the reader, from a recipe's ``[data.options]`` table.

    Raises:
        UnknownModelError: No data set has this name.
        ConfigError: The reader has no such option, or its value is of another kind.
        InputError: The path is not such a data set.
    """
    reader = datasets[name]
    parameters = dict(inspect.signature(reader).parameters)
    known = [key for key in parameters if key != "path"]
    for key, value in (options or {}).items():
        if key not in known:
            hint = f"Known: {', '.join(known)}." if known else "It has none."
            raise ConfigError(
                f"data set {name!r} has no option {key!r}.{did_you_mean(key, known)} {hint}"
            )
        _check_kind(f"data set {name!r}: option {key!r}", value, parameters[key].default)
    return reader(path, **(options or {}))


def _check_kind(option: str, value: object, default: object) -> None:
    """Compare a value from a recipe with the kind of the option's default."""
    kinds: tuple[tuple[type, str, bool], ...] = (
        (bool, "true or false", isinstance(value, bool)),
        (int, "a whole number", isinstance(value, int) and not isinstance(value, bool)),
        (float, "a number", isinstance(value, int | float) and not isinstance(value, bool)),
        (str, "text", isinstance(value, str)),
        (
            Mapping,
            "a table of text",
            isinstance(value, Mapping)
            and all(isinstance(part, str) for pair in value.items() for part in pair),
        ),
    )
    for kind, wanted, fits in kinds:
        if isinstance(default, kind):
            if not fits:
                raise ConfigError(f"{option} must be {wanted}, got {value!r}")
            return
