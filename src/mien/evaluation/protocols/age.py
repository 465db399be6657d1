"""Ages: error, share within five years, bias and interval, overall and by decade."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mien.config import MAX_AGE, AgeGroup
from mien.datasets import Record
from mien.evaluation import bootstrap
from mien.evaluation.bootstrap import Measure
from mien.evaluation.findings import Ages, Decade, Findings, Part, Row, lines
from mien.evaluation.protocols.answers import Answers, PerFace
from mien.results import Age

ERROR = "age MAE, years"
WITHIN = "age within 5 years"
COVERED = "80 % age interval covers"
WIDTH = "80 % age interval width, years"
BIAS = "age bias, years"
GROUP = "age group accuracy"
IN_BIN = "age in labelled bin"


def labelled_age(record: Record) -> float | None:
    """The apparent age where there is one, else the real one."""
    return record.real_age if record.age_years is None else record.age_years


def age_findings(answers: Answers) -> Findings:
    """Against the labelled age; against apparent and real age where a data set tells both."""
    apparent = [record.age_years for record in answers.records]
    real = [record.real_age for record in answers.records]
    if all(years is None for years in real):
        return _against(answers, apparent, "")
    return _against(answers, apparent, "apparent age, ") + _against(answers, real, "real age, ")


def _against(answers: Answers, labels: list[float | None], kind: str) -> Findings:
    """Everything about one kind of labelled age."""
    pairs = [
        (years, face.age)
        for years, face in zip(labels, answers.faces, strict=True)
        if years is not None and face.age is not None
    ]
    if not pairs:
        return Findings()
    truth = np.array([years for years, _ in pairs], np.float64)
    said = np.array([age.years for _, age in pairs])
    # The scale of the model ends at 100: an older face counts as covered from 100 on.
    shown = np.minimum(truth, MAX_AGE)
    inside = (shown >= [age.low for _, age in pairs]) & (shown <= [age.high for _, age in pairs])
    start = f"{answers.where}, {kind}"
    rows = lines(Part.AGE, f"{start}all ages", _measures(said - truth, inside))
    rows += _group_rows(pairs, start)
    decades = []
    for year in range(0, int(truth.max()) + 1, 10):
        chosen = (truth >= year) & (truth < year + 10)
        found = lines(
            Part.DECADES,
            f"{start}age {year}-{year + 9}",
            _measures((said - truth)[chosen], inside[chosen]),
        )
        rows += found
        decades += _decade(year, found)
    ages = Ages(
        protocol=f"{start}all ages",
        labelled=tuple(map(float, truth)),
        answered=tuple(map(float, said)),
        decades=tuple(decades),
    )
    return Findings(rows=tuple(rows), ages=(ages,))


def _measures(error: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> dict[str, Measure]:
    """Metrics of signed errors and of hits of the interval."""
    return {
        ERROR: bootstrap.mean(np.abs(error)),
        WITHIN: bootstrap.mean(np.abs(error) <= 5),
        COVERED: bootstrap.mean(inside),
        BIAS: bootstrap.mean(error),
    }


def _group_rows(pairs: list[tuple[float, Age]], start: str) -> list[Row]:
    """Share of faces whose most probable age group is that of the label."""
    names = pairs[0][1].groups.labels
    groups = [AgeGroup.parse(name) for name in names]
    hits = []
    for years, age in pairs:
        label = min(round(years), MAX_AGE)
        right = next(g for g in groups if g.low <= label <= g.high)
        hits.append(age.group == str(right))
    measures = {GROUP: bootstrap.mean(np.array(hits))}
    return lines(Part.AGE, f"{start}groups {', '.join(names)}", measures)


def _decade(start: int, rows: list[Row]) -> list[Decade]:
    by_metric = {row.metric: row.estimate for row in rows}
    return [Decade(start, by_metric[ERROR], by_metric[COVERED])] if rows else []


def age_errors(answers: Answers) -> PerFace:
    """Absolute error in years, face by face."""
    found = _labelled_ages(answers)
    return _per_face(answers, ERROR, [(k, abs(age.years - years)) for k, years, age in found])


def interval_hits(answers: Answers) -> PerFace:
    """Whether the interval covers the labelled age, face by face; 100 covers older faces."""
    hits = [
        (k, float(age.low <= min(years, MAX_AGE) <= age.high))
        for k, years, age in _labelled_ages(answers)
    ]
    return _per_face(answers, COVERED, hits)


def interval_widths(answers: Answers) -> PerFace:
    """Width of the interval in years: of labelled faces, or of all where none is labelled."""
    widths = [(k, age.high - age.low) for k, _, age in _labelled_ages(answers)] or [
        (k, face.age.high - face.age.low)
        for k, face in enumerate(answers.faces)
        if face.age is not None
    ]
    return _per_face(answers, WIDTH, widths)


def _labelled_ages(answers: Answers) -> list[tuple[int, float, Age]]:
    """Position, labelled age and answer of every face that has both."""
    return [
        (k, years, face.age)
        for k, (record, face) in enumerate(zip(answers.records, answers.faces, strict=True))
        if face.age is not None and (years := labelled_age(record)) is not None
    ]


def _per_face(answers: Answers, metric: str, values: list[tuple[int, float]]) -> PerFace:
    """One number a face, with the kind of label where a data set has two."""
    both = any(record.real_age is not None for record in answers.records)
    real_only = all(record.age_years is None for record in answers.records)
    kind = ("real age, " if real_only else "apparent age, ") if both else ""
    return PerFace(
        metric,
        f"{answers.where}, {kind}".removesuffix(", "),
        ", all ages",
        np.array([k for k, _ in values], np.int64),
        np.array([value for _, value in values], np.float64),
    )


def bin_hits(answers: Answers) -> PerFace:
    """Whether the age, rounded, lies in the labelled bin, face by face."""
    pairs = [
        (k, record.age_range[0] <= round(face.age.years) <= record.age_range[1])
        for k, (record, face) in enumerate(zip(answers.records, answers.faces, strict=True))
        if record.age_range is not None and face.age is not None
    ]
    return PerFace(
        IN_BIN,
        answers.where,
        "",
        np.array([k for k, _ in pairs], np.int64),
        np.array([hit for _, hit in pairs], np.float64),
    )


def bin_findings(answers: Answers) -> Findings:
    """Share of faces whose age, rounded, falls into the labelled bin."""
    hits = bin_hits(answers)
    measures = {hits.metric: bootstrap.mean(hits.values)}
    return Findings(rows=tuple(lines(Part.AGE, hits.where, measures)))
