"""What protocols work on: labels and answers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.config import EMOTIONS
from mien.datasets import Record
from mien.evaluation.findings import Calibration
from mien.evaluation.metrics import calibration_bins, calibration_error
from mien.results import Face

BINS = 15
"""Of every calibration error."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Faces and labels side by side; only faces with attributes are compared.

    Attributes:
        records: Labels.
        faces: Answers in the same order.
        where: Data set and split, e.g. ``"ferplus test"``.
        classes: Values of `Record.expression` anywhere in the data set; those of `records` when
            empty.
    """

    records: Sequence[Record]
    faces: Sequence[Face]
    where: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PerFace:
    """One number a face, whose mean is a metric; groups of faces are compared by it.

    Attributes:
        metric: E.g. ``"age MAE, years"``.
        where: What the protocol says before the group.
        after: And behind it.
        faces: Positions in the answers, shape ``(n,)``.
        values: Shape ``(n,)``.
    """

    metric: str
    where: str
    after: str
    faces: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def in_order(classes: set[str]) -> tuple[str, ...]:
    """The eight expressions first, in the order of `EMOTIONS`, then other names."""

    def place(name: str) -> tuple[int, str]:
        return (EMOTIONS.index(name) if name in EMOTIONS else len(EMOTIONS), name)

    return tuple(sorted(classes, key=place))


def calibration(
    what: str,
    protocol: str,
    confidence: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
) -> Calibration:
    """How often answers are right, by how sure the model was."""
    which = calibration_bins(confidence, BINS)
    counts = np.bincount(which, minlength=BINS)
    sums = (np.bincount(which, values, BINS) for values in (confidence, right))
    shares = (total / np.maximum(1, counts) for total in sums)
    mean, hits = (tuple(map(float, share)) for share in shares)
    return Calibration(
        what=what,
        protocol=protocol,
        error=calibration_error(confidence, right, BINS),
        counts=tuple(map(int, counts)),
        confidence=mean,
        right=hits,
    )
