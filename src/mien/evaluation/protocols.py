"""What is measured on which data set, and how: one function a kind of label.

Every number carries the protocol it was measured under and the number of faces, because the
same accuracy means different things on different filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.config import EMOTIONS, GENDERS, MAX_AGE
from mien.datasets import Record, majority
from mien.evaluation import metrics as m
from mien.evaluation.metrics import Estimate, bootstrap
from mien.results import Face

FloatArray = npt.NDArray[np.float64]

MIN_GROUP = 30
"""Groups with fewer faces are listed but not compared: their error is mostly chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a report.

    Attributes:
        metric: What was measured, e.g. ``"age MAE, years"``.
        protocol: On which faces, e.g. ``"ferplus test, majority filter, 8 classes"``.
        estimate: Value, 95 % interval and n.
    """

    metric: str
    protocol: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Answers:
    """Faces and labels side by side; only faces with attributes are compared."""

    records: Sequence[Record]
    faces: Sequence[Face]
    where: str


def expression_rows(answers: Answers) -> list[Row]:
    """FER+ by the paper's filter: accuracy, macro-F1, calibration."""
    pairs = [
        (label, face.emotion.probabilities)
        for record, face in zip(answers.records, answers.faces, strict=True)
        if record.votes is not None
        and face.emotion is not None
        and (label := majority(record.votes)) is not None
    ]
    if not pairs:
        return []
    labels = np.array([label for label, _ in pairs])
    probabilities = np.array([p for _, p in pairs])
    predicted = probabilities.argmax(1)
    right, confidence = predicted == labels, probabilities.max(1)
    where = f"{answers.where}, majority filter without single votes, 8 classes"
    n = len(labels)
    return [
        Row(
            metric="expression accuracy",
            protocol=where,
            estimate=bootstrap(lambda k: m.accuracy(labels[k], predicted[k]), n),
        ),
        Row(
            metric="expression macro-F1",
            protocol=where,
            estimate=bootstrap(lambda k: m.macro_f1(labels[k], predicted[k], len(EMOTIONS)), n),
        ),
        Row(
            metric="expression calibration error, 15 bins",
            protocol=where,
            estimate=bootstrap(lambda k: m.calibration_error(confidence[k], right[k]), n),
        ),
        *_per_class(labels, predicted, where),
        *_vote_rows(answers),
    ]


def _share(hits: npt.NDArray[np.bool_]) -> Estimate:
    """Share of hits with its interval."""
    return bootstrap(lambda k: float(hits[k].mean()), len(hits))


def _per_class(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], where: str
) -> list[Row]:
    rows = []
    for code, name in enumerate(EMOTIONS):
        there, said = np.flatnonzero(labels == code), np.flatnonzero(predicted == code)
        for metric, chosen in (("recall", there), ("precision", said)):
            if len(chosen):
                hit = labels[chosen] == predicted[chosen]
                rows.append(
                    Row(
                        metric=f"expression {metric}, {name}",
                        protocol=where,
                        estimate=_share(hit),
                    )
                )
    return rows


def _vote_rows(answers: Answers) -> list[Row]:
    """The nine-column protocol: eight expressions and "unknown", all faces, vote shares."""
    shares, predicted = [], []
    for record, face in zip(answers.records, answers.faces, strict=True):
        if record.votes is None or face.emotion is None or not sum(record.votes[:9]):
            continue
        shares.append(np.array(record.votes[:9]) / sum(record.votes[:9]))
        # The model never says "unknown": its ninth column is 0.
        predicted.append([*face.emotion.probabilities, 0.0])
    truth, answer = np.array(shares), np.array(predicted)
    top = truth.argmax(1) == answer.argmax(1)
    where = f"{answers.where}, all faces, votes over 8 expressions and unknown"
    error = np.abs(truth - answer).mean(1)
    n = len(truth)
    return [
        Row(
            metric="expression MAE over 9 columns",
            protocol=where,
            estimate=bootstrap(lambda k: float(error[k].mean()), n),
        ),
        Row(
            metric="expression top-1 over 9 columns",
            protocol=where,
            estimate=bootstrap(lambda k: float(top[k].mean()), n),
        ),
    ]


def expression_confusion(answers: Answers) -> npt.NDArray[np.int64]:
    """Confusion matrix by the paper's filter, rows are labels."""
    labels, predicted = [], []
    for record, face in zip(answers.records, answers.faces, strict=True):
        label = None if record.votes is None else majority(record.votes)
        if label is not None and face.emotion is not None:
            labels.append(label)
            predicted.append(EMOTIONS.index(face.emotion.best))
    return m.confusion_matrix(
        np.array(labels, np.int64), np.array(predicted, np.int64), len(EMOTIONS)
    )


