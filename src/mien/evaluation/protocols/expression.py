"""Expressions as classes: FER+ by majority, or one class an image as the data set says.

Model and data set may know different classes. Then the faces of the classes that both know are
judged, the model's answer is renormalised over them, and the protocol says what was left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.config import EMOTIONS
from mien.datasets import majority
from mien.datasets.records import expression_name
from mien.evaluation import bootstrap
from mien.evaluation import metrics as m
from mien.evaluation.findings import Confusion, Findings, Part, Row, lines
from mien.evaluation.protocols.answers import BINS, Answers, PerFace, calibration, in_order

ACCURACY = "expression accuracy"
CONFIDENCE = "expression confidence"

IntArray = npt.NDArray[np.int64]
Named = Sequence[tuple[int, str]]
"""Position of a face in the answers, and its class."""


@dataclass(frozen=True, slots=True)
class View:
    """The classes that model and data set both know.

    Attributes:
        classes: In the order of the data set.
        columns: Where they stand among the model's labels.
        unasked: Labels of the model that the data set does not have.
        unknown: Classes of the data set that the model does not have.
    """

    classes: tuple[str, ...]
    columns: tuple[int, ...]
    unasked: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[str], classes: Sequence[str]) -> View:
        """Compare the labels of a model with the classes of a data set.

        A model that says "happy" knows the class "happiness", see `expression_name`.
        """
        names = [expression_name(label) for label in labels]
        if len(set(names)) < len(names):  # "happy" beside "joy": only the model's own words tell
            names = list(labels)
        shared = tuple(name for name in classes if name in names)
        return cls(
            classes=shared,
            columns=tuple(names.index(name) for name in shared),
            unasked=tuple(
                label for label, name in zip(labels, names, strict=True) if name not in shared
            ),
            unknown=tuple(name for name in classes if name not in names),
        )

    def narrow(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Probabilities of the shared classes, shape ``(n, classes)``; rows sum to one."""
        chosen = probabilities[:, self.columns]
        if not self.unasked:
            return chosen
        chosen = chosen + 1e-12  # a face that shows none of them still gets an answer
        return np.asarray(chosen / chosen.sum(1, keepdims=True), np.float64)


def majority_classes(answers: Answers) -> Named:
    """Faces with votes that pass the filter of the FER+ paper."""
    return [
        (k, EMOTIONS[label])
        for k, (record, face) in enumerate(zip(answers.records, answers.faces, strict=True))
        if record.votes is not None
        and face.emotion is not None
        and (label := majority(record.votes)) is not None
    ]


def named_classes(answers: Answers) -> Named:
    """Faces of which the data set names the class."""
    return [
        (k, record.expression)
        for k, (record, face) in enumerate(zip(answers.records, answers.faces, strict=True))
        if record.expression is not None and face.emotion is not None
    ]


def majority_findings(answers: Answers) -> Findings:
    """FER+ by the paper's filter."""
    return _findings(_by_majority(answers))


def class_findings(answers: Answers) -> Findings:
    """One class an image, as the data set says."""
    return _findings(_by_name(answers))


def expression_hits(answers: Answers) -> PerFace:
    """Right or wrong, face by face: by the named class where there is one, else by majority."""
    judged = _by_name(answers) or _by_majority(answers)
    faces = np.zeros(0, np.int64) if judged is None else judged.faces
    right = np.zeros(0) if judged is None else judged.right.astype(np.float64)
    return PerFace(ACCURACY, answers.where, "", faces, right)


def expression_confidences(answers: Answers) -> PerFace:
    """Probability of the answer: on the faces of `expression_hits`, or on all where none is."""
    judged = _by_name(answers) or _by_majority(answers)
    if judged is not None:
        return PerFace(CONFIDENCE, answers.where, "", judged.faces, judged.probabilities.max(1))
    pairs = [
        (k, face.emotion.probability)
        for k, face in enumerate(answers.faces)
        if face.emotion is not None
    ]
    return PerFace(
        CONFIDENCE,
        answers.where,
        "",
        np.array([k for k, _ in pairs], np.int64),
        np.array([probability for _, probability in pairs], np.float64),
    )


