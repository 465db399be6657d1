"""Gender as data sets label it: accuracy and calibration."""

from __future__ import annotations

import numpy as np

from mien.config import GENDERS
from mien.evaluation import bootstrap
from mien.evaluation.findings import Findings, Part, lines
from mien.evaluation.protocols.answers import BINS, Answers, PerFace, calibration

ACCURACY = "gender accuracy"


def gender_hits(answers: Answers) -> PerFace:
    """Right or wrong, face by face."""
    pairs = [
        (k, record.gender == face.gender.best)
        for k, (record, face) in enumerate(zip(answers.records, answers.faces, strict=True))
        if record.gender is not None and face.gender is not None
    ]
    return PerFace(
        ACCURACY,
        answers.where,
        "",
        np.array([k for k, _ in pairs], np.int64),
        np.array([hit for _, hit in pairs], np.float64),
    )


def gender_findings(answers: Answers) -> Findings:
    """Overall, and by labelled gender."""
    hits = gender_hits(answers)
    if not len(hits.faces):
        return Findings()
    right = hits.values.astype(bool)
    labels = np.array([answers.records[k].gender for k in hits.faces])
    answered = [answers.faces[k].gender for k in hits.faces]
    confidence = np.array([gender.probability for gender in answered if gender is not None])
    overall = {
        ACCURACY: bootstrap.mean(right),
        f"gender calibration error, {BINS} bins": bootstrap.calibration_error(
            confidence, right, BINS
        ),
    }
    rows = lines(Part.GENDER, answers.where, overall)
    for name in GENDERS:
        measures = {f"{ACCURACY}, labelled {name}": bootstrap.mean(right[labels == name])}
        rows += lines(Part.GENDER, answers.where, measures)
    return Findings(
        rows=tuple(rows),
        calibrations=(calibration("gender", answers.where, confidence, right),),
    )
