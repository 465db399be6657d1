"""One line a person, in a file that is written when the clips have ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mien.config import EMOTIONS, GENDERS
from mien.errors import ConfigError, MissingExtraError
from mien.people import People, Person
from mien.results import Distribution, FrameResult
from mien.rows import Kind
from mien.sinks.base import FileSink
from mien.sinks.files import PartFile
from mien.sinks.tables import json_bytes

NOBODY = (
    "nobody was followed, so there is no person to sum up: people are counted in clips, "
    "not in single pictures"
)
ENDINGS = (".jsonl", ".json", ".csv", ".parquet")


class PeopleSink(FileSink):
    """Sums up every person of the clips and writes one row each when it is closed.

    The columns of ``.csv`` and ``.parquet`` are those of `person_columns`; ``.json`` and
    ``.jsonl`` hold `Person.to_dict`. Pictures without a person give a valid file without rows;
    `note` says so.

    Args:
        path: Where to write.
        balance: Add the column ``balance``, see `mien.people.balance`.

    Raises:
        ConfigError: The ending is unknown.
        MissingExtraError: The format needs a library that is not installed.
        OutputError: The file cannot be made.
    """

    def __init__(self, path: Path | str, *, balance: bool = False) -> None:
        super().__init__()
        path = Path(path)
        self._ending = path.suffix.lower()
        if self._ending not in ENDINGS:
            raise ConfigError(
                f"{path}: people cannot be written with the ending {path.suffix!r}. "
                f"Known: {', '.join(ENDINGS)}."
            )
        if self._ending == ".parquet" and find_spec("pyarrow") is None:
            raise MissingExtraError("the Parquet output", "parquet")
        self._balance = balance
        self._people = People()
        self._results = 0
        self._written: tuple[Person, ...] | None = None
        self._file = PartFile(path)

    @property
    def results(self) -> int:
        """How many frames were taken so far."""
        return self._results

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody; those of the file once it is closed."""
        if self._written is not None:
            return self._written
        return tuple(self._people.summary(with_balance=self._balance))

    @property
    def note(self) -> str | None:
        """One line for the user when faces were seen but nobody was followed."""
        return NOBODY if self._people.stills and not self.people else None

    def _append(self, result: FrameResult) -> None:
        self._people.add(result)
        self._results += 1

    def _finish(self) -> None:
        self._written = self.people
        try:
            data = people_bytes(self._written, self._ending, balance=self._balance)
            self._file.append(data)
        except BaseException:
            self._file.discard()
            raise
        self._file.commit()

    def _discard(self) -> None:
        self._file.discard()


def people_bytes(people: Sequence[Person], ending: str, *, balance: bool = False) -> bytes:
    """A whole file of people.

    Args:
        people: One row each.
        ending: One of `ENDINGS`.
        balance: Whether flat formats have the column ``balance``.
    """
    if ending in (".json", ".jsonl"):
        lines = [json_bytes(person.to_dict()) for person in people]
        if ending == ".jsonl":
            return b"".join(line + b"\n" for line in lines)
        return b"[" + b",".join(b"\n" + line for line in lines) + b"\n]\n"
    columns = person_columns(people, balance=balance, age_distribution=ending == ".parquet")
    rows = [person_row(person, columns) for person in people]
    return _csv(rows, columns) if ending == ".csv" else _parquet(rows, columns)


def person_columns(
    people: Iterable[Person], *, balance: bool = False, age_distribution: bool = False
) -> dict[str, Kind]:
    """What every column holds, by its name and in order.

    Args:
        people: Labels come in the order in which they have them; the usual ones without people.
        balance: With the column ``balance``.
        age_distribution: With the column ``age_distribution``, 101 numbers.
    """
    genders: dict[str, None] = {}
    emotions: dict[str, None] = {}
    for person in people:
        genders.update(dict.fromkeys(person.gender.labels if person.gender else ()))
        emotions.update(dict.fromkeys(person.emotion.labels if person.emotion else ()))
    columns: dict[str, Kind] = {"source": "text", "track_id": "integer"}
    columns |= {"first_s": "number", "last_s": "number", "screen_time_s": "number"}
    columns |= {"frames": "integer", "age_years": "number", "age_low": "number"}
    columns |= {"age_high": "number", "age_group": "text"}
    columns |= {"gender": "text", "gender_probability": "number"}
    columns |= {f"gender_{label}": "number" for label in genders or GENDERS}
    columns |= {"emotion": "text", "emotion_share": "number"}
    columns |= {f"emotion_{label}": "number" for label in emotions or EMOTIONS}
    columns |= {"balance": "number"} if balance else {}
    columns |= {"age_distribution": "numbers"} if age_distribution else {}
    return columns


def person_row(person: Person, columns: Iterable[str]) -> dict[str, Any]:
    """One person as a flat row; what is not known is ``None``."""
    values: dict[str, Any] = {name: getattr(person, name, None) for name in columns}
    values |= {"gender": None, "emotion": None}
    for head, measure in (("gender", "probability"), ("emotion", "share")):
        answer: Distribution | None = getattr(person, head)
        if answer is not None:
            values[head], values[f"{head}_{measure}"] = answer.best, answer.probability
            pairs = zip(answer.labels, answer.probabilities, strict=True)
            values |= {f"{head}_{label}": value for label, value in pairs}
    return values


def _csv(rows: Iterable[dict[str, Any]], columns: dict[str, Kind]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _parquet(rows: list[dict[str, Any]], columns: dict[str, Kind]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "numbers": pyarrow.list_(pyarrow.float32()),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    for row in rows:
        row["source"] = row["source"].encode("utf-8", "backslashreplace").decode()
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), sink)
    return bytes(sink.getvalue())
