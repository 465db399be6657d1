"""The data card of a packed folder: what lies in it, as Markdown tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mien.align import AlignSpec
from mien.datasets import Record
from mien.datasets.summary import YEARS_APART, LabelCounts, count_labels, count_splits
from mien.sinks.files import write_whole
from mien.training.data_plots import data_pictures
from mien.training.duplicates import DUPLICATES_FILE, HASH_BITS
from mien.training.packing import COPY, FINDER_NOTES, REASONS

CARD_FILE = "card.md"

TITLES = {
    "expression": "Facial expression",
    "gender": "Gender",
    "age": "Age",
    "age range": "Age range",
    "group": "Group",
}
PICTURES = {"expression": "classes.png", "age": "ages.png", "group": "groups.png"}
"""Under which label a picture stands; without that label, under the one that follows."""

FOLLOWS = {"expression": "gender", "age": "age range"}


def write_card(
    folder: Path, meta: Mapping[str, Any], records: Sequence[Record], reasons: Sequence[str]
) -> tuple[str, ...]:
    """Write ``card.md`` and, where the library that draws is installed, its pictures.

    Args:
        folder: The packed folder.
        meta: What ``meta.json`` holds or will hold.
        records: All records, used or not.
        reasons: Why a record is left out, one a record; empty for those that are used.

    Returns:
        Names of the pictures; none without the library.

    Raises:
        OutputError: The folder cannot be written.
    """
    used = [record for record, reason in zip(records, reasons, strict=True) if not reason]
    counts = count_labels(used)
    drawn: dict[str, bytes] = {}
    if find_spec("matplotlib") is not None:
        drawn = data_pictures(meta["dataset"], counts, used)
    for name in PICTURES.values():
        if name in drawn:
            write_whole(folder / name, drawn[name])
        else:
            (folder / name).unlink(missing_ok=True)  # of an earlier run, with other labels
    text = card_text(meta, records, reasons, counts, tuple(drawn))
    write_whole(folder / CARD_FILE, text.encode())
    return tuple(drawn)


def card_text(
    meta: Mapping[str, Any],
    records: Sequence[Record],
    reasons: Sequence[str],
    counts: Sequence[LabelCounts],
    pictures: Sequence[str] = (),
) -> str:
    """The card as Markdown.

    Args:
        meta: What ``meta.json`` holds.
        records: All records, used or not.
        reasons: Why a record is left out, one a record.
        counts: Labels of the records that are used.
        pictures: Names of the pictures that lie beside the card.
    """
    splits = [split for split, count in count_splits(records).items() if count]
    parts = [
        f"# Data card: {meta['dataset']}",
        "Written by `mien prepare`. Labels are counted over the faces that training may use.",
        _facts(meta),
        "## Images",
        _images(records, reasons, splits),
        *_dropped(meta),
    ]
    for part in counts:
        parts += [f"## {TITLES[part.key]}", *([part.note] if part.note else [])]
        picture = _picture_of(part.key, counts)
        if picture in pictures:
            parts.append(f"![{TITLES[part.key]} by split]({picture})")
        parts.append(_table(part, splits))
    parts += ["## Leaks between splits", *_leaks(meta, reasons)]
    return "\n\n".join(parts) + "\n"


def _picture_of(key: str, counts: Sequence[LabelCounts]) -> str | None:
    """Name of the picture that belongs under this label."""
    if key in PICTURES:
        return PICTURES[key]
    there = {part.key for part in counts}
    return next(
        (PICTURES[head] for head, then in FOLLOWS.items() if then == key and head not in there),
        None,
    )


def _facts(meta: Mapping[str, Any]) -> str:
    align = AlignSpec(**meta["align"])
    detector = meta.get("detector", "crop")
    options = ", ".join(f"`{key} = {value!r}`" for key, value in meta.get("options", {}).items())
    rows = [
        ("Data set", f"`{meta['dataset']}`" + (f", options {options}" if options else "")),
        ("Chips", f"{align.size} px and a border of {align.border_px} px for augmentation"),
        ("Colour", "grey" if meta["channels"] == 1 else "RGB"),
        ("Alignment", f"template `{align.template}`"),
        ("Detector", f"`{detector}`: {FINDER_NOTES[detector]}"),
    ]
    if meta.get("limit"):
        rows.append(("Limit", f"a trial: only the first {meta['limit']} images of every split"))
    return "\n".join(["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows)])


def _images(records: Sequence[Record], reasons: Sequence[str], splits: Sequence[str]) -> str:
    """From all images to those that are used, by split."""
    rows = [("labelled images", count_splits(records))]
    for reason in REASONS.values():
        out = [record for record, why in zip(records, reasons, strict=True) if why == reason]
        if out or reason != REASONS[COPY]:  # copies are only left out when somebody wants it
            rows.append((f"{reason}, left out", count_splits(out)))
    used = count_splits(record for record, why in zip(records, reasons, strict=True) if not why)
    rows.append(("**faces for training and tests**", used))
    people = len({record.person for record in records if record.person is not None})
    text = _grid(["", *splits, "all"], rows, splits)
    return text + (f"\n\nPeople, by the data set's own keys: {people:,}." if people else "")


def _dropped(meta: Mapping[str, Any]) -> Iterator[str]:
    """What the reader left out before a face was looked for."""
    if meta.get("dropped"):
        lines = [f"- {count:,}: {reason}" for reason, count in sorted(meta["dropped"].items())]
        yield "Left out by the reader:"
        yield "\n".join(lines)


def _table(part: LabelCounts, splits: Sequence[str]) -> str:
    everything = sum(part.total(value) for value in part.rows)
    return _grid(
        [part.key, *splits, "all", "share"], list(part.rows.items()), splits, everything=everything
    )


def _grid(
    header: Sequence[str],
    rows: Sequence[tuple[str, Mapping[str, int]]],
    splits: Sequence[str],
    *,
    everything: int = 0,
) -> str:
    lines = [f"| {' | '.join(header)} |", f"| --- |{' ---: |' * (len(header) - 1)}"]
    for name, row in rows:
        total = sum(row.values())
        cells = [name.replace("|", "\\|"), *(f"{row.get(split, 0):,}" for split in splits)]
        cells.append(f"{total:,}")
        if everything:
            cells.append(f"{100 * total / everything:.1f} %")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _leaks(meta: Mapping[str, Any], reasons: Sequence[str]) -> Iterator[str]:
    """Copies and people across splits."""
    found = meta.get("duplicates")
    if found is None:
        yield "Copies of a photo in several splits were not searched."
    else:
        yield _copies(found, reasons.count(REASONS[COPY]), meta.get("drop_duplicates", False))
    people = meta.get("shared_people", 0)
    if people:
        yield (
            f"**{_many(people, 'person is', 'people are')} in more than one split**, so "
            "tests show faces of people whom training knows."
        )


def _copies(found: Mapping[str, Any], copies: int, dropped: bool) -> str:
    rule = (
        f"perceptual hashes of the aligned chips that differ in at most {found['distance']} of "
        f"{HASH_BITS} bits, fine structure with a correlation of at least {found['correlation']}"
    )
    if not found["pairs"]:
        return f"No photo was found in more than one split ({rule})."
    between = _listed(
        f"{count:,} between {pair.replace(', ', ' and ')}"
        for pair, count in sorted(found["splits"].items())
    )
    touched = _listed(
        _many(count, f"{split} face", f"{split} faces")
        for split, count in sorted(found["touched"].items())
    )
    verb = "is" if sum(found["touched"].values()) == 1 else "are"
    wrong = found["labels_disagree"]
    labels = (
        f"The labels of {_many(wrong, 'pair', 'pairs')} disagree (ages: by more than "
        f"{YEARS_APART:.0f} years)."
        if wrong
        else "No labels contradict each other."
    )
    pairs = _many(
        found["pairs"],
        "pair of faces in different splits is",
        "pairs of faces in different splits are",
    )
    what = (
        f"{_many(copies, 'copy is', 'copies are')} left out; the face in the test split stays, or "
        "else the one in val."
        if dropped
        else "All are still in: `mien prepare … --drop-duplicates` leaves out the copies and keeps "
        "the face in the test split, or else the one in val."
    )
    return (
        f"**{pairs} the same photo**: {between}; {touched} {verb} affected. {labels} {what}\n\n"
        f"Every pair is in `{DUPLICATES_FILE}`. Rule: {rule}. Mirror images are not looked for."
    )


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _listed(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
