"""Curves as short Markdown tables: one line a data set and metric, one column a step."""

from __future__ import annotations

from collections.abc import Sequence

from mien.evaluation.curves import ALLOWED, SIZE, Curve, Level
from mien.evaluation.degrade import Kind, kinds
from mien.evaluation.findings import Part, Report, Row
from mien.evaluation.report import ROBUSTNESS, value_and_interval


def curve_section(reports: Sequence[Report]) -> str:
    """A heading, a sentence and a table for each way to make pictures worse; empty without curves.

    Only metrics of accuracy and only values: the tables are for a quick look, intervals stand in
    the details.
    """
    curves = [c for r in reports for c in r.findings.curves if ALLOWED[SIZE].judge(c.metric)]
    if not curves:
        return ""
    names = list(dict.fromkeys(curve.kind for curve in curves))
    tables = [_table(kinds[name], [c for c in curves if c.kind == name]) for name in names]
    return "\n\n".join(
        [
            f"### {ROBUSTNESS}",
            "Faces are located in the pictures as they are; alignment and model see the worse\n"
            "ones. So the model is measured and not the detector. Intervals stand under Details.",
            *tables,
        ]
    )


def _table(kind: Kind, curves: Sequence[Curve]) -> str:
    """Values of all curves of one kind; steps that nobody has are left out."""
    there = {step.level for curve in curves for step in curve.levels}
    levels = [level for level in (None, *kind.levels) if level in there]
    heads = [kind.undone if level is None else kind.short.format(level) for level in levels]
    lines = [
        f"| {kind.axis} | n | {' | '.join(heads)} | protocol |",
        f"| --- | --- |{' --- |' * len(levels)} --- |",
    ]
    for curve in curves:
        steps = {step.level: step for step in curve.levels}
        cells = [_value(curve, steps[level]) if level in steps else "–" for level in levels]
        n = curve.levels[0].estimate.n
        lines.append(f"| {curve.metric} | {n} | {' | '.join(cells)} | {curve.protocol} |")
    return "\n".join(lines)


def _value(curve: Curve, step: Level) -> str:
    """The value in the unit of its metric, without its interval."""
    row = Row(
        metric=curve.metric,
        protocol=curve.protocol,
        estimate=step.estimate,
        part=Part.ROBUSTNESS,
    )
    return value_and_interval(row)[0]
