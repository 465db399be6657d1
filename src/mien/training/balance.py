"""Draw the faces of rare groups more often: which faces make up one round of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mien.config import MAX_AGE
from mien.datasets import EMOTIONS, Record
from mien.errors import ConfigError
from mien.training.tables import DataTable

LIMIT = 8.0
"""No face is drawn more often than this in a round: it would be learnt by heart."""

ONE = 1 << 32
GOLDEN = 2_654_435_769
"""`ONE` by the golden ratio: the step whose multiples fill a circle most evenly."""

Numbers = npt.NDArray[np.float64]


def decade(record: Record) -> str | None:
    """Decade of the age, or where its range begins; the first one is split at 3, as FairFace does.

    A child changes more in three years than a grown-up in ten.
    """
    if record.age_years is not None:
        age = round(record.age_years)
    elif record.age_range is not None:
        age = record.age_range[0]
    else:
        return None
    if age < 10:
        return "0-2" if age < 3 else "3-9"
    return f"{min(age, MAX_AGE) // 10}0s"


def expression(record: Record) -> str | None:
    """The labelled class, or the one with most votes."""
    if record.votes is not None and any(record.votes[: len(EMOTIONS)]):
        return EMOTIONS[int(np.argmax(record.votes[: len(EMOTIONS)]))]
    return record.expression


LABELS: Mapping[str, Callable[[Record], str | None]] = MappingProxyType(
    {
        "age": decade,
        "gender": lambda record: record.gender,
        "race": lambda record: record.group,
        "expression": expression,
    }
)
"""What a face may be grouped by, by the names in ``balance_by``."""


def groups_of(records: Sequence[Record], table: DataTable) -> list[tuple[str | None, ...]]:
    """The group of every face: its labels crossed; a missing one is a label of its own.

    Raises:
        ConfigError: No face has one of the labels.
    """
    columns = {name: [of(record) for record in records] for name, of in LABELS.items()}
    known = [name for name, column in columns.items() if any(v is not None for v in column)]
    for name in table.balance_by:
        if name not in known:
            hint = f"Known there: {', '.join(known)}." if known else "Set balance to 0."
            raise ConfigError(
                f"{table.path}: balance_by names {name!r}, and no training face there has that "
                f"label. {hint}"
            )
    return list(zip(*(columns[name] for name in table.balance_by), strict=True))


def weights_of(groups: Sequence[tuple[str | None, ...]], balance: float) -> Numbers:
    """How often every face is drawn in a round, on average 1.

    That is proportional to ``share_of_its_group ** -balance`` and at most `LIMIT`; what this takes
    from the rarest groups the others get.
    """
    counts = Counter(groups)
    shares = np.array(list(counts.values())) / len(groups)
    wanted: Numbers = shares**-balance
    limited = np.zeros(len(shares), np.bool_)
    while True:
        rest = 1 - LIMIT * shares[limited].sum()
        weights = np.where(limited, LIMIT, wanted * rest / (shares * wanted)[~limited].sum())
        if not (weights > LIMIT).any():
            break
        limited |= weights > LIMIT
    by_group = dict(zip(counts, weights, strict=True))
    return np.array([by_group[group] for group in groups])


class Rounds:
    """The rounds of a balanced data set: each has as many faces as the data set.

    On a line every face covers as much as its weight, groups side by side; a round takes the faces
    at points that lie 1 apart (systematic resampling). So a face and a whole group are drawn as
    often as their weight says, rounded up or down. From round to round the points move on by
    the golden ratio, which brings a face of weight ``w`` back within about ``2 / w`` rounds.

    Args:
        records: Faces of the data set.
        table: How strongly they are balanced, and by what.
        seed: Decides the order of the faces on the line.
    """

    def __init__(self, records: Sequence[Record], table: DataTable, seed: int) -> None:
        groups = groups_of(records, table)
        weights = weights_of(groups, table.balance)
        generator = np.random.default_rng(seed)
        shuffled = generator.permutation(len(groups))
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        group = np.array([numbers[groups[row]] for row in shuffled])
        self._line = shuffled[np.argsort(group, kind="stable")]
        # Whole numbers: a round has exactly as many faces as the data set, on every machine.
        self._ends = np.rint(np.cumsum(weights[self._line]) * ONE).astype(np.int64)
        self._ends[-1] = len(groups) * ONE
        self._first = int(generator.integers(ONE))

    def faces(self, number: int) -> Tensor:
        """Rows of round `number` in no useful order, ``(n,)``."""
        passed = (self._ends + (self._first + number * GOLDEN) % ONE) // ONE
        return torch.from_numpy(np.repeat(self._line, np.diff(passed, prepend=0)))
