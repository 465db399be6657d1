"""Reports of an evaluation as text: Markdown tables, JSON, and a table kept inside a file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from mien.config import EMOTIONS
from mien.errors import InputError
from mien.evaluation.protocols import Row
from mien.evaluation.run import Report
from mien.sinks.files import write_whole

BEGIN, END = "<!-- accuracy: written by `mien evaluate --insert` -->", "<!-- /accuracy -->"
HEADLINES = (
    "expression accuracy",
    "expression macro-F1",
    "expression calibration error, 15 bins",
    "expression MAE over 9 columns",
    "expression top-1 over 9 columns",
    "age MAE, years",
    "age within 5 years",
    "80 % age interval covers",
    "expected age in labelled bin",
    "gender accuracy",
    "gender calibration error, 15 bins",
)
"""Metrics that a short table shows, for the whole split only."""

SMALL_NUMBERS = (
    "expression MAE over 9 columns",
    "expression calibration error, 15 bins",
    "gender calibration error, 15 bins",
)
"""Metrics that are neither shares nor years."""


def format_value(row: Row) -> str:
    """Value with its interval: in years, as a plain small number, or else in per cent."""
    if row.metric.endswith(", years"):
        scale, digits, sign = 1, 2, ""
    elif row.metric in SMALL_NUMBERS:
        scale, digits, sign = 1, 4, ""
    else:
        scale, digits, sign = 100, 1, " %"
    estimate = row.estimate
    value = f"{estimate.value * scale:.{digits}f}{sign}"
    if math.isnan(estimate.low):
        return value
    return f"{value} ({estimate.low * scale:.{digits}f} to {estimate.high * scale:.{digits}f})"


def table(rows: Sequence[Row]) -> str:
    """Markdown table: metric, value with 95 % interval, n, protocol."""
    lines = ["| metric | value (95 % interval) | n | protocol |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.metric} | {format_value(row)} | {row.estimate.n} | {row.protocol} |"
        for row in rows
    ]
    return "\n".join(lines)


def headline_rows(reports: Sequence[Report]) -> list[Row]:
    """The rows of a short table: whole splits, no groups."""
    rows = []
    for report in reports:
        seen: set[str] = set()
        for row in report.rows:
            if row.metric in HEADLINES and row.metric not in seen:
                seen.add(row.metric)
                rows.append(row)
    return rows


def confusion_table(report: Report) -> str:
    """Markdown confusion matrix; empty without expressions."""
    if not report.confusion:
        return ""
    lines = [
        f"| labelled \\ predicted | {' | '.join(EMOTIONS)} |",
        f"| --- |{' --- |' * len(EMOTIONS)}",
    ]
    lines += [
        f"| {name} | {' | '.join(map(str, counts))} |"
        for name, counts in zip(EMOTIONS, report.confusion, strict=True)
    ]
    return "\n".join(lines)


def markdown(reports: Sequence[Report]) -> str:
    """Everything, as one Markdown document."""
    parts = []
    for report in reports:
        parts.append(
            f"## {report.model} on {report.dataset} {report.split}\n\n"
            f"{report.answered} of {report.images} images answered, detector `{report.detector}`, "
            f"{report.unreadable} unreadable. Model file SHA-256 `{report.sha256}`.\n\n"
            f"{table(report.rows)}"
        )
        if report.confusion:
            parts.append(f"Confusion, majority filter:\n\n{confusion_table(report)}")
    return "\n\n".join(parts) + "\n"


def write_report(path: Path, reports: Sequence[Report]) -> None:
    """Write ``.json`` or ``.md``.

    Raises:
        InputError: The ending is another one.
        OutputError: The file cannot be written.
    """
    check_ending(path)
    if path.suffix == ".json":
        text = json.dumps([report.to_dict() for report in reports], indent=1) + "\n"
    else:
        text = markdown(reports)
    write_text(path, text)


def check_ending(path: Path) -> None:
    """Refuse a report whose format nobody knows, before anything is measured.

    Raises:
        InputError: The ending is neither ``.json`` nor ``.md``.
    """
    if path.suffix not in (".json", ".md"):
        raise InputError(f"{path}: a report ends in .json or .md")


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either the old or the new one.

    Raises:
        OutputError: The file cannot be written.
    """
    write_whole(path, text.encode())


def insert_table(path: Path, reports: Sequence[Report]) -> None:
    """Replace the accuracy table between its markers in a Markdown file.

    Raises:
        InputError: The file cannot be read or has no markers.
        OutputError: The file cannot be written.
    """
    before, after = split_at_markers(path)
    write_text(path, f"{before}{BEGIN}\n{table(headline_rows(reports))}\n{END}{after}")


def split_at_markers(path: Path) -> tuple[str, str]:
    """What stands before and after the accuracy table of a Markdown file, line ends as they are.

    Raises:
        InputError: The file cannot be read or has no markers.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error.reason}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{path}: the lines {BEGIN} and {END} are missing, or in wrong order")
    return before, after
