"""The nine-column protocol of FER+: eight expressions and "unknown", all faces, vote shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mien.config import EMOTIONS
from mien.evaluation import bootstrap
from mien.evaluation.findings import Findings, Part, lines
from mien.evaluation.protocols.answers import Answers
from mien.evaluation.protocols.expression import View

UNKNOWN = "unknown"
COLUMNS = (*EMOTIONS, UNKNOWN)


def vote_findings(answers: Answers) -> Findings:
    """Mean absolute error, in total and per class, and how often the strongest column agrees."""
    shares, probabilities = [], []
    labels: tuple[str, ...] = ()
    for record, face in zip(answers.records, answers.faces, strict=True):
        if record.votes is None or face.emotion is None or not sum(record.votes[:9]):
            continue
        shares.append(np.array(record.votes[:9]) / sum(record.votes[:9]))
        probabilities.append(face.emotion.probabilities)
        labels = face.emotion.labels
    view = View.of(labels, COLUMNS)
    if not view.classes:
        return Findings()
    truth = np.array(shares)
    answer = _nine_columns(view, np.array(probabilities))
    error = np.abs(truth - answer)
    protocol = f"{answers.where}, all faces, votes over 8 expressions and unknown{_note(view)}"
    overall = {
        "expression MAE over 9 columns": bootstrap.mean(error.mean(1)),
        "expression top-1 over 9 columns": bootstrap.mean(truth.argmax(1) == answer.argmax(1)),
    }
    by_class = {
        f"expression MAE, {name}": bootstrap.mean(error[:, column])
        for column, name in enumerate(COLUMNS)
    }
    return Findings(
        rows=(
            *lines(Part.EXPRESSION, protocol, overall),
            *lines(Part.CLASSES, protocol, by_class),
        )
    )


def _nine_columns(view: View, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The model's answer in the order of the votes; 0 where it has no such label."""
    answer = np.zeros((len(probabilities), len(COLUMNS)))
    for name, column in zip(view.classes, view.columns, strict=True):
        answer[:, COLUMNS.index(name)] = probabilities[:, column]
    return answer


def _note(view: View) -> str:
    """Nothing for a model that knows the eight: its ninth column is its own, or 0."""
    text = ""
    missing = [name for name in view.unknown if name != UNKNOWN]
    if missing:
        text += f", columns that the model does not know are 0: {', '.join(missing)}"
    if view.unasked:
        text += f", the model's {' and '.join(view.unasked)} counts in no column"
    return text
