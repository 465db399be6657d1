"""Read the tables of `mien analyze` back, a few ten thousand rows at a time.

Whatever the format, a table becomes record batches with the columns of `mien.rows` that the
report needs; a column that the table has not is empty.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from mien.errors import InputError, MissingExtraError, UnreadableMediaError
from mien.rows import SMOOTHED

BATCH_ROWS = 1 << 14
CSV_BLOCK_BYTES = 1 << 24
JSON_LINES = 4096
"""Results that wait in memory: their age distributions are Python numbers, which are large."""

TEXTS = ("source", "error", "age_group", f"{SMOOTHED}age_group")
NEEDED = ("source", "index", "time_s", "error", "face", "left", "top", "right", "bottom")
USED = (
    *NEEDED,
    *("width", "height", "score", "track_id"),
    *("quality_size_px", "quality_sharpness", "quality_yaw_deg", "quality_pitch_deg"),
    *(f"{head}{name}" for head in ("", SMOOTHED) for name in ("age_years", "age_low", "age_high")),
    *("age_group", f"{SMOOTHED}age_group"),
)
DISTRIBUTIONS = ("age_distribution", f"{SMOOTHED}age_distribution")
ENDINGS = (".parquet", ".csv", ".jsonl", ".json")
SUMMARIES = {"probability"}
"""What follows a head in the name of a column and is no label."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the answers of a table choose from, in the order of its columns."""

    emotions: tuple[str, ...] = ()
    genders: tuple[str, ...] = ()
    age_groups: tuple[str, ...] = ()

    @classmethod
    def from_columns(cls, names: Iterable[str]) -> Labels:
        """Find the labels in the names of the columns."""
        names = [name.removeprefix(SMOOTHED) for name in names]

        def labels(head: str) -> tuple[str, ...]:
            found = (name.removeprefix(head) for name in names if name.startswith(head))
            return tuple(dict.fromkeys(label for label in found if label not in SUMMARIES))

        return cls(labels("emotion_"), labels("gender_"), labels("age_group_"))

    @property
    def columns(self) -> list[str]:
        """Columns with the probabilities of expression and gender, raw and smoothed."""
        heads = {"emotion_": self.emotions, "gender_": self.genders}
        return [
            f"{smoothed}{head}{label}"
            for smoothed in ("", SMOOTHED)
            for head, labels in heads.items()
            for label in labels
        ]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns are known and whose rows are still in the file."""

    path: Path
    labels: Labels
    columns: frozenset[str]

    def batches(self) -> Iterator[Any]:
        """The rows in order as pyarrow record batches.

        Raises:
            UnreadableMediaError: The file is damaged.
        """
        import pyarrow

        wanted = [name for name in (*USED, *self.labels.columns) if name in self.columns]
        # The largest column by far, so only one of the two.
        wanted += [name for name in DISTRIBUTIONS if name in self.columns][-1:]
        read = {".parquet": _parquet, ".csv": _csv}.get(self.path.suffix.lower(), _json)
        try:
            yield from read(self.path, wanted)
        except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
            raise _damaged(self.path, error) from error


def open_table(path: Path) -> Table:
    """Look into a table: is it one of ours, and which labels has it?

    Raises:
        InputError: It is not there, has another format, or lacks columns.
        UnreadableMediaError: It is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError("the report", "report")
    import pyarrow

    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(
            f"{path}: a table for the report ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}. "
            "Write one with `mien analyze CLIP --out people.parquet`."
        )
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        if ending == ".parquet":
            from pyarrow.parquet import read_schema

            names = read_schema(path).names
        elif ending == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                names = next(csv.reader(file), [])
        else:
            names = _json_columns(path)
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        raise _damaged(path, error) from error
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise InputError(
            f"{path}: has no column {lacking[0]!r}. The report reads the table with one row a "
            "face that `mien analyze CLIP --out` writes, not the one with a row a person."
        )
    return Table(path, Labels.from_columns(names), frozenset(names))


def _damaged(path: Path, error: Exception) -> UnreadableMediaError:
    lines = str(error).splitlines() or [type(error).__name__]
    return UnreadableMediaError(f"{path}: cannot be read as a table: {lines[0]}")


