"""Gender as data sets label it; worked out by hand."""

import pytest

from mien.evaluation.protocols.gender import gender_findings, gender_hits


@pytest.fixture
def faces(answer, record, side_by_side):
    return side_by_side(
        [
            (record(gender="male"), answer(male=0.9)),
            (record(gender="male"), answer(male=0.2)),
            (record(age_years=3.0), answer(male=0.9)),
            (record(gender="female"), answer(male=0.1)),
            (record(gender="female"), answer(male=0.5)),  # a tie goes to the label that is first
            (record(gender="female"), answer(years=3.0)),
        ]
    )


def test_gender_by_hand(faces, value):
    found = gender_findings(faces)
    assert value(found, "gender accuracy", "set test") == (0.75, 4)
    assert value(found, "gender accuracy, labelled male") == (0.5, 2)
    assert value(found, "gender accuracy, labelled female") == (1.0, 2)


def test_calibration_by_hand(faces, value):
    # 0.9 twice, both right: |1.8 - 2|; 0.8 wrong: 0.8; 0.5 right: 0.5.
    found = gender_findings(faces)
    error, _ = value(found, "gender calibration error, 15 bins")
    assert error == pytest.approx((0.2 + 0.8 + 0.5) / 4)
    [calibration] = found.calibrations
    assert (calibration.what, calibration.protocol) == ("gender", "set test")
    assert calibration.counts[13] == 2
    assert calibration.confidence[13] == pytest.approx(0.9)
    assert calibration.right[13] == 1


def test_one_gender_alone_has_one_line(answer, record, side_by_side):
    found = gender_findings(side_by_side([(record(gender="male"), answer(male=0.9))]))
    assert [row.metric for row in found.rows] == [
        "gender accuracy",
        "gender calibration error, 15 bins",
        "gender accuracy, labelled male",
    ]


def test_hits_face_by_face(faces, side_by_side):
    hits = gender_hits(faces)
    assert (hits.faces.tolist(), hits.values.tolist()) == ([0, 1, 3, 4], [1, 0, 1, 1])
    assert gender_findings(side_by_side([])).rows == ()
