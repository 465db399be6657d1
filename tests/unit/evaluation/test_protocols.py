"""All protocols together: what the labels allow, and every line says how sure it is."""

import time

import numpy as np
import pytest

from mien.evaluation.findings import Findings
from mien.evaluation.protocols import measure_all
from mien.evaluation.protocols.answers import in_order


def kinds(found):
    return {row.metric.split()[0] for row in found.rows}


def test_what_the_labels_allow(answer, record, votes, side_by_side):
    face = answer(shares={"fear": 1.0}, years=30.0, male=0.9)
    for labels, expected in (
        ({"votes": votes(fear=10)}, {"expression"}),
        ({"expression": "fear"}, set()),  # one class alone is no choice
        ({"age_years": 31.0}, {"age", "80"}),
        ({"age_range": (20, 39)}, {"age"}),
        ({"gender": "male"}, {"gender"}),
        ({"gender": "male", "group": "A"}, {"gender"}),
    ):
        assert kinds(measure_all(side_by_side([(record(**labels), face)]))) == expected
    assert measure_all(side_by_side([])) == Findings()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"shares": {"fear": 1.0}}, {"expression"}),
        ({"years": 30.0}, {"age", "80"}),
        ({"male": 0.9}, {"gender"}),
    ],
    ids=["expression", "age", "gender"],
)
def test_what_the_heads_allow(answer, record, votes, side_by_side, answers, expected):
    label = record(votes=votes(fear=10), age_years=31.0, gender="male")
    assert kinds(measure_all(side_by_side([(label, answer(**answers))]))) == expected


@pytest.fixture
def crowd(answer, record, votes, side_by_side):
    """Function that builds many faces with every label."""

    def build(count):
        random = np.random.default_rng(3)
        years = random.uniform(0, 100, count)
        male = random.uniform(0, 1, count)
        return side_by_side(
            [
                (
                    record(
                        votes=votes(fear=6, anger=3),
                        expression=("fear", "anger", "joyless")[k % 3],
                        age_years=float(k % 100),
                        real_age=float(k % 90),
                        gender=("male", "female")[k % 2],
                        group="ABCDE"[k % 5],
                    ),
                    answer(
                        shares={"fear": male[k], "anger": 1 - male[k]}, years=years[k], male=male[k]
                    ),
                )
                for k in range(count)
            ]
        )

    return build


def test_every_line_says_how_sure_it_is(crowd):
    found = measure_all(crowd(300))
    assert len(found.rows) > 100
    for row in found.rows:
        assert row.estimate.n > 0
        assert row.protocol.startswith("set test")
        if not row.metric.startswith("largest gap"):
            assert row.estimate.low <= row.estimate.value + 1e-9
            assert row.estimate.value <= row.estimate.high + 1e-9
    lines = [(row.metric, row.protocol) for row in found.rows]
    assert len(set(lines)) == len(lines)


def test_thousands_of_faces_take_seconds(crowd):
    faces = crowd(4000)
    start = time.perf_counter()
    found = measure_all(faces)
    # About 1.5 s on one core; one metric after the other would take several times as long.
    assert time.perf_counter() - start < 20
    assert {row.estimate.n for row in found.rows} >= {4000, 800, 40}


def test_order_of_classes():
    assert in_order({"zest", "contempt", "awe", "neutral"}) == (
        "neutral",
        "contempt",
        "awe",
        "zest",
    )
