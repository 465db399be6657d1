"""Faces with answers that a test can work its numbers out for."""

from dataclasses import replace

import pytest

from mien.config import EMOTIONS, GENDERS
from mien.datasets import Record
from mien.evaluation.bootstrap import Estimate
from mien.evaluation.curves import Curve, Level
from mien.evaluation.findings import (
    Ages,
    Calibration,
    Confusion,
    Decade,
    Findings,
    Part,
    Report,
    Row,
)
from mien.evaluation.protocols import Answers
from mien.results import Age, Box, Distribution, Face

BOX = Box(0.0, 0.0, 50.0, 50.0)
NAN = float("nan")
ALONE = "largest gap that age and chance alone make"
VOTES = (*EMOTIONS, "unknown", "none")


GROUPS = Distribution(("0-12", "13-25", "26-59", "60+"), (0.25,) * 4)


@pytest.fixture(scope="session")
def answer():
    """Function that builds a face: expression shares, age with interval, probability of male."""

    def build(*, shares=None, labels=EMOTIONS, years=None, reach=5.0, male=None):
        age = emotion = gender = None
        if shares is not None:
            values = tuple(float(shares.get(name, 0.0)) for name in labels)
            emotion = Distribution(tuple(labels), values)
        if years is not None:
            age = Age(
                years=years,
                low=years - reach,
                high=years + reach,
                group=GROUPS.labels[sum(years > edge for edge in (12.5, 25.5, 59.5))],
                groups=GROUPS,
                distribution=(0.0,) * 101,
            )
        if male is not None:
            gender = Distribution(GENDERS, (1 - male, male))
        return Face(box=BOX, score=1.0, age=age, emotion=emotion, gender=gender)

    return build


@pytest.fixture(scope="session")
def record():
    """Function that builds a labelled face of the test split."""
    return lambda **labels: Record(**{"name": "face", "split": "test", **labels})


@pytest.fixture(scope="session")
def votes():
    """Function that builds the ten FER+ votes by name; "none" is "not a face"."""
    return lambda **counts: tuple(counts.get(name, 0) for name in VOTES)


@pytest.fixture(scope="session")
def side_by_side():
    """Function that builds answers from pairs of a record and a face."""

    def build(pairs, where="set test", classes=()):
        records, faces = zip(*pairs, strict=True) if pairs else ((), ())
        return Answers(records, faces, where, classes)

    return build


@pytest.fixture(scope="session")
def value():
    """Function that finds value and n of the one row of a metric (on a protocol)."""

    def find(found, metric, protocol=None):
        rows = [
            row
            for row in found.rows
            if row.metric == metric and (protocol is None or row.protocol == protocol)
        ]
        assert len(rows) == 1, [(row.metric, row.protocol) for row in found.rows]
        return rows[0].estimate.value, rows[0].estimate.n

    return find


def row(metric, value, low=NAN, high=NAN, n=100, protocol="utkface test", part=Part.EXPRESSION):
    return Row(metric=metric, protocol=protocol, estimate=Estimate(value, low, high, n), part=part)


@pytest.fixture(scope="session")
def make_row():
    """Function that builds one line of a report."""
    return row


@pytest.fixture(scope="session")
def make_confusion():
    """Function that builds a confusion matrix of the eight expressions."""

    def build(counts, labels=EMOTIONS):
        return Confusion(
            protocol="ferplus test, majority", labels=labels, counts=tuple(map(tuple, counts))
        )

    return build


