"""A distribution over ages as one number, an interval and a group."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.attributes.age import age_interval, age_quantile, decode_ages, median_age
from mien.config import MAX_AGE, AgeGroup, AnalyzeConfig

GROUPS = AnalyzeConfig().age_groups


def spread(**masses):
    """One row of 101 probabilities: ``spread(a30=0.5, a40=0.5)``."""
    row = np.zeros((1, MAX_AGE + 1))
    for name, mass in masses.items():
        row[0, int(name[1:])] = mass
    return row


@st.composite
def distributions(draw):
    """Any distribution: smooth, with gaps, or all on one age."""
    weights = draw(
        st.lists(
            st.one_of(st.just(0.0), st.floats(1e-15, 1.0)),
            min_size=MAX_AGE + 1,
            max_size=MAX_AGE + 1,
        ).filter(any)
    )
    row = np.array([weights])
    return row / row.sum()


# --- by hand ----------------------------------------------------------------------------------


def test_median_by_hand():
    # Of 40 years, spread from 39.5 to 40.5, a third makes up the half; all of 0 years is below 0.5.
    rows = np.vstack([spread(a30=1.0), spread(a20=0.25, a40=0.75), spread(a0=1.0)])
    assert median_age(rows) == pytest.approx([30, 39.5 + 1 / 3, 0])


def test_the_few_who_look_far_older_do_not_move_it():
    """The mean would be 5.8 for a face that most probably is of a baby."""
    assert median_age(spread(a0=0.4, a1=0.55, a100=0.05))[0] == pytest.approx(0.5 + 0.1 / 0.55)


@pytest.mark.parametrize(
    ("row", "level", "years"),
    [
        # A year's mass lies evenly on the year: 30 is 29.5 to 30.5.
        (spread(a30=1.0), 0.5, 30.0),
        (spread(a30=1.0), 0.1, 29.6),
        (spread(a30=1.0), 0.9, 30.4),
        (spread(a30=1.0), 1.0, 30.5),
        # Half of the mass on each: a quarter is the middle of the younger year.
        (spread(a20=0.5, a40=0.5), 0.25, 20.0),
        (spread(a20=0.5, a40=0.5), 0.5, 20.5),
        (spread(a20=0.5, a40=0.5), 0.75, 40.0),
        # The scale ends at 0 and at 100 years.
        (spread(a0=1.0), 0.1, 0.0),
        (spread(a0=1.0), 0.9, 0.4),
        (spread(a100=1.0), 0.9, 100.0),
    ],
)
def test_quantile_by_hand(row, level, years):
    assert age_quantile(row, level) == pytest.approx([years])


def test_hardly_any_mass_does_not_throw_a_quantile_far_away():
    # Half of the mass, but for rounding, lies at 20; the rest at 60; next to nothing at 21.
    row = spread(a20=0.5 - 1.0005e-12, a21=1e-15, a60=0.5 + 1e-12)
    assert 20.5 <= age_quantile(row, 0.5)[0] <= 59.5


def test_a_level_takes_every_row_by_itself():
    rows = np.vstack([spread(a30=1.0), spread(a60=1.0), spread(a20=0.5, a40=0.5)])
    assert age_quantile(rows, 0.75) == pytest.approx([30.25, 60.25, 40.0])


def test_all_mass_on_thirty():
    [age] = decode_ages(spread(a30=1.0), (0.1, 0.9), GROUPS)
    assert age.years == 30
    assert (age.low, age.high) == pytest.approx((29.6, 30.4))
    assert age.group == "26-59"
    assert age.groups.probabilities == (0, 0, 1, 0)
    assert age.distribution[30] == 1
    assert sum(age.distribution) == 1


def test_groups_by_hand():
    row = spread(a12=0.1, a13=0.2, a25=0.3, a26=0.15, a60=0.25)
    [age] = decode_ages(row, (0.1, 0.9), GROUPS)
    assert age.groups.labels == ("0-12", "13-25", "26-59", "60+")
    assert age.groups.probabilities == pytest.approx((0.1, 0.5, 0.15, 0.25))
    assert age.group == "13-25"  # although the median is 25.5


def test_an_interval_reaches_to_the_median():
    # The levels of a file may leave it out, on either side.
    row = spread(a10=0.5, a20=0.5)
    [age] = decode_ages(row, (0.1, 0.4), GROUPS)
    assert (age.low, age.years, age.high) == pytest.approx((9.7, 10.5, 10.5))
    [age] = decode_ages(row, (0.6, 0.9), GROUPS)
    assert (age.low, age.years, age.high) == pytest.approx((10.5, 10.5, 20.3))


def test_every_age_is_asked_by_its_own_levels():
    rows = np.vstack([spread(a20=0.5, a40=0.5), spread(a0=1.0), spread(a90=1.0)])
    by_age = ((10.0, 0.3, 0.7), (50.0, 0.1, 0.9))
    low, high = age_interval(rows, (0.0, 1.0), by_age)
    # Between 10 and 50 the lower level falls by 0.005 a year: at 19.5 it is 0.2525, at 20.5 0.2475,
    # where 0 and 0.5 lie below; at 39.5 the upper one is 0.8475, at 40.5 0.8525, with 0.5 and 1.
    # 0 has the levels of 10, 90 those of 50.
    assert low == pytest.approx([20.0, 0.0, 89.6])
    assert high == pytest.approx([39.5 + 0.3475 / 0.495, 0.2, 90.4])
    answers = decode_ages(rows, (0.0, 1.0), GROUPS, by_age)
    assert [a.low for a in answers] == pytest.approx(list(low))
    assert [a.high for a in answers] == pytest.approx(list(high))


def test_a_wider_level_for_one_age_lets_it_in():
    # Of somebody who looks 26, a tenth looks 15 or less: without levels of its own 15 is outside.
    row = spread(a15=0.1, a26=0.9)
    assert age_interval(row, (0.2, 0.8))[0] > 24
    by_age = ((15.0, 0.01, 0.99), (26.0, 0.2, 0.8))
    assert age_interval(row, (0.2, 0.8), by_age)[0] < 15


def test_no_faces_give_no_answers():
    assert decode_ages(np.zeros((0, MAX_AGE + 1)), (0.1, 0.9), GROUPS) == []


# --- for any distribution ---------------------------------------------------------------------


@given(distributions(), st.floats(0.005, 0.49))
def test_the_interval_contains_the_median(row, level):
    [age] = decode_ages(row, (level, 1 - level), GROUPS)
    assert 0 <= age.low <= age.years <= age.high <= MAX_AGE


@st.composite
def levels_by_age(draw):
    """One to five rows of rising age, with levels symmetric about a half."""
    ages = draw(st.lists(st.integers(0, MAX_AGE), min_size=1, max_size=5, unique=True))
    lows = [draw(st.floats(0.0, 0.49)) for _ in ages]
    return tuple((float(a), low, 1 - low) for a, low in zip(sorted(ages), lows, strict=True))


def cumulated(row, years):
    """Share of the distribution below these ages."""
    edges = np.arange(MAX_AGE + 2) - 0.5
    return np.interp(years, edges, np.concatenate([[0], np.cumsum(row)]))


@given(distributions(), levels_by_age())
def test_no_age_within_its_levels_is_outside(row, by_age):
    [low], [high] = age_interval(row, (0.1, 0.9), by_age)
    assert 0 <= low <= median_age(row)[0] <= high <= MAX_AGE
    # At the edges of the years, between which levels and shares are taken for straight.
    edges = np.arange(MAX_AGE) + 0.5
    ages, lowers, uppers = np.array(by_age).T
    share = cumulated(row, edges)
    above = share >= np.interp(edges, ages, lowers) + 1e-9
    below = share <= np.interp(edges, ages, uppers) - 1e-9
    inside = edges[above & below]
    assert all(low - 1e-6 <= age <= high + 1e-6 for age in inside)
    # And nothing younger than the lower end has reached its level, nothing older is below its own.
    reached = share >= np.interp(edges, ages, lowers) + 1e-9
    assert not reached[edges < min(low, median_age(row)[0]) - 1e-6].any()
    fallen = share <= np.interp(edges, ages, uppers) - 1e-9
    assert not fallen[edges > max(high, median_age(row)[0]) + 1e-6].any()


@given(distributions(), st.floats(0.005, 0.49))
def test_the_same_levels_at_every_age_are_quantiles(row, level):
    one = age_interval(row, (level, 1 - level))
    many = age_interval(row, (0.3, 0.7), ((5.0, level, 1 - level), (60.0, level, 1 - level)))
    assert many[0] == pytest.approx(one[0], abs=1e-4)
    # Where no mass lies, every age has the same share below it: the interval ends at its far side.
    assert many[1][0] >= one[1][0] - 1e-4
    assert cumulated(row, many[1]) == pytest.approx(cumulated(row, one[1]), abs=1e-6)


@given(distributions(), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_a_quantile_grows_with_its_level(row, levels):
    ages = [age_quantile(row, level)[0] for level in sorted(levels)]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(ages))


@given(distributions(), st.floats(0.01, 0.99))
def test_so_much_mass_lies_below_a_quantile(row, level):
    edge = age_quantile(row, level)[0] + 0.5
    below = np.interp(edge, np.arange(MAX_AGE + 2), np.concatenate([[0], np.cumsum(row)]))
    # The answer never leaves 0 to 100, so the outer half years may hold more or less.
    if 0.5 < edge < MAX_AGE + 0.5:
        assert below == pytest.approx(level, abs=1e-6)


@given(distributions(), st.sets(st.integers(1, MAX_AGE), max_size=6))
def test_groups_share_out_all_of_the_mass(row, cuts):
    starts = [0, *sorted(cuts), MAX_AGE + 1]
    groups = [AgeGroup(low, after - 1) for low, after in itertools.pairwise(starts)]
    [age] = decode_ages(row, (0.1, 0.9), groups)
    shares = age.groups.probabilities
    assert sum(shares) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in shares)
    assert age.groups[age.group] == max(shares)


@given(distributions())
def test_answers_are_plain_numbers(row):
    [age] = decode_ages(row, (0.1, 0.9), GROUPS)
    numbers = [age.years, age.low, age.high, *age.distribution, *age.groups.probabilities]
    assert {type(number) for number in numbers} == {float}
