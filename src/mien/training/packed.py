"""Chips of one data set on disk: ``chips.npy``, ``records.csv`` and ``meta.json`` in a folder."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec
from mien.datasets import Record
from mien.datasets.files import csv_table
from mien.errors import InputError

COLUMNS = ("name", "split", "found", "votes", "age", "age_low", "age_high", "gender", "group")
LATER_COLUMNS = ("expression", "age_spread", "real_age", "person")
"""Columns that folders of the first version do not have."""
VERSION = 2


@dataclass(frozen=True, slots=True)
class Packed:
    """Aligned chips with their labels.

    Attributes:
        folder: Where they lie.
        chips: ``uint8``, shape ``(n, packed_size, packed_size, 1 or 3)``, mapped from disk.
        records: Labels, one a chip.
        found: Whether the detector found the face; chips of missed faces are empty.
        align: How the chips were cut.
        dataset: Name of the data set.
    """

    folder: Path
    chips: npt.NDArray[np.uint8]
    records: list[Record]
    found: npt.NDArray[np.bool_]
    align: AlignSpec
    dataset: str

    @classmethod
    def load(cls, folder: Path) -> Packed:
        """Map one packed folder.

        Raises:
            InputError: A file is missing, damaged or unfinished.
        """
        meta = read_meta(folder)
        if not meta.get("complete"):
            raise InputError(
                f"{folder}: not all images are packed. Run `mien prepare` again to finish it."
            )
        try:
            chips = np.load(folder / "chips.npy", mmap_mode="r")
            align = AlignSpec(**meta["align"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: the packed chips cannot be read: {error}") from error
        records, found = read_records(folder / "records.csv")
        if len(records) != len(chips):
            raise InputError(f"{folder}: {len(chips)} chips, but {len(records)} rows of labels")
        return cls(folder, chips, records, found, align, meta["dataset"])


def read_meta(folder: Path) -> dict[str, Any]:
    """Read ``meta.json``.

    Raises:
        InputError: The folder was not written by `mien prepare`.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: not a folder written by `mien prepare`: {error}") from error
    return meta


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Write ``meta.json`` so that it is either the old or the new one, never half."""
    part = folder / ".meta.json.part"
    part.write_text(json.dumps({"version": VERSION, **meta}, indent=1), "utf-8")
    part.replace(folder / "meta.json")


def write_records(path: Path, records: list[Record], found: npt.NDArray[np.bool_]) -> None:
    """Write the label table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS + LATER_COLUMNS)
        for record, seen in zip(records, found, strict=True):
            low, high = record.age_range or ("", "")
            writer.writerow(
                [
                    record.name,
                    record.split,
                    int(seen),
                    "" if record.votes is None else " ".join(map(str, record.votes)),
                    "" if record.age_years is None else record.age_years,
                    low,
                    high,
                    record.gender or "",
                    record.group or "",
                    record.expression or "",
                    "" if record.age_spread is None else record.age_spread,
                    "" if record.real_age is None else record.real_age,
                    record.person or "",
                ]
            )


def read_records(path: Path) -> tuple[list[Record], npt.NDArray[np.bool_]]:
    """Read what `write_records` wrote.

    Raises:
        InputError: The table is missing, lacks a column or has a wrong cell.
    """
    records, found = [], []
    for where, row in csv_table(path, COLUMNS):
        try:
            records.append(
                Record(
                    name=row["name"],
                    split=row["split"],
                    votes=tuple(map(int, row["votes"].split())) or None,
                    age_years=float(row["age"]) if row["age"] else None,
                    age_range=(int(row["age_low"]), int(row["age_high"]))
                    if row["age_low"]
                    else None,
                    gender=row["gender"] or None,
                    group=row["group"] or None,
                    expression=row.get("expression") or None,
                    age_spread=_number(row.get("age_spread")),
                    real_age=_number(row.get("real_age")),
                    person=row.get("person") or None,
                )
            )
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
        found.append(row["found"] == "1")
    return records, np.array(found, np.bool_)


def _number(cell: str | None) -> float | None:
    return float(cell) if cell else None
