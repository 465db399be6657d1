"""Ages against apparent and real labels; worked out by hand."""

import pytest

from mien.evaluation.findings import Part
from mien.evaluation.protocols.age import (
    age_errors,
    age_findings,
    bin_findings,
    bin_hits,
    interval_hits,
    interval_widths,
)


@pytest.fixture
def ages(answer, record, votes, side_by_side):
    return side_by_side(
        [
            (record(age_years=20.0), answer(years=23.0)),  # 3 off, inside 18-28
            (record(age_years=29.0), answer(years=35.0)),  # 6 off, outside 30-40
            (record(age_years=30.0), answer(years=25.0)),  # 5 off, on the edge
            (record(age_years=116.0), answer(years=96.0)),  # 20 off; 100 is inside 91-101
            (record(votes=votes(neutral=10)), answer(years=50.0)),
            (record(age_years=40.0), answer(male=0.5)),
        ]
    )


def test_ages_by_hand(ages, value):
    found = age_findings(ages)
    assert value(found, "age MAE, years", "set test, all ages") == ((3 + 6 + 5 + 20) / 4, 4)
    assert value(found, "age within 5 years", "set test, all ages") == (0.5, 4)
    assert value(found, "80 % age interval covers", "set test, all ages") == (0.75, 4)
    assert value(found, "age bias, years", "set test, all ages") == ((3 + 6 - 5 - 20) / 4, 4)


def test_ages_by_decade(ages, value):
    found = age_findings(ages)
    rows = [row for row in found.rows if row.part is Part.DECADES]
    errors = [row for row in rows if row.metric == "age MAE, years"]
    assert [(row.protocol, row.estimate.value, row.estimate.n) for row in errors] == [
        ("set test, age 20-29", 4.5, 2),
        ("set test, age 30-39", 5, 1),
        ("set test, age 110-119", 20, 1),
    ]
    assert len(rows) == 3 * 4
    assert value(found, "age bias, years", "set test, age 30-39") == (-5, 1)
    assert value(found, "80 % age interval covers", "set test, age 20-29") == (0.5, 2)


def test_single_faces_are_kept_for_figures(ages):
    [kept] = age_findings(ages).ages
    assert kept.protocol == "set test, all ages"
    assert kept.labelled == (20, 29, 30, 116)
    assert kept.answered == (23, 35, 25, 96)
    assert [(d.start, d.error.value, d.covered.value) for d in kept.decades] == [
        (20, 4.5, 0.5),
        (30, 5, 1),
        (110, 20, 1),
    ]


def test_no_ages(answer, record, side_by_side):
    assert age_findings(side_by_side([(record(gender="male"), answer(years=3.0))])).rows == ()
    assert age_findings(side_by_side([])).rows == ()


def test_real_age_beside_apparent_age(answer, record, side_by_side, value):
    pairs = [
        (record(age_years=30.0, real_age=36.0), answer(years=31.0)),
        (record(age_years=40.0, real_age=40.0), answer(years=37.0)),
        (record(age_years=50.0), answer(years=50.0)),
    ]
    found = age_findings(side_by_side(pairs))
    apparent, real = "set test, apparent age, all ages", "set test, real age, all ages"
    assert value(found, "age MAE, years", apparent) == (pytest.approx(4 / 3), 3)
    assert value(found, "age MAE, years", real) == (4, 2)
    assert value(found, "age bias, years", real) == (-4, 2)
    assert value(found, "80 % age interval covers", real) == (1, 2)
    assert [kept.protocol for kept in found.ages] == [apparent, real]
    assert value(found, "age MAE, years", "set test, real age, age 30-39") == (5, 1)


def test_real_age_alone(answer, record, side_by_side):
    pairs = [(record(real_age=30.0), answer(years=31.0))]
    assert {row.protocol for row in age_findings(side_by_side(pairs)).rows} == {
        "set test, real age, all ages",
        "set test, real age, groups 0-12, 13-25, 26-59, 60+",
        "set test, real age, age 30-39",
    }
    hits = age_errors(side_by_side(pairs))
    assert (hits.where, hits.values.tolist()) == ("set test, real age", [1])


def test_errors_face_by_face(ages, answer, record, side_by_side):
    errors = age_errors(ages)
    assert errors.faces.tolist() == [0, 1, 2, 3]
    assert errors.values.tolist() == [3, 6, 5, 20]
    assert (errors.metric, errors.where, errors.after) == (
        "age MAE, years",
        "set test",
        ", all ages",
    )
    both = [(record(age_years=30.0, real_age=36.0), answer(years=31.0))]
    errors = age_errors(side_by_side(both))
    assert (errors.where, errors.values.tolist()) == ("set test, apparent age", [1])


def test_intervals_face_by_face(ages, answer, record, side_by_side):
    hits, widths = interval_hits(ages), interval_widths(ages)
    assert hits.faces.tolist() == widths.faces.tolist() == [0, 1, 2, 3]
    assert hits.values.tolist() == [1, 0, 1, 1]
    assert widths.values.tolist() == [10] * 4
    # A width needs no label: where nobody has one, all faces count.
    unlabelled = side_by_side([(record(gender="male"), answer(years=30.0, reach=3.0))] * 2)
    assert interval_widths(unlabelled).values.tolist() == [6, 6]
    assert interval_hits(unlabelled).values.tolist() == []


def test_bins_by_hand(answer, record, side_by_side, value):
    pairs = [
        (record(age_range=(20, 29)), answer(years=29.4)),  # 29
        (record(age_range=(20, 29)), answer(years=29.6)),  # 30
        (record(age_range=(0, 2)), answer(years=0.2)),
        (record(age_range=(70, 100)), answer(years=69.4)),
        (record(age_years=30.0), answer(years=30.0)),
    ]
    found = bin_findings(side_by_side(pairs))
    assert value(found, "age in labelled bin", "set test") == (0.5, 4)
    assert bin_hits(side_by_side(pairs)).values.tolist() == [1, 0, 1, 0]
    assert bin_findings(side_by_side(pairs[-1:])).rows == ()


def test_age_groups_by_hand(ages, value):
    """23 for 20 and 35 for 29 are right, 25 for 30 is too young, 96 for 116 is 60 or more."""
    found = age_findings(ages)
    assert value(found, "age group accuracy", "set test, groups 0-12, 13-25, 26-59, 60+") == (
        0.75,
        4,
    )
