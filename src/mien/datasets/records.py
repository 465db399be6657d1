"""A labelled face, whatever data set it comes from. No torch, no pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mien.config import EMOTIONS, GENDERS
from mien.models import Registry

__all__ = ["EMOTIONS", "GENDERS", "SPLITS", "Dataset", "DropCounter", "Record", "datasets"]

SPLITS = ("train", "val", "test")


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
    """

    name: str
    split: str
    votes: tuple[int, ...] | None = None
    age_years: float | None = None
    age_range: tuple[int, int] | None = None
    gender: str | None = None
    group: str | None = None


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


datasets: Registry[Callable[[Path], Dataset]] = Registry("data set")
"""Readers by public name; each takes the path the user gave."""