def age_rows(answers: Answers) -> list[Row]:
    """Error, share within five years, interval coverage; overall and by decade."""
    triples = [
        (record.age_years, face.age)
        for record, face in zip(answers.records, answers.faces, strict=True)
        if record.age_years is not None and face.age is not None
    ]
    if not triples:
        return []
    truth = np.array([years for years, _ in triples])
    years = np.array([age.years for _, age in triples])
    low = np.array([age.low for _, age in triples])
    high = np.array([age.high for _, age in triples])
    # The scale of the model ends at 100: an older face counts as covered from 100 on.
    inside = (np.minimum(truth, MAX_AGE) >= low) & (np.minimum(truth, MAX_AGE) <= high)

    def rows(chosen: npt.NDArray[np.intp], where: str) -> list[Row]:
        t, p, c = truth[chosen], years[chosen], inside[chosen]
        n = len(chosen)
        return [
            Row(
                metric="age MAE, years",
                protocol=where,
                estimate=bootstrap(lambda k: m.mean_absolute_error(t[k], p[k]), n),
            ),
            Row(
                metric="age within 5 years",
                protocol=where,
                estimate=bootstrap(lambda k: m.cumulative_score(t[k], p[k]), n),
            ),
            Row(
                metric="80 % age interval covers",
                protocol=where,
                estimate=bootstrap(lambda k: float(c[k].mean()), n),
            ),
        ]

    result = rows(np.arange(len(truth)), f"{answers.where}, all ages")
    for start in range(0, MAX_AGE + 20, 10):
        chosen = np.flatnonzero((truth >= start) & (truth < start + 10))
        if len(chosen):
            result += rows(chosen, f"{answers.where}, age {start}-{start + 9}")
    return result


def age_bin_rows(answers: Answers) -> list[Row]:
    """Share of faces whose expected age, rounded, falls into the labelled bin."""
    hits = [
        record.age_range[0] <= round(face.age.years) <= record.age_range[1]
        for record, face in zip(answers.records, answers.faces, strict=True)
        if record.age_range is not None and face.age is not None
    ]
    if not hits:
        return []
    right = np.array(hits)
    return [
        Row(metric="expected age in labelled bin", protocol=answers.where, estimate=_share(right))
    ]


def gender_rows(answers: Answers) -> list[Row]:
    """Accuracy and calibration of the gender head."""
    pairs = [
        (record.gender, face.gender)
        for record, face in zip(answers.records, answers.faces, strict=True)
        if record.gender is not None and face.gender is not None
    ]
    if not pairs:
        return []
    right = np.array([label == answer.best for label, answer in pairs])
    confidence = np.array([answer.probability for _, answer in pairs])
    rows = [
        Row(
            metric="gender accuracy",
            protocol=answers.where,
            estimate=_share(right),
        ),
        Row(
            metric="gender calibration error, 15 bins",
            protocol=answers.where,
            estimate=bootstrap(lambda k: m.calibration_error(confidence[k], right[k]), len(right)),
        ),
    ]
    for name in GENDERS:
        chosen = np.array([label == name for label, _ in pairs])
        hit = right[chosen]
        if len(hit):
            rows.append(
                Row(
                    metric=f"gender accuracy, labelled {name}",
                    protocol=answers.where,
                    estimate=_share(hit),
                )
            )
    return rows


def group_rows(answers: Answers) -> list[Row]:
    """Gender accuracy and age error by race as labelled, and the largest gap between groups."""
    groups = sorted({record.group for record in answers.records if record.group is not None})
    rows: list[Row] = []
    for kind, evaluate in (("gender accuracy", gender_rows), ("age MAE, years", age_rows)):
        values = []
        for group in groups:
            chosen = [k for k, r in enumerate(answers.records) if r.group == group]
            part = Answers(
                [answers.records[k] for k in chosen],
                [answers.faces[k] for k in chosen],
                f"{answers.where}, group {group}",
            )
            found = [row for row in evaluate(part) if row.metric == kind][:1]
            rows += found
            values += [row.estimate.value for row in found if row.estimate.n >= MIN_GROUP]
        if len(values) > 1:
            gap = max(values) - min(values)
            rows.append(
                Row(
                    metric=f"largest gap between groups, {kind}",
                    protocol=f"{answers.where}, groups of at least {MIN_GROUP}",
                    estimate=Estimate(gap, float("nan"), float("nan"), len(answers.records)),
                )
            )
    return rows


def all_rows(answers: Answers) -> list[Row]:
    """Everything that the labels allow."""
    return [
        *expression_rows(answers),
        *age_rows(answers),
        *age_bin_rows(answers),
        *gender_rows(answers),
        *group_rows(answers),
    ]
