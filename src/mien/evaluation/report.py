"""Reports of an evaluation as text: Markdown tables, JSON, and a table kept inside a file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from mien.config import EMOTIONS
from mien.errors import InputError, OutputError
from mien.evaluation.protocols import Row
from mien.evaluation.run import Report

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


def format_value(row: Row) -> str:
    """Value with its interval, in per cent where it is a share."""
    estimate = row.estimate
    is_share = not any(word in row.metric for word in ("years,", ", years", "MAE", "calibration"))
    if "age MAE" in row.metric:
        text, scale, digits = "", 1.0, 2
    elif is_share and "within" not in row.metric or "within" in row.metric:
        text, scale, digits = " %", 100.0, 1
    else:
        text, scale, digits = "", 1.0, 4
    value = f"{estimate.value * scale:.{digits}f}{text}"
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
    if path.suffix == ".json":
        text = json.dumps([report.to_dict() for report in reports], indent=1) + "\n"
    elif path.suffix == ".md":
        text = markdown(reports)
    else:
        raise InputError(f"{path}: a report ends in .json or .md")
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either the old or the new one.

    Raises:
        OutputError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def insert_table(path: Path, reports: Sequence[Report]) -> None:
    """Replace the accuracy table between its markers in a Markdown file.

    Raises:
        InputError: The file has no markers.
    """
    text = path.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise InputError(f"{path}: the markers {BEGIN} and {END} are missing")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = table(headline_rows(reports))
    write_text(path, f"{before}{BEGIN}\n{body}\n{END}{after}")
