"""Reports of an evaluation as text: Markdown tables, JSON, and a table kept inside a file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mien.errors import InputError
from mien.evaluation.curves import Curve
from mien.evaluation.findings import Confusion, Part, Report, Row
from mien.evaluation.protocols.groups import GAP
from mien.sinks.files import write_whole

BEGIN, END = "<!-- accuracy: written by `mien evaluate --insert` -->", "<!-- /accuracy -->"
ENDINGS = (".json", ".md", ".html")
HEADLINES = (
    "expression accuracy",
    "expression macro-F1",
    "expression calibration error, 15 bins",
    "expression MAE over 9 columns",
    "expression top-1 over 9 columns",
    "age MAE, years",
    "age within 5 years",
    "80 % age interval covers",
    "age group accuracy",
    "age in labelled bin",
    "gender accuracy",
    "gender calibration error, 15 bins",
)
"""Metrics that a short table shows, for the whole split only."""

YEARS = ("age MAE, years", "age bias, years", "age interval width, years")
"""How the names of metrics in years end, gaps between groups included."""

ROBUSTNESS = "Accuracy on worse pictures"
"""How the lines on pictures made worse are headed."""

WHOLE_SPLIT = (Part.EXPRESSION, Part.AGE, Part.GENDER)


def format_value(row: Row) -> str:
    """Value with its interval, e.g. ``"82.2 % (80.5 to 84.0)"``."""
    value, interval = value_and_interval(row)
    return f"{value} ({interval})" if interval else value


def value_and_interval(row: Row) -> tuple[str, str]:
    """In years, as a plain small number, or else in per cent; no interval is an empty text."""
    scale, digits, sign, unit = 1, 4, "", ""
    if row.metric.endswith(YEARS):
        digits, sign = 2, "+" if row.metric.startswith("age bias") else ""
    elif is_share(row):
        scale, digits, unit = 100, 1, " points" if row.metric.startswith(GAP) else " %"
    found = row.estimate
    value, low, high = (
        f"{number * scale:{sign}.{digits}f}" for number in (found.value, found.low, found.high)
    )
    return f"{value}{unit}", "" if math.isnan(found.low) else f"{low} to {high}"


def is_share(row: Row | Curve) -> bool:
    """Whether the metric lies between 0 and 1 and reads best in per cent."""
    small = row.metric.startswith("expression MAE") or " calibration error" in row.metric
    return not small and not row.metric.endswith(YEARS)


def table(rows: Iterable[Row]) -> str:
    """Markdown table: metric, value with 95 % interval, n, protocol."""
    lines = ["| metric | value (95 % interval) | n | protocol |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_cell(row.metric)} | {format_value(row)} | {row.estimate.n} | {_cell(row.protocol)} |"
        for row in rows
    ]
    return "\n".join(lines)


def wide_table(rows: Iterable[Row]) -> str:
    """Markdown table with one line for all metrics of the same faces; empty without rows."""
    rows = list(rows)
    metrics = list(dict.fromkeys(row.metric for row in rows))
    groups: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.estimate.n), {})[row.metric] = row
    lines = [
        f"| protocol | n |{''.join(f' {_cell(metric)} |' for metric in metrics)}",
        f"| --- | --- |{' --- |' * len(metrics)}",
    ]
    for (protocol, n), found in groups.items():
        cells = "".join(f" {format_value(found[m]) if m in found else '–'} |" for m in metrics)
        lines.append(f"| {_cell(protocol)} | {n} |{cells}")
    return "\n".join(lines) if rows else ""


def _cell(text: str) -> str:
    """A class may have any name, even one that would end a cell."""
    return re.sub(r"([\\|])", r"\\\1", " ".join(text.split()))


def headline_rows(reports: Sequence[Report]) -> list[Row]:
    """The rows of a short table: whole splits, no groups."""
    return [
        row for report in reports for row in report.part(*WHOLE_SPLIT) if row.metric in HEADLINES
    ]


def confusion_table(confusion: Confusion) -> str:
    """Markdown confusion matrix."""
    names = [_cell(name) for name in confusion.labels]
    lines = [
        f"| labelled \\ predicted | {' | '.join(names)} |",
        f"| --- |{' --- |' * len(names)}",
    ]
    lines += [
        f"| {name} | {' | '.join(map(str, counts))} |"
        for name, counts in zip(names, confusion.counts, strict=True)
    ]
    return "\n".join(lines)


def class_tables(report: Report) -> str:
    """Markdown tables with one line a class, one table a protocol; empty without classes."""
    protocols: dict[str, dict[str, dict[str, Row]]] = {}
    for row in report.part(Part.CLASSES):
        # "expression recall, contempt": a class may have a comma in its name, a kind has none.
        kind, _, name = row.metric.removeprefix("expression ").partition(", ")
        protocols.setdefault(row.protocol, {}).setdefault(name, {})[kind] = row
    return "\n\n".join(
        f"By class, {protocol}:\n\n{_class_table(classes)}"
        for protocol, classes in protocols.items()
    )


def _class_table(classes: Mapping[str, Mapping[str, Row]]) -> str:
    kinds = list(dict.fromkeys(kind for rows in classes.values() for kind in rows))
    lines = [
        f"| class |{''.join(f' {kind} | n |' for kind in kinds)}",
        f"| --- |{' --- | --- |' * len(kinds)}",
    ]
    for name, rows in classes.items():
        cells = [
            f" {format_value(rows[kind])} | {rows[kind].estimate.n} |"
            if kind in rows
            else " – | 0 |"
            for kind in kinds
        ]
        lines.append(f"| {_cell(name)} |{''.join(cells)}")
    return "\n".join(lines)


def markdown(reports: Sequence[Report], *, crossed: bool = True) -> str:
    """Everything, as one Markdown document.

    Args:
        reports: One a data set.
        crossed: With the lines by gender, age and race together: up to hundreds.
    """
    parts = []
    for report in reports:
        notes = "".join(f"\n- {note}" for note in report.notes)
        left_out = 0 if crossed else len(report.part(Part.CROSSED))
        apart = (Part.ROBUSTNESS, *[Part.CROSSED] * (not crossed))
        rows = [row for row in report.findings.rows if row.part not in apart]
        parts.append(
            f"## {report.model} on {report.dataset} {report.split}\n\n"
            f"{report.answered} of {report.images} images answered, detector `{report.detector}`, "
            f"{report.unreadable} unreadable. Model file SHA-256 `{report.sha256}`.\n"
            f"{notes}{notes and chr(10)}\n{table(rows)}"
        )
        if left_out:
            parts.append(
                f"{left_out} more lines, by groups of gender, age and race together, stand in the "
                "report of `--out`."
            )
        if worse := wide_table(report.part(Part.ROBUSTNESS)):
            parts.append(f"{ROBUSTNESS}, with 95 % intervals:\n\n{worse}")
        parts += [
            f"Confusion, {confusion.protocol}, n = {confusion.n}:\n\n{confusion_table(confusion)}"
            for confusion in report.findings.confusions
        ]
    return "\n\n".join(parts) + "\n"


def write_report(path: Path, reports: Sequence[Report]) -> None:
    """Write ``.json``, ``.md`` or ``.html``.

    Raises:
        InputError: The ending is another one.
        MissingExtraError: A page is asked for, but the library that draws is not installed.
        OutputError: The file cannot be written.
    """
    check_ending(path)
    if path.suffix == ".json":
        text = json.dumps([report.to_dict() for report in reports], indent=1) + "\n"
    elif path.suffix == ".md":
        text = markdown(reports)
    else:
        from mien.evaluation.page import page

        text = page(reports)
    write_text(path, text)


def check_ending(path: Path) -> None:
    """Refuse a report that could not be written, before anything is measured.

    Raises:
        InputError: The ending is not one of `ENDINGS`.
        MissingExtraError: A page is asked for, but the library that draws is not installed.
    """
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: a report ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    if path.suffix == ".html":
        from mien.evaluation.canvas import require_plots

        require_plots("an HTML report")


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
