"""A report as one HTML page that needs no network: tables, figures, notes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import isnan
from string import Template

from mien import __version__
from mien.evaluation.findings import Confusion, Part, Report, Row
from mien.evaluation.plots import figures
from mien.evaluation.protocols import MIN_GROUP
from mien.evaluation.report import ROBUSTNESS, headline_rows, is_share, value_and_interval

HEADINGS = {
    Part.EXPRESSION: "Facial expression",
    Part.CLASSES: "Facial expression by class",
    Part.AGE: "Age",
    Part.DECADES: "Age by decade",
    Part.GENDER: "Gender",
    Part.GROUPS: "Groups of people",
    Part.CROSSED: "Groups by gender, age and race together",
    Part.ROBUSTNESS: ROBUSTNESS,
}
WIDE = (Part.DECADES, Part.CROSSED, Part.ROBUSTNESS)
"""Parts whose metrics share faces, so that one line can have several."""

SMALL = (
    f"Grey lines have fewer than {MIN_GROUP} faces: mostly chance, and not compared with others."
)

BAR = (96, 10)
"""Width and height of the small bars in pixels."""


def page(reports: Sequence[Report]) -> str:
    """One page with a section a data set.

    Args:
        reports: At least one, all of the same model.

    Raises:
        MissingExtraError: The library that draws is not installed.
    """
    model = reports[0]
    template = files("mien.evaluation").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(
        version=escape(__version__),
        title=escape(f"{model.model}: evaluation"),
        subtitle=f"Model file SHA-256 <code>{escape(model.sha256)}</code>",
        links="".join(
            f'<a href="#data-{k}">{escape(f"{report.dataset} {report.split}")}</a>'
            for k, report in enumerate(reports)
        ),
        summary=_table(headline_rows(reports)),
        sections="\n".join(_section(k, report) for k, report in enumerate(reports)),
    )


def _section(number: int, report: Report) -> str:
    """Facts, notes, figures and all lines of one data set."""
    facts = {
        "images": f"{report.images:,}",
        "answered": f"{report.answered:,}",
        "unreadable": f"{report.unreadable:,}",
        "detector": report.detector,
    }
    parts = [
        f'<section id="data-{number}">',
        f"<h2>{escape(f'{report.dataset} {report.split}')}</h2>",
        "<dl>",
        *(f"<div><dt>{name}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts.items()),
        "</dl>",
    ]
    if report.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
        parts.append(f'<ul class="notes">{items}</ul>')
    parts.append('<div class="figures">')
    parts += [_figure(name, png) for name, png in figures(report).items()]
    parts.append("</div>")
    for part, heading in HEADINGS.items():
        rows = report.part(part)
        if rows:
            lay_out = _wide_table if part in WIDE else _table
            parts += [f"<h3>{heading}</h3>", lay_out(rows)]
        if part is Part.CLASSES:
            parts += map(_confusion, report.findings.confusions)
    return "\n".join([*parts, "</section>"])


def _figure(name: str, png: bytes) -> str:
    width = int.from_bytes(png[16:20], "big")  # in the header; finer than the screen, for print
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    words = escape(name.replace("-", " "))
    return (
        f'<figure><img src="{source}" alt="Figure: {words}" width="{round(0.72 * width)}"></figure>'
    )


def _table(rows: Sequence[Row]) -> str:
    """Lines with value, interval, n and protocol."""
    lines = []
    for row in rows:
        value, interval = value_and_interval(row)
        lines.append(
            f"<tr><td>{escape(row.metric)}</td>"
            f'<td class="number value">{value}</td>'
            f'<td class="number">{interval or "–"}</td>'
            f'<td class="bar">{_bar(row)}</td>'
            f'<td class="number">{row.estimate.n:,}</td>'
            f'<td class="protocol">{escape(row.protocol)}</td></tr>'
        )
    kinds = {
        "metric": "metric",
        "value": "number",
        "95 % interval": "number interval",
        "": "bar",
        "n": "number",
        "protocol": "protocol",
    }
    head = "".join(f'<th class="{kind}">{name}</th>' for name, kind in kinds.items())
    return (
        f'<div class="scroll"><table class="long"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{chr(10).join(lines)}</tbody></table></div>"
    )


def _wide_table(rows: Sequence[Row]) -> str:
    """One line for all metrics of the same faces."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    groups: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.estimate.n), {})[row.metric] = row
    lines = []
    for (protocol, n), found in groups.items():
        cells = "".join(_wide_cell(found.get(metric)) for metric in metrics)
        small = ' class="small"' if n < MIN_GROUP else ""
        lines.append(
            f'<tr{small}><td>{escape(protocol)}</td><td class="number">{n:,}</td>{cells}</tr>'
        )
    head = "".join(f'<th class="number">{escape(metric)}</th>' for metric in metrics)
    return (
        '<div class="scroll"><table class="wide"><thead><tr><th>protocol</th>'
        f'<th class="number">n</th>{head}</tr></thead>\n'
        f"<tbody>{chr(10).join(lines)}</tbody></table></div>"
        + (f'<p class="muted">{SMALL}</p>' if any(n < MIN_GROUP for _, n in groups) else "")
    )


def _wide_cell(row: Row | None) -> str:
    if row is None:
        return '<td class="number">–</td>'
    value, interval = value_and_interval(row)
    return (
        f'<td class="number"><span class="value">{value}</span>'
        f' <span class="interval">{interval}</span></td>'
    )


def _bar(row: Row) -> str:
    """Value and interval on a line from 0 to 100 %; nothing for other units."""
    found = row.estimate
    if not is_share(row) or isnan(found.low):
        return ""
    width, height = BAR
    low, value, high = (width * share for share in (found.low, found.value, found.high))
    middle = height / 2
    return (
        f'<svg width="{width}" height="{height}" aria-hidden="true">'
        f'<path d="M0 {middle}H{width}" stroke="#e3e8ee" stroke-width="4"/>'
        f'<path d="M0 {middle}H{value:.1f}" stroke="#a9c7e6" stroke-width="4"/>'
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#2b6cb0" stroke-width="1.5"/>'
        f'<circle cx="{value:.1f}" cy="{middle}" r="2.5" fill="#2b6cb0"/></svg>'
    )


def _confusion(confusion: Confusion) -> str:
    """The counts as a table; the diagonal is right."""
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in confusion.labels)
    lines = []
    for row, (name, counts) in enumerate(zip(confusion.labels, confusion.counts, strict=True)):
        cells = "".join(
            f"<td{_kind(row == column, count)}>{count}</td>" for column, count in enumerate(counts)
        )
        lines.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    caption = f"Confusion, {escape(confusion.protocol)}, n = {confusion.n:,}"
    return (
        f'<div class="scroll"><table class="confusion"><caption>{caption}</caption>'
        f"<thead><tr><th>labelled \\ predicted</th>{head}</tr></thead>\n"
        f"<tbody>{chr(10).join(lines)}</tbody></table></div>"
    )


def _kind(right: bool, count: int) -> str:
    return ' class="right"' if right else ' class="none"' if not count else ""
