"""What is going to be measured: one split of a data set, checked before any model runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.config import EMOTIONS
from mien.datasets import SPLITS, Dataset, Record, majority
from mien.datasets.files import csv_table
from mien.errors import InputError, did_you_mean
from mien.evaluation.protocols.answers import in_order
from mien.evaluation.protocols.expression import View
from mien.models import HeadSpec

NAMES = {"age": "age", "gender": "gender", "emotion": "expression"}
"""What the heads are called in messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One split of a data set that a model can be measured on.

    Attributes:
        dataset: Reads the images.
        split: ``"train"``, ``"val"`` or ``"test"``.
        records: Those of the split, at least one.
        classes: Every value of `Record.expression` in the whole data set.
        notes: Single sentences on what will be left out.
        where: What every protocol starts with, e.g. ``"ferplus test"``.
    """

    dataset: Dataset
    split: str
    records: tuple[Record, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    where: str


def plan(
    dataset: Dataset,
    heads: Mapping[str, HeadSpec],
    split: str = "test",
    *,
    copies: Collection[str] = (),
) -> Plan:
    """Read the labels of a data set and compare them with what a model answers.

    Args:
        dataset: Labelled images.
        heads: Of the model, as in `ModelSpec.heads`.
        split: ``"train"``, ``"val"`` or ``"test"``.
        copies: Names of faces to leave out, because they have a copy in another split; see
            `read_copies`.

    Raises:
        InputError: The split is unknown or empty, or the model answers nothing of what is
            labelled.
    """
    if split not in SPLITS:
        raise InputError(
            f"no split is called {split!r}.{did_you_mean(split, SPLITS)} "
            f"Known: {', '.join(SPLITS)}."
        )
    everything = tuple(dataset.records())
    records = tuple(record for record in everything if record.split == split)
    where = f"{dataset.name} {split}"
    if not records:
        there = [name for name in SPLITS if any(r.split == name for r in everything)]
        hint = f"It has: {', '.join(there)}." if there else "It has no labelled image at all."
        raise InputError(f"{dataset.name}: the split {split!r} is empty. {hint}")
    named = in_order({record.expression for record in everything if record.expression is not None})
    copied = sum(record.name in copies for record in records)
    if copied:
        records = tuple(record for record in records if record.name not in copies)
        where += ", without copies"
    _check_overlap(where, records, heads, named)
    notes = [f"{where}: {copied} faces with a copy in another split were left out."] * bool(copied)
    notes += [
        f"{where}: {count} entries (all splits) were left out when reading: {reason}."
        for reason, count in sorted(dataset.dropped.items())
    ]
    if "emotion" in heads:
        notes += _class_notes(where, records, heads["emotion"].labels, named)
    return Plan(
        dataset=dataset,
        split=split,
        records=records,
        classes=named,
        notes=tuple(notes),
        where=where,
    )


def read_copies(folder: Path) -> frozenset[str]:
    """Names of all faces that have a copy in another split.

    Args:
        folder: Packed folder; `mien prepare` leaves ``duplicates.csv`` there.

    Raises:
        InputError: There is none, or it is damaged.
    """
    rows = csv_table(folder / "duplicates.csv", ("name_a", "split_a", "name_b", "split_b"))
    return frozenset(
        name
        for _, row in rows
        if row["split_a"] != row["split_b"]
        for name in (row["name_a"], row["name_b"])
    )


def _check_overlap(
    where: str, records: Sequence[Record], heads: Mapping[str, HeadSpec], named: Sequence[str]
) -> None:
    """Refuse when no label has an answer."""
    has_age = any(
        r.age_years is not None or r.real_age is not None or r.age_range is not None
        for r in records
    )
    has_gender = any(r.gender is not None for r in records)
    labelled = [*["age"] * has_age, *["gender"] * has_gender]
    if any(head in heads for head in labelled):
        return
    answers = heads["emotion"].labels if "emotion" in heads else ()
    sets: list[Sequence[str]] = [EMOTIONS] if any(r.votes is not None for r in records) else []
    sets += [named] if any(r.expression is not None for r in records) else []
    if any(len(View.of(answers, classes).classes) > 1 for classes in sets):
        return
    known = [
        f"expression ({', '.join(heads[head].labels)})" if head == "emotion" else head
        for head in heads
    ]
    labelled += [f"expression ({', '.join(classes)})" for classes in sets]
    hint = "; at least two expressions must be known to both" if answers and sets else ""
    raise InputError(
        f"{where}: nothing to measure: the model answers {' and '.join(known)}, "
        f"the data set labels {' and '.join(labelled) or 'nothing that mien knows'}{hint}"
    )


def _class_notes(
    where: str, records: Sequence[Record], labels: Sequence[str], named: Sequence[str]
) -> list[str]:
    """Classes that the model does not know, and classes that no image of the split has."""
    by_majority = Counter(
        EMOTIONS[label]
        for record in records
        if record.votes is not None and (label := majority(record.votes)) is not None
    )
    by_name = Counter(record.expression for record in records if record.expression is not None)
    notes = []
    for how, counts, classes in (
        (" by majority", by_majority, EMOTIONS),
        ("", by_name, tuple(named)),
    ):
        if not counts:
            continue
        view = View.of(labels, classes)
        unknown = [
            f"{name} ({count} image{'s' * (count > 1)})"
            for name in view.unknown
            if (count := counts[name])
        ]
        if unknown:
            notes.append(
                f"{where}: the model does not know {', '.join(unknown)}: these are left out."
            )
        empty = [name for name in view.classes if not counts[name]]
        if empty:
            notes.append(f"{where}: no image is labelled {', '.join(empty)}{how}.")
    return notes
