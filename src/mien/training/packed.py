"""Chips of one data set on disk: ``chips.npy``, ``records.csv`` and ``meta.json`` in a folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.align import AlignSpec
from mien.datasets import Record
from mien.datasets.files import csv_table
from mien.errors import InputError
from mien.sinks.files import write_whole

COLUMNS = ("name", "split", "found", "votes", "age", "age_low", "age_high", "gender", "group")
LATER_COLUMNS = ("expression", "age_spread", "real_age", "person", "left_out")
"""Columns that folders of the first version do not have."""
VERSION = 2


@dataclass(frozen=True, slots=True)
class Packed:
    """Aligned chips with their labels.

    Attributes:
        folder: Where they lie.
        chips: ``uint8``, shape ``(n, packed_size, packed_size, 1 or 3)``, mapped from disk.
        records: Labels, one a chip.
        found: Whether training may use the face; the chip is empty where none was found, and whole
            where it was left out as a copy. Column ``left_out`` of ``records.csv`` has the reason.
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
    """Write ``meta.json`` so that it is either the old or the new one, never half.

    Raises:
        OutputError: It cannot be written.
    """
    text = json.dumps({"version": VERSION, **meta}, indent=1)
    write_whole(folder / "meta.json", text.encode())


def write_records(
    path: Path,
    records: Sequence[Record],
    found: npt.NDArray[np.bool_],
    left_out: Sequence[str] | None = None,
) -> None:
    """Write the label table.

    Args:
        path: The CSV file.
        records: Labels.
        found: Which of them training may use.
        left_out: Why a record is not used, one a record, empty for those that are.

    Raises:
        OutputError: It cannot be written.
    """
    reasons = left_out if left_out is not None else [""] * len(records)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS + LATER_COLUMNS)
    for record, seen, reason in zip(records, found, reasons, strict=True):
        writer.writerow([*_cells(record, seen), reason])
    write_whole(path, text.getvalue().encode())


def _cells(record: Record, found: bool | np.bool_) -> list[object]:
    """One row of the table, without its last column."""

    def cell(value: object) -> object:
        return "" if value is None else value

    low, high = record.age_range or ("", "")
    return [
        record.name,
        record.split,
        int(found),
        "" if record.votes is None else " ".join(map(str, record.votes)),
        cell(record.age_years),
        low,
        high,
        cell(record.gender),
        cell(record.group),
        cell(record.expression),
        cell(record.age_spread),
        cell(record.real_age),
        cell(record.person),
    ]


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
