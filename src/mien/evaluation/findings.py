"""What an evaluation finds, as frozen plain values: lines, confusion, calibration, ages, curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isnan
from typing import Any

from mien.evaluation.bootstrap import Estimate, Measure, estimate
from mien.evaluation.curves import Curve


class Part(StrEnum):
    """Where in a report a line belongs; the order of a report."""

    EXPRESSION = "expression"
    CLASSES = "expression by class"
    AGE = "age"
    DECADES = "age by decade"
    GENDER = "gender"
    GROUPS = "groups"
    CROSSED = "crossed groups"
    ROBUSTNESS = "robustness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a report.

    Attributes:
        metric: What was measured, e.g. ``"age MAE, years"``.
        protocol: On which faces, e.g. ``"ferplus test, majority filter, 8 classes"``.
        estimate: Value, 95 % interval and n.
        part: Where in a report it belongs.
    """

    metric: str
    protocol: str
    estimate: Estimate
    part: Part

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        found = self.estimate
        return {
            "metric": self.metric,
            "protocol": self.protocol,
            "part": str(self.part),
            "value": found.value,
            "low": None if isnan(found.low) else found.low,
            "high": None if isnan(found.high) else found.high,
            "n": found.n,
        }


def lines(part: Part, protocol: str, measures: Mapping[str, Measure]) -> list[Row]:
    """One row a metric, all over the same faces; no rows without faces.

    Args:
        part: Where in a report they belong.
        protocol: On which faces.
        measures: By name of the metric.
    """
    if not measures or not len(next(iter(measures.values())).terms):
        return []
    return [
        Row(metric=metric, protocol=protocol, estimate=found, part=part)
        for metric, found in zip(measures, estimate(list(measures.values())), strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often every label got every answer.

    Attributes:
        protocol: On which faces.
        labels: Classes, in the order of rows and columns.
        counts: Rows are labels, columns are answers.
    """

    protocol: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        """Faces."""
        return sum(map(sum, self.counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How often answers are right, by how sure the model was; equally wide bins from 0 to 1.

    Attributes:
        what: ``"expression"`` or ``"gender"``.
        protocol: On which faces.
        error: Expected calibration error.
        counts: Faces in every bin.
        confidence: Mean confidence in every bin; 0 where the bin is empty.
        right: Share of right answers in every bin; 0 where the bin is empty.
    """

    what: str
    protocol: str
    error: float
    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    right: tuple[float, ...]

    @property
    def n(self) -> int:
        """Faces."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Decade:
    """Ages of one decade: ``start`` to ``start + 9`` years as labelled."""

    start: int
    error: Estimate
    covered: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Labelled and answered ages of single faces, and how both differ by decade.

    Attributes:
        protocol: On which faces.
        labelled: Years, one a face.
        answered: Years, in the same order.
        decades: Those that have faces.
    """

    protocol: str
    labelled: tuple[float, ...]
    answered: tuple[float, ...]
    decades: tuple[Decade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that one or several protocols found."""

    rows: tuple[Row, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    ages: tuple[Ages, ...] = ()
    curves: tuple[Curve, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        """Both, one after the other."""
        return Findings(
            rows=self.rows + other.rows,
            confusions=self.confusions + other.confusions,
            calibrations=self.calibrations + other.calibrations,
            ages=self.ages + other.ages,
            curves=self.curves + other.curves,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one evaluation found.

    Attributes:
        model: Name of the model.
        sha256: Checksum of its ONNX file.
        dataset: Name of the data set.
        split: Which split.
        detector: Who found the faces.
        images: Images of the split.
        answered: Images with an answer.
        unreadable: Images that could not be decoded.
        findings: Lines and what figures are drawn from.
        notes: Single sentences on what the reader of the figures has to know.
    """

    model: str
    sha256: str
    dataset: str
    split: str
    detector: str
    images: int
    answered: int
    unreadable: int
    findings: Findings
    notes: tuple[str, ...] = ()

    def part(self, *parts: Part) -> list[Row]:
        """Lines of some parts; of all without arguments."""
        return [row for row in self.findings.rows if not parts or row.part in parts]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; ages of single faces are left out."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "dataset": self.dataset,
            "split": self.split,
            "detector": self.detector,
            "images": self.images,
            "answered": self.answered,
            "unreadable": self.unreadable,
            "notes": list(self.notes),
            "rows": [row.to_dict() for row in self.findings.rows],
            "confusions": [_plain(found) for found in self.findings.confusions],
            "calibrations": [_plain(found) for found in self.findings.calibrations],
            "curves": [curve.to_dict() for curve in self.findings.curves],
        }


def _plain(found: Confusion | Calibration) -> dict[str, Any]:
    """Mapping with lists instead of tuples, as JSON would give it back."""
    table = asdict(found)
    return {
        key: [list(item) if isinstance(item, tuple) else item for item in value]
        if isinstance(value, tuple)
        else value
        for key, value in table.items()
    }