def expression_filter(answers: Answers) -> str:
    """What a protocol says of the faces of `expression_hits`; empty without labels."""
    judged = _by_name(answers) or _by_majority(answers)
    return "" if judged is None else judged.protocol.removeprefix(answers.where)


@dataclass(frozen=True, slots=True)
class _Judged:
    """Faces of the classes that both sides know, with the answer among these classes.

    Attributes:
        protocol: Which faces these are, and by whose classes.
        classes: Names.
        faces: Positions in the answers, shape ``(n,)``.
        labels: Codes of the labelled classes, shape ``(n,)``.
        probabilities: Shape ``(n, classes)``.
    """

    protocol: str
    classes: tuple[str, ...]
    faces: IntArray
    labels: IntArray
    probabilities: npt.NDArray[np.float64]

    @property
    def predicted(self) -> IntArray:
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.labels == self.predicted, np.bool_)


def _by_majority(answers: Answers) -> _Judged | None:
    how = "majority filter without single votes"
    return _judge(answers, majority_classes(answers), EMOTIONS, how)


def _by_name(answers: Answers) -> _Judged | None:
    named = named_classes(answers)
    classes = answers.classes or in_order({name for _, name in named})
    return _judge(answers, named, classes, "labels of the data set")


def _judge(answers: Answers, named: Named, classes: Sequence[str], how: str) -> _Judged | None:
    """Keep the faces whose class the model knows; ``None`` when there is nothing to choose."""
    emotions = {k: emotion for k, _ in named if (emotion := answers.faces[k].emotion) is not None}
    view = View.of(next(iter(emotions.values())).labels if emotions else (), classes)
    kept = [(k, view.classes.index(name)) for k, name in named if name in view.classes]
    if not kept or len(view.classes) < 2:  # of one class, every answer is right
        return None
    unknown = Counter(name for _, name in named if name in view.unknown)
    return _Judged(
        f"{answers.where}, {how}, {len(view.classes)} classes{_left_out(view, unknown)}",
        view.classes,
        np.array([k for k, _ in kept]),
        np.array([label for _, label in kept]),
        view.narrow(np.array([emotions[k].probabilities for k, _ in kept])),
    )


def _left_out(view: View, unknown: Counter[str]) -> str:
    """What the protocol says when the two sides know different classes."""
    text = ""
    if view.unasked:
        text += f", the model's {' and '.join(view.unasked)} left out and the rest renormalised"
    if unknown:
        faces = ", ".join(f"{count} {name}" for name, count in unknown.items())
        text += f", faces of classes that the model does not know left out: {faces}"
    return text


def _findings(judged: _Judged | None) -> Findings:
    if judged is None:
        return Findings()
    right, confidence = judged.right, judged.probabilities.max(1)
    count = len(judged.classes)
    measures = {
        ACCURACY: bootstrap.mean(right),
        "expression macro-F1": bootstrap.macro_f1(judged.labels, judged.predicted, count),
        f"expression calibration error, {BINS} bins": bootstrap.calibration_error(
            confidence, right, BINS
        ),
    }
    overall = lines(Part.EXPRESSION, judged.protocol, measures)
    counts = m.confusion_matrix(judged.labels, judged.predicted, count)
    confusion = Confusion(
        protocol=judged.protocol,
        labels=judged.classes,
        counts=tuple(tuple(map(int, row)) for row in counts),
    )
    return Findings(
        rows=(*overall, *_class_rows(judged)),
        confusions=(confusion,),
        calibrations=(calibration("expression", judged.protocol, confidence, right),),
    )


def _class_rows(judged: _Judged) -> Iterator[Row]:
    """Recall over the faces of every class, precision over the faces that were called so."""
    for code, name in enumerate(judged.classes):
        for metric, chosen in (("recall", judged.labels), ("precision", judged.predicted)):
            yield from lines(
                Part.CLASSES,
                judged.protocol,
                {f"expression {metric}, {name}": bootstrap.mean(judged.right[chosen == code])},
            )
