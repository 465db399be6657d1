"""Faces with answers that a test can work its numbers out for."""

import pytest

from mien.config import EMOTIONS, GENDERS
from mien.evaluation.metrics import Estimate
from mien.evaluation.protocols import Row
from mien.evaluation.run import Report
from mien.results import Age, Box, Distribution, Face

BOX = Box(0.0, 0.0, 50.0, 50.0)


@pytest.fixture(scope="session")
def answer():
    """Function that builds a face: expression shares, age with interval, probability of male."""

    def build(*, shares=None, years=None, reach=5.0, male=None):
        age = emotion = gender = None
        if shares is not None:
            values = tuple(float(shares.get(name, 0.0)) for name in EMOTIONS)
            emotion = Distribution(EMOTIONS, values)
        if years is not None:
            age = Age(
                years=years,
                low=years - reach,
                high=years + reach,
                group="0+",
                groups=Distribution(("0+",), (1.0,)),
                distribution=(0.0,) * 101,
            )
        if male is not None:
            gender = Distribution(GENDERS, (1 - male, male))
        return Face(box=BOX, score=1.0, age=age, emotion=emotion, gender=gender)

    return build


def row(metric, value, low=None, high=None, n=100, protocol="utkface test"):
    nan = float("nan")
    estimate = Estimate(value, nan if low is None else low, nan if high is None else high, n)
    return Row(metric=metric, protocol=protocol, estimate=estimate)


@pytest.fixture(scope="session")
def make_row():
    """Function that builds one line of a report."""
    return row


@pytest.fixture
def report():
    """Two data sets' worth of lines, one of every kind, for the writers."""
    confusion = [[0] * 8 for _ in range(8)]
    confusion[0][0], confusion[0][3] = 15, 5  # a quarter of the neutral faces look sad
    confusion[7][0] = 3  # all three: too few to say much
    return Report(
        model="tiny",
        sha256="ab" * 32,
        dataset="ferplus",
        split="test",
        detector="crop",
        images=25,
        answered=24,
        unreadable=1,
        rows=(
            row("expression accuracy", 0.8224, 0.805, 0.84, 3152, "ferplus test, majority"),
            row("expression MAE over 9 columns", 0.05781, 0.0567, 0.0589, 3573),
            row("expression calibration error, 15 bins", 0.0231, 0.0198, 0.031, 3152),
            row("expression recall, contempt", 0.25, 0.0, 0.5, 16),
            row("age MAE, years", 4.987, 4.8, 5.2, 2379, "utkface test, all ages"),
            row("age MAE, years", 9.25, 8.0, 10.5, 40, "utkface test, age 80-89"),
            row("age MAE, years", 30.0, 20.0, 40.0, 3, "utkface test, age 110-119"),
            row("age MAE, years", 6.5, 6.0, 7.0, 400, "utkface test, group Black, all ages"),
            row("age within 5 years", 0.634, 0.61, 0.655, 2379, "utkface test, all ages"),
            row("80 % age interval covers", 0.8, 0.78, 0.82, 2379, "utkface test, all ages"),
            row("gender accuracy", 0.925, 0.914, 0.936, 2379),
            row("gender calibration error, 15 bins", 0.01, 0.008, 0.02, 2379),
            row("largest gap between groups, gender accuracy", 0.042, n=2379),
            row("largest gap between groups, age MAE, years", 2.31, n=2379),
        ),
        confusion=tuple(map(tuple, confusion)),
    )