def _parquet(path: Path, wanted: list[str]) -> Iterator[Any]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS, columns=wanted)


def _csv(path: Path, wanted: list[str]) -> Iterator[Any]:
    from pyarrow import csv as arrow

    wanted = [name for name in wanted if name not in DISTRIBUTIONS]
    reading = arrow.open_csv(
        path,
        read_options=arrow.ReadOptions(block_size=CSV_BLOCK_BYTES),
        # The name of a clip may hold a line end.
        parse_options=arrow.ParseOptions(newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            include_columns=wanted,
            column_types={name: field.type for name, field in _fields(wanted).items()},
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    with reading:
        yield from reading


def _json(path: Path, wanted: list[str]) -> Iterator[Any]:
    import pyarrow

    schema = pyarrow.schema(list(_fields(wanted).values()))
    known = set(wanted)
    with path.open(encoding="utf-8") as file:
        items = _json_items(path, file)
        while chunk := list(islice(items, JSON_LINES)):
            rows = [row for item in chunk for row in _flat(item)]
            yield pyarrow.RecordBatch.from_pylist(
                [{name: row.get(name) for name in known} for row in rows], schema
            )


def _fields(names: Iterable[str]) -> dict[str, Any]:
    """Types of the columns; whole numbers may be missing, so they are floating, too."""
    import pyarrow

    kinds = dict.fromkeys(TEXTS, pyarrow.string())
    kinds |= dict.fromkeys(DISTRIBUTIONS, pyarrow.list_(pyarrow.float32()))
    return {name: pyarrow.field(name, kinds.get(name, pyarrow.float64())) for name in names}


def _json_columns(path: Path) -> list[str]:
    """Columns that the first results with all answers give, or else those of all results."""
    names = dict.fromkeys(USED)
    with path.open(encoding="utf-8") as file:
        for row in (row for item in _json_items(path, file) for row in _flat(item)):
            names |= dict.fromkeys(row)
            if "emotion" in names and "gender" in names and "age_distribution" in names:
                break
    smoothed = dict.fromkeys(DISTRIBUTIONS)
    for name in names:
        if name.startswith(("emotion_", "gender_")):
            smoothed[f"{SMOOTHED}{name}"] = None
    return list(names | smoothed)


def _json_items(path: Path, file: TextIO) -> Iterator[dict[str, Any]]:
    """Results of a ``.jsonl``, or of a ``.json`` as we write it: one a line, too."""
    line, number = "", 0
    for number, line in enumerate(file, 1):
        text = line.strip().removesuffix(",")
        if text in ("", "[", "]"):
            continue
        try:
            item = json.loads(text)
            item["source"], item["time_s"], item["faces"]
        except (ValueError, KeyError, TypeError) as error:
            if not line.endswith("\n"):  # the run was killed in the middle of its last line
                return
            raise InputError(
                f"{path}: line {number} is not a result of `mien analyze`. The report reads the "
                "table that `--out` writes."
            ) from error
        yield item


def _flat(item: dict[str, Any]) -> list[dict[str, Any]]:
    """One result as flat rows, with only what it has."""
    frame = {name: item.get(name) for name in ("source", "index", "time_s", "width", "height")}
    frame["error"] = item.get("error")
    rows = []
    for number, face in enumerate(item["faces"]):
        row = frame | {"face": number} | (face.get("box") or {})
        row |= {"score": face.get("score"), "track_id": face.get("track_id")}
        quality = face.get("quality") or {}
        row |= {f"quality_{name}": value for name, value in quality.items()}
        row |= _flat_answers("", face) | _flat_answers(SMOOTHED, face.get("smoothed") or {})
        rows.append(row)
    return rows or [frame]


def _flat_answers(start: str, answers: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if (age := answers.get("age")) is not None:
        row |= {f"{start}age_{name}": age.get(name) for name in ("years", "low", "high", "group")}
        row |= {f"{start}age_group_{label}": value for label, value in age["groups"].items()}
        row[f"{start}age_distribution"] = age.get("distribution")
    for head in ("gender", "emotion"):
        if (answer := answers.get(head)) is not None:
            row[f"{start}{head}"] = answer["label"]
            pairs = answer["probabilities"].items()
            row |= {f"{start}{head}_{label}": value for label, value in pairs}
    return row