ROWS = (
    row("expression accuracy", 0.8224, 0.805, 0.84, 3152, "ferplus test, majority"),
    row("expression MAE over 9 columns", 0.05781, 0.0567, 0.0589, 3573),
    row("expression calibration error, 15 bins", 0.0231, 0.0198, 0.031, 3152),
    row("expression recall, contempt", 0.25, 0.0, 0.5, 16, "majority", Part.CLASSES),
    row("expression precision, contempt", 0.5, 0.0, 1.0, 2, "majority", Part.CLASSES),
    row("expression recall, fear", 0.75, 0.7, 0.8, 83, "majority", Part.CLASSES),
    row("expression MAE, fear", 0.0312, 0.03, 0.04, 3573, "votes", Part.CLASSES),
    row("age MAE, years", 4.987, 4.8, 5.2, 2379, "utkface test, all ages", Part.AGE),
    row("age within 5 years", 0.634, 0.61, 0.655, 2379, "utkface test, all ages", Part.AGE),
    row("80 % age interval covers", 0.8, 0.78, 0.82, 2379, "utkface test, all ages", Part.AGE),
    row("age bias, years", 0.524, -0.1, 1.1, 2379, "utkface test, all ages", Part.AGE),
    row("age MAE, years", 9.25, 8.0, 10.5, 40, "utkface test, age 80-89", Part.DECADES),
    row("age MAE, years", 30.0, 20.0, 40.0, 3, "utkface test, age 110-119", Part.DECADES),
    row("gender accuracy", 0.925, 0.914, 0.936, 2379, part=Part.GENDER),
    row("gender calibration error, 15 bins", 0.01, 0.008, 0.02, 2379, part=Part.GENDER),
    row("age MAE, years", 6.5, 6.0, 7.0, 400, "utkface test, group Black", Part.GROUPS),
    row("largest gap between groups, gender accuracy", 0.042, n=2379, part=Part.GROUPS),
    row(f"{ALONE}, gender accuracy", 0.045, 0.031, 0.062, n=2379, part=Part.GROUPS),
    row("largest gap between groups, age MAE, years", 2.31, n=2379, part=Part.GROUPS),
    row(f"{ALONE}, age MAE, years", 1.5, 0.7, 2.25, n=2379, part=Part.GROUPS),
    row("gender accuracy", 0.9, 0.8, 1.0, 50, "utkface test, male, age 20-29", Part.CROSSED),
    row("gender accuracy", 0.5, 0.0, 1.0, 4, "utkface test, male, age 90-99", Part.CROSSED),
    row("age MAE, years", 3.25, 3.0, 3.5, 50, "utkface test, male, age 20-29", Part.CROSSED),
)


def gender_calibration():
    """Eight faces in two bins: half of the unsure and all of the sure answers are right."""
    counts, confidence, right = [0] * 15, [0.0] * 15, [0.0] * 15
    counts[8], confidence[8], right[8] = 4, 0.57, 0.5
    counts[14], confidence[14], right[14] = 4, 0.98, 1.0
    return Calibration(
        what="gender",
        protocol="utkface test",
        error=0.045,
        counts=tuple(counts),
        confidence=tuple(confidence),
        right=tuple(right),
    )


def some_ages():
    """Three faces in two decades."""
    return Ages(
        protocol="utkface test, all ages",
        labelled=(20.0, 25.0, 84.0),
        answered=(22.0, 25.0, 74.0),
        decades=(
            Decade(20, Estimate(1.0, 0.0, 2.0, 2), Estimate(1.0, 1.0, 1.0, 2)),
            Decade(80, Estimate(10.0, 10.0, 10.0, 1), Estimate(0.0, 0.0, 0.0, 1)),
        ),
    )


@pytest.fixture
def report(make_confusion):
    """Two data sets' worth of lines, one of every kind, for the writers."""
    counts = [[0] * 8 for _ in range(8)]
    counts[0][0], counts[0][3] = 15, 5  # a quarter of the neutral faces look sad
    counts[7][0] = 3  # all three: too few to say much
    return Report(
        model="tiny",
        sha256="ab" * 32,
        dataset="ferplus",
        split="test",
        detector="crop",
        images=25,
        answered=24,
        unreadable=1,
        findings=Findings(
            rows=ROWS,
            confusions=(make_confusion(counts),),
            calibrations=(gender_calibration(),),
            ages=(some_ages(),),
        ),
        notes=("ferplus test: no image is labelled fear.",),
    )


@pytest.fixture
def degraded(report):
    """The same, measured again on smaller faces: age and gender, as found and at two widths."""
    values = {
        "age MAE, years": (5.0, 5.25, 9.0),
        "gender accuracy": (0.95, 0.9, 0.75),
        "expression confidence": (0.8, 0.7, 0.6),
    }
    curves, rows = [], []
    for metric, numbers in values.items():
        found = [Estimate(number, 0.5 * number, number, 80) for number in numbers]
        levels = tuple(map(Level, (None, 32, 16), found))
        curves.append(Curve(kind="size", metric=metric, protocol="utkface test", levels=levels))
        rows += [
            Row(metric=metric, protocol=f"utkface test, {name}", estimate=e, part=Part.ROBUSTNESS)
            for name, e in zip(("as found", "32 px", "16 px"), found, strict=True)
        ]
    return replace(report, findings=report.findings + Findings(rows=(*rows,), curves=(*curves,)))
