"""Count labels: how many faces of every split carry which one. Plain numbers, no pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mien.config import EMOTIONS, GENDERS, MAX_AGE
from mien.datasets.ferplus_votes import majority
from mien.datasets.records import SPLITS, Record

NO_MAJORITY = "no majority"
"""Row of the faces whose votes agree on no expression."""

NO_LABEL = "no label"
"""Row of the faces that lack a label which others of the data set have."""

YEARS_APART = 5.0
"""Labels of two copies of a photo agree when their ages differ by no more than this."""

DECADES = range(0, MAX_AGE + 1, 10)
MAJORITY_NOTE = (
    "Single votes dropped, then the class that more than half of the votes name; training may use "
    "another filter."
)
GROUP_NOTE = "Race in the data set's own words, for reports by group only."


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many faces carry every value of one label.

    Attributes:
        key: ``"expression"``, ``"gender"``, ``"age"``, ``"age range"`` or ``"group"``.
        note: How the faces were counted, one sentence; empty when that is plain.
        rows: Value and its faces by split, in reading order.
    """

    key: str
    note: str
    rows: dict[str, dict[str, int]]

    def total(self, value: str) -> int:
        """Faces of all splits with this value."""
        return sum(self.rows[value].values())


def count_labels(records: Iterable[Record]) -> list[LabelCounts]:
    """Count every kind of label that the records have.

    Faces without a label that others have stand in a row of their own, the last one.

    Args:
        records: Faces that are used; leave out those that are not.
    """
    records = list(records)
    votes = any(record.votes is not None for record in records)
    kinds: tuple[tuple[str, str, Callable[[Record], str | None], Sequence[str]], ...] = (
        ("expression", MAJORITY_NOTE if votes else "", expression_of, (*EMOTIONS,)),
        ("gender", "", lambda record: record.gender, GENDERS),
        ("age", "Decades of the age in years.", _decade, [_span(low) for low in DECADES]),
        ("age range", "As the data set gives them.", _range_name, _range_order(records)),
        ("group", GROUP_NOTE, lambda record: record.group, ()),
    )
    counted = []
    for key, note, value_of, order in kinds:
        values = [value_of(record) for record in records]
        if any(value is not None for value in values):
            counted.append(LabelCounts(key, note, _rows(records, values, order)))
    return counted


def expression_of(record: Record) -> str | None:
    """The one expression of a record: its label, or what its votes agree on.

    Returns:
        A class, `NO_MAJORITY`, or ``None`` when there is neither label nor vote.
    """
    if record.expression is not None:
        return record.expression
    if record.votes is None:
        return None
    winner = majority(record.votes)
    return NO_MAJORITY if winner is None else EMOTIONS[winner]


def count_splits(records: Iterable[Record]) -> dict[str, int]:
    """Number of records of every split, the usual splits first."""
    counts = dict.fromkeys(SPLITS, 0)
    for record in records:
        counts[record.split] = counts.get(record.split, 0) + 1
    return counts


def shared_people(records: Iterable[Record]) -> set[str]:
    """Keys of the people who are in more than one split; published splits of some sets leak."""
    splits: dict[str, set[str]] = {}
    for record in records:
        if record.person is not None:
            splits.setdefault(record.person, set()).add(record.split)
    return {person for person, seen in splits.items() if len(seen) > 1}


def labels_agree(one: Record, other: Record) -> bool | None:
    """Whether two records say the same about a face, as far as both say anything.

    Expression, gender and age range must be equal; ages may differ by `YEARS_APART` years.

    Returns:
        ``None`` when they have no label in common.
    """
    answers = [
        getattr(one, name) == getattr(other, name)
        for name in ("gender", "age_range")
        if getattr(one, name) is not None and getattr(other, name) is not None
    ]
    if one.age_years is not None and other.age_years is not None:
        answers.append(abs(one.age_years - other.age_years) <= YEARS_APART)
    expressions = expression_of(one), expression_of(other)
    if None not in expressions:
        answers.append(expressions[0] == expressions[1])
    return all(answers) if answers else None


def _rows(
    records: Sequence[Record], values: Sequence[str | None], order: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Values in the given order, then others by name, then what is no value."""
    found = {value for value in values if value is not None}
    last = [value for value in (NO_MAJORITY,) if value in found]
    others = sorted(found - {*order, *last})
    names = [*(value for value in order if value in found), *others, *last]
    if None in values:
        names.append(NO_LABEL)
    rows = {name: dict.fromkeys(SPLITS, 0) for name in names}
    for record, value in zip(records, values, strict=True):
        row = rows[NO_LABEL if value is None else value]
        row[record.split] = row.get(record.split, 0) + 1
    return rows


def _span(low: int) -> str:
    return f"{low}+" if low + 9 >= MAX_AGE else f"{low}–{low + 9}"


def _decade(record: Record) -> str | None:
    if record.age_years is None:
        return None
    return _span(min(int(record.age_years) // 10 * 10, DECADES[-1]))


def _range_name(record: Record) -> str | None:
    if record.age_range is None:
        return None
    low, high = record.age_range
    return f"{low}+" if high >= MAX_AGE else f"{low}–{high}"


def _range_order(records: Sequence[Record]) -> list[str]:
    """Names of the ranges that occur, the youngest first."""
    ranged = [record for record in records if record.age_range is not None]
    ranged.sort(key=lambda record: record.age_range or (0, 0))
    return list(dict.fromkeys(_range_name(record) or "" for record in ranged))
