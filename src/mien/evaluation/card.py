"""The model card: figures from an evaluation, and plain words about what they mean."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import numpy as np

from mien.attributes import OnnxAttributeModel
from mien.config import EMOTIONS
from mien.evaluation.report import confusion_table, headline_rows, table
from mien.evaluation.run import Report
from mien.pipeline import Analyzer

TERMS = """\
The photos of FER2013 and UTKFace may be used for non-commercial research only; FairFace is
CC BY 4.0. Whether weights inherit the terms of their training photos is not settled law. These
weights are offered under {license}: for research, teaching and private use without a doubt; for
a commercial product, train on data that you have the rights to (`mien prepare`, `mien train`).
"""

MIN_LABELLED = 16
"""Fewer faces than this say too little to name a fault."""

USE = """\
## Good for

Tables of how faces look to people, over many faces: counting expressions, grouping by apparent
age, sorting photos, teaching, research with the interval taken seriously.

## Not for

Judging what somebody feels, is or intends; hiring, schooling, policing, border control, insurance
or any other decision about one person. Emotion inference at work or in education is prohibited in
the European Union (Regulation (EU) 2024/1689, Article 5). Identifying people: the model cannot.
Gender is the two-class label of the data sets, not anybody's identity.
"""


def cost(model: OnnxAttributeModel, batch: int, *, repeat: int = 30) -> float:
    """Median milliseconds a face of one forward pass with preprocessing."""
    size = model.input.size
    chips = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    times = []
    for _ in range(repeat + 3):
        start = time.perf_counter()
        model.predict(chips)
        times.append(1e3 * (time.perf_counter() - start) / batch)
    return statistics.median(times[3:])


def known_faults(reports: Sequence[Report]) -> list[str]:
    """Sentences that the figures force upon us."""
    return [
        fault
        for report in reports
        for find in (_confusions, _worst_decade, _gaps)
        for fault in find(report)
    ]


def _confusions(report: Report) -> list[str]:
    """The three most frequent mistakes among expressions, by share of the labelled faces."""
    if not report.confusion:
        return []
    matrix = np.array(report.confusion, float)
    share = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    share[matrix.sum(axis=1) < MIN_LABELLED] = 0
    np.fill_diagonal(share, 0)
    rows, columns = np.unravel_index(np.argsort(-share, axis=None)[:3], share.shape)
    return [
        f"{100 * share[row, column]:.0f} % of the {int(matrix[row].sum())} faces "
        f"labelled {EMOTIONS[row]} are called {EMOTIONS[column]}."
        for row, column in zip(rows, columns, strict=True)
        if share[row, column] > 0
    ]


def _worst_decade(report: Report) -> list[str]:
    """The decade of ages with the largest error."""
    decades = [
        row
        for row in report.rows
        if row.metric == "age MAE, years"
        and ", age " in row.protocol
        and ", group " not in row.protocol
        and row.estimate.n >= MIN_LABELLED
    ]
    if not decades:
        return []
    worst = max(decades, key=lambda row: row.estimate.value)
    return [
        f"Apparent age is worst for {worst.protocol.rpartition(', ')[2]}: off by "
        f"{worst.estimate.value:.1f} years on average (n = {worst.estimate.n})."
    ]


def _gaps(report: Report) -> list[str]:
    """How far groups of people lie apart."""
    faults = []
    for row in report.rows:
        if row.metric.startswith("largest gap"):
            in_years = row.metric.endswith(", years")
            value = row.estimate.value if in_years else 100 * row.estimate.value
            unit = "years" if in_years else "points"
            name = row.metric.removesuffix(", years").replace("largest", "Largest")
            faults.append(f"{name}, on {row.protocol}: {value:.1f} {unit}.")
    return faults


def write_card(analyzer: Analyzer, reports: Sequence[Report]) -> str:
    """The card of the analyzer's model, Markdown."""
    spec = analyzer.model.spec
    size_mb = analyzer.model.path.stat().st_size / 1e6
    single = OnnxAttributeModel(analyzer.config.model, threads=1)
    faults = "\n".join(f"- {line}" for line in known_faults(reports))
    details = "\n\n".join(
        f"### {report.dataset} {report.split}\n\n{table(report.rows)}"
        + (f"\n\n{confusion_table(report)}" if report.confusion else "")
        for report in reports
    )
    assert spec.input is not None  # attribute models always have one
    return f"""\
# {spec.name}

Apparent age, gender and facial expression from one aligned {spec.input.size} px face in one pass:
{", ".join(f"{head} ({len(h.labels)} classes)" for head, h in spec.heads.items())}.

| | |
| --- | --- |
| File | `{spec.file}`, {size_mb:.1f} MB, SHA-256 `{analyzer.model.sha256}` |
| Licence of the weights | {spec.license} |
| Training | {spec.source}; recipe `recipes/{spec.name}.toml` |
| Input | {spec.input.size} px, {spec.input.colour}, template `{spec.template}` |
| Cost | {cost(single, 1):.1f} ms a face alone, {cost(single, 32):.1f} ms in batches of 32, one \
thread, preprocessing included |

{TERMS.format(license=spec.license)}
## Results

Written by `mien evaluate` from the shipped file through the shipped pipeline; 95 % intervals from
1 000 bootstrap samples over faces. How often the test splits were looked at stands in
`docs/decisions/`.

{table(headline_rows(reports))}

{USE}
## Known faults

{faults}
- Faces narrower than {spec.min_face_px} px get no answer; profiles, masks and heavy blur get poor
  ones, and the interval only partly says so.

## Details

{details}
"""
