"""Groups of people and the gaps between them; worked out by hand."""

from math import comb

import pytest

from mien.evaluation.findings import Part
from mien.evaluation.protocols import MIN_GROUP
from mien.evaluation.protocols.groups import crossed_groups, group_findings

CROSSED_GAP = "largest gap between gender × age × race groups, "


@pytest.fixture
def group(answer, record):
    """Function that gives faces of one group: `right` of them are right, and off by a year."""

    def build(name, right, count, **labels):
        return [
            (
                record(**{"gender": "male", "age_years": 30.0, "group": name, **labels}),
                answer(male=male, years=30.0 + off),
            )
            for male, off in [(0.9, 1.0)] * right + [(0.1, 4.0)] * (count - right)
        ]

    return build


def test_gaps_between_groups_of_enough_faces(group, side_by_side, value):
    pairs = group("A", 27, 30) + group("B", 24, 32) + group("C", 0, MIN_GROUP - 1)
    found = group_findings(side_by_side(pairs))
    assert value(found, "gender accuracy", "set test, group A") == (0.9, 30)
    assert value(found, "gender accuracy", "set test, group C") == (0, 29)  # listed all the same
    gap, n = value(found, "largest gap between groups, gender accuracy")
    assert gap == pytest.approx(0.9 - 0.75)
    assert n == 62  # the faces that were compared
    # Errors: A (27 * 1 + 3 * 4) / 30 = 1.3, B (24 * 1 + 8 * 4) / 32 = 1.75.
    assert value(found, "age MAE, years", "set test, group A, all ages") == (pytest.approx(1.3), 30)
    gap, _ = value(
        found, "largest gap between groups, age MAE, years", "set test, groups of at least 30"
    )
    assert gap == pytest.approx(0.45)


CHANCE = "largest gap that age and chance alone make, gender accuracy"


def test_groups_that_are_alike_show_the_gap_of_chance(group, side_by_side):
    pairs = group("A", 45, 50) + group("B", 45, 50)
    rows = {row.metric: row for row in group_findings(side_by_side(pairs)).rows}
    found = rows[CHANCE].estimate
    # Of 10 that are wrong, k are in A: hypergeometric, so the gap has a mean of E|2k - 10| / 50.
    share = [comb(10, k) * comb(90, 50 - k) / comb(100, 50) for k in range(11)]
    mean = sum(p * abs(2 * k - 10) / 50 for k, p in enumerate(share))
    assert found.value == pytest.approx(mean, abs=0.004)
    assert (found.low, found.high) == (0.0, pytest.approx(0.12))
    assert found.n == 100
    assert rows[CHANCE].protocol == (
        "set test, groups of at least 30; people of the same age shuffled between them"
    )


def test_what_age_makes_is_not_laid_to_the_group(group, side_by_side):
    # Children are always wrong, others always right, and B has more children: nothing but age.
    pairs = [
        *group("A", 0, 10, age_years=5.0),
        *group("A", 40, 40),
        *group("B", 0, 30, age_years=5.0),
        *group("B", 20, 20),
    ]
    rows = {row.metric: row for row in group_findings(side_by_side(pairs)).rows}
    gap = rows["largest gap between groups, gender accuracy"].estimate
    assert gap.value == pytest.approx(0.4)
    alone = rows[CHANCE].estimate
    assert (alone.value, alone.low, alone.high) == pytest.approx((0.4, 0.4, 0.4))


def test_small_groups_are_not_shuffled(group, side_by_side):
    pairs = group("A", 30, 30) + group("B", 30, 30) + group("C", 0, MIN_GROUP - 1)
    rows = {row.metric: row for row in group_findings(side_by_side(pairs)).rows}
    assert (rows[CHANCE].estimate.high, rows[CHANCE].estimate.n) == (0.0, 60)


def test_one_group_has_no_gap(group, answer, record, side_by_side):
    found = group_findings(side_by_side(group("A", 20, 40)))
    assert not [row for row in found.rows if row.metric.startswith("largest gap")]
    only_gender = side_by_side([(record(gender="male"), answer(male=0.9))])
    assert group_findings(only_gender).rows == ()


def test_gender_age_and_race_together(group, side_by_side, value):
    pairs = [
        *group("A", 30, 30),
        *group("A", 15, 30, age_years=25.0),  # answered 31 and 34: off by 6 and 9
        *group("A", 0, 3, age_years=109.0),
        *group("B", 20, 40, gender="female"),  # half right: the other half
    ]
    found = group_findings(side_by_side(pairs))
    crossed = [row for row in found.rows if row.part is Part.CROSSED]
    assert [row.protocol for row in crossed if row.metric == "gender accuracy"] == [
        "set test, female, age 30-39, B",
        "set test, male, age 20-29, A",
        "set test, male, age 30-39, A",
        "set test, male, age 100-109, A",  # after 30-39, and too few to be compared
    ]
    assert value(found, "gender accuracy", "set test, male, age 20-29, A") == (0.5, 30)
    assert value(found, "age MAE, years", "set test, male, age 20-29, A") == (7.5, 30)
    gap, n = value(found, f"{CROSSED_GAP}gender accuracy")
    assert (gap, n) == (0.5, 100)
    gap, n = value(
        found,
        f"{CROSSED_GAP}age MAE, years",
        "set test, 3 of 4 groups have at least 30 faces; "
        "lowest: male, age 30-39, A; highest: male, age 20-29, A",
    )
    assert (gap, n) == (pytest.approx(7.5 - 1.0), 100)


def test_bins_and_open_ends(record):
    records = [
        record(gender="male", age_range=(20, 29), group="A"),
        record(gender="male", age_range=(70, 100), group="A"),
        record(gender="male", real_age=45.0, group="A"),
        record(gender="male", group="A"),
    ]
    groups, dimensions = crossed_groups(records)
    assert dimensions == ("gender", "age", "race")
    assert groups == ["male, age 20-29, A", "male, age 70+, A", "male, age 40-49, A", None]


def test_dimensions_that_are_not_labelled_are_left_out(record):
    groups, dimensions = crossed_groups([record(gender="female", age_years=0.0)])
    assert (groups, dimensions) == (["female, age 0-9"], ("gender", "age"))
    assert crossed_groups([record(age_years=30.0)]) == ([None], ())
    assert crossed_groups([]) == ([], ())


def test_expressions_by_group(answer, record, side_by_side, value):
    pairs = [
        (record(expression=label, group=group), answer(shares={"fear": 0.9, "anger": 0.1}))
        for group, label, count in (("A", "fear", 30), ("B", "fear", 20), ("B", "anger", 20))
        for _ in range(count)
    ]
    found = group_findings(side_by_side(pairs, classes=("anger", "fear")))
    assert value(found, "expression accuracy", "set test, group B") == (0.5, 40)
    assert value(found, "largest gap between groups, expression accuracy") == (0.5, 70)


def test_bins_by_group(answer, record, side_by_side, value):
    pairs = [
        (record(age_range=(20, 29), group="A"), answer(years=25.0)),
        (record(age_range=(20, 29), group="A"), answer(years=45.0)),
    ]
    found = group_findings(side_by_side(pairs))
    assert value(found, "age in labelled bin", "set test, group A") == (0.5, 2)
