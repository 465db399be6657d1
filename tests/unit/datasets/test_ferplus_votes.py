"""What votes mean: Barsoum et al. and their public preparation, worked out by hand."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.datasets import (
    EMOTIONS,
    FILTERS,
    FerPlus,
    ferplus_target,
    majority,
    soft_target,
    without_single_votes,
)
from mien.errors import ConfigError

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
HAPPY = (0, 9, 1, 0, 0, 0, 0, 0, 0, 0)
SAD = (3, 0, 0, 6, 0, 0, 0, 0, 1, 0)
NINE = (*EMOTIONS, "unknown")
THREE = ("happiness", "sadness", "neutral")
VOTES = st.lists(st.integers(0, 10), min_size=10, max_size=10).map(tuple)
LABELS = st.lists(st.sampled_from(NINE), min_size=1, unique=True)
FILTER = st.sampled_from(sorted(FILTERS))


def one_hot(column, size=8):
    return tuple(float(k == column) for k in range(size))


def test_single_votes_go():
    assert without_single_votes((1, 6, 1, 2, 0, 0, 0, 0, 0, 0)) == (0, 6, 0, 2, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        (HAPPY, 1),  # 9 of 9: the one vote for surprise is gone
        (SAD, 3),  # 6 of 9
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None),  # half is not more than half
        ((4, 0, 2, 0, 2, 0, 2, 0, 0, 0), None),  # 4 of 10
        ((5, 1, 1, 1, 0, 0, 0, 0, 2, 0), 0),  # 5 of 7; among all ten votes it would be half
        ((4, 1, 1, 1, 1, 0, 0, 1, 1, 0), 0),  # 4 of 4
        ((3, 0, 3, 0, 0, 0, 0, 4, 0, 0), None),  # 4 of 10
        ((0, 0, 0, 0, 0, 0, 0, 8, 2, 0), 7),  # 8 of 10: contempt is the last expression
        ((2, 0, 0, 0, 0, 0, 0, 0, 8, 0), None),  # "unknown"
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),  # "not a face"
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),  # nobody agrees
        ((0,) * 10, None),
        ((0, 0, 0, 2, 0, 0, 0, 0, 0, 1), 3),  # two votes are enough if the others are single
    ],
)
def test_majority_by_hand(votes, label):
    assert majority(votes) == label


@pytest.mark.parametrize(
    ("votes", "target"),
    [
        (HAPPY, (0, 1, 0, 0, 0, 0, 0, 0)),
        ((3, 0, 0, 6, 0, 0, 0, 0, 1, 0), (1 / 3, 0, 0, 2 / 3, 0, 0, 0, 0)),
        # Votes for "unknown" do not count among the shares, but may outweigh them.
        ((2, 0, 0, 2, 0, 0, 0, 0, 4, 0), (0.5, 0, 0, 0.5, 0, 0, 0, 0)),
        ((2, 0, 0, 2, 0, 0, 0, 0, 5, 0), None),
        ((2, 0, 0, 0, 0, 0, 0, 0, 2, 2), None),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),
        ((0,) * 10, None),
    ],
)
def test_soft_target_by_hand(votes, target):
    found = soft_target(votes)
    assert found == (None if target is None else pytest.approx(target))
    assert found is None or sum(found) == pytest.approx(1)


@pytest.mark.parametrize(
    ("votes", "filter", "target"),
    [
        (SAD, "majority", one_hot(3)),
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), "majority", None),
        ((0, 0, 2, 0, 0, 0, 0, 0, 8, 0), "majority", None),
        # The strongest of all ten, single votes too; the first of equals.
        ((4, 0, 2, 0, 2, 0, 2, 0, 0, 0), "arg-max", one_hot(0)),
        ((0, 5, 0, 5, 0, 0, 0, 0, 0, 0), "arg-max", one_hot(1)),
        ((0, 0, 0, 4, 0, 0, 0, 0, 4, 2), "arg-max", one_hot(3)),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "arg-max", one_hot(0)),
        ((0, 0, 0, 3, 0, 0, 0, 0, 4, 3), "arg-max", None),
        ((0, 0, 0, 3, 0, 0, 0, 0, 3, 4), "arg-max", None),
        ((0,) * 10, "arg-max", None),
        # 8 of 8: the single votes are gone.
        ((8, 0, 0, 1, 1, 0, 0, 0, 0, 0), "probability", one_hot(0)),
        # 5, then 3 = 8 of 10, enough: the two votes for fear are left.
        ((5, 0, 0, 3, 0, 0, 2, 0, 0, 0), "probability", (5 / 8, 0, 0, 3 / 8, 0, 0, 0, 0)),
        # Singles go first: 4 + 3 of 9 are enough. 8 + 6 of 19 are not, so a third class comes in.
        ((4, 3, 2, 1, 0, 0, 0, 0, 0, 0), "probability", (4 / 7, 3 / 7, 0, 0, 0, 0, 0, 0)),
        ((8, 6, 5, 1, 0, 0, 0, 0, 0, 0), "probability", (8 / 19, 6 / 19, 5 / 19, 0, 0, 0, 0, 0)),
        # Equal ones come together: 4, then 2, 2, 2 are four classes, too many.
        ((4, 2, 2, 2, 0, 0, 0, 0, 0, 0), "probability", None),
        ((2, 2, 2, 2, 2, 0, 0, 0, 0, 0), "probability", None),
        # "unknown" ends it: 6 of 10 are more than half, 5 of 10 are not.
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), "probability", one_hot(0)),
        ((5, 0, 0, 2, 0, 0, 0, 0, 3, 0), "probability", None),
        ((3, 0, 0, 3, 0, 0, 0, 0, 4, 0), "probability", None),
        ((0, 0, 0, 4, 0, 0, 0, 0, 0, 6), "probability", None),
        ((4, 2, 0, 0, 0, 0, 0, 0, 2, 2), "probability", (4 / 6, 2 / 6, 0, 0, 0, 0, 0, 0)),
        ((1,) * 10, "probability", None),
        # 3 of 10 are 30 %, 2 are not.
        ((5, 3, 2, 0, 0, 0, 0, 0, 0, 0), "multi-target", (1, 1, 0, 0, 0, 0, 0, 0)),
        ((4, 3, 3, 0, 0, 0, 0, 0, 0, 0), "multi-target", (1, 1, 1, 0, 0, 0, 0, 0)),
        # Singles go first: 2 of 6.
        ((4, 2, 1, 1, 1, 1, 0, 0, 0, 0), "multi-target", (1, 1, 0, 0, 0, 0, 0, 0)),
        # The strong ones must have more than half: 4 of 10 have not.
        ((4, 2, 2, 2, 0, 0, 0, 0, 0, 0), "multi-target", None),
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), "multi-target", one_hot(0)),
        ((4, 0, 0, 0, 0, 0, 0, 0, 6, 0), "multi-target", None),
        ((0,) * 10, "multi-target", None),
        (SAD, "soft", (3 / 9, 0, 0, 6 / 9, 0, 0, 0, 0)),
        (HAPPY, "shares", (0, 0.9, 0.1, 0, 0, 0, 0, 0)),
        (SAD, "shares", (3 / 9, 0, 0, 6 / 9, 0, 0, 0, 0)),
        ((1, 1, 1, 1, 1, 0, 0, 0, 5, 0), "shares", (0.2, 0.2, 0.2, 0.2, 0.2, 0, 0, 0)),
        ((1, 1, 1, 1, 0, 0, 0, 0, 6, 0), "shares", None),
        ((0,) * 10, "shares", None),
    ],
)
def test_filters_over_eight_expressions_by_hand(votes, filter, target):
    found = ferplus_target(votes, filter, EMOTIONS)
    assert found == (None if target is None else pytest.approx(target))


@pytest.mark.parametrize(
    ("votes", "filter", "labels", "target"),
    [
        # "unknown" is a class like any other where it is a label; "not a face" never is.
        ((2, 0, 0, 0, 0, 0, 0, 0, 8, 0), "majority", NINE, one_hot(8, 9)),
        ((2, 0, 0, 0, 0, 0, 0, 0, 0, 8), "majority", NINE, None),
        ((0, 0, 0, 3, 0, 0, 0, 0, 4, 3), "arg-max", NINE, one_hot(8, 9)),
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), "probability", NINE, (0.6, *[0] * 7, 0.4)),
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), "multi-target", NINE, (1, *[0] * 7, 1)),
        ((6, 0, 0, 0, 0, 0, 0, 0, 0, 4), "multi-target", NINE, one_hot(0, 9)),
        ((6, 0, 0, 0, 0, 0, 0, 0, 3, 1), "soft", NINE, (6 / 9, *[0] * 7, 3 / 9)),
        ((6, 0, 0, 1, 0, 0, 0, 0, 3, 0), "shares", NINE, (0.6, 0, 0, 0.1, *[0] * 4, 0.3)),
        # Three classes: a winner outside leaves the face out, single votes or not.
        (SAD, "majority", THREE, (0, 1, 0)),
        ((0, 0, 0, 2, 8, 0, 0, 0, 0, 0), "majority", THREE, None),
        ((0, 0, 0, 4, 5, 0, 0, 0, 1, 0), "arg-max", THREE, None),
        ((4, 0, 0, 4, 2, 0, 0, 0, 0, 0), "arg-max", THREE, (0, 0, 1)),
        # Shares are spread over the labels, which must hold at least half of what counts.
        ((3, 0, 0, 2, 5, 0, 0, 0, 0, 0), "soft", THREE, (0, 0.4, 0.6)),
        ((2, 0, 0, 2, 6, 0, 0, 0, 0, 0), "soft", THREE, None),
        ((2, 1, 0, 1, 4, 0, 0, 0, 0, 0), "shares", THREE, (1 / 4, 1 / 4, 2 / 4)),
        ((2, 1, 0, 1, 5, 0, 0, 0, 0, 0), "shares", THREE, None),
        # 5 and 3 are taken; of these 5 lie inside.
        ((5, 0, 0, 0, 3, 0, 2, 0, 0, 0), "probability", THREE, (0, 0, 1)),
        ((3, 0, 0, 0, 5, 0, 2, 0, 0, 0), "probability", THREE, None),
        ((5, 0, 0, 0, 3, 0, 2, 0, 0, 0), "multi-target", THREE, (0, 0, 1)),
        ((4, 0, 0, 4, 2, 0, 0, 0, 0, 0), "multi-target", THREE, (0, 1, 1)),
        ((3, 0, 0, 0, 7, 0, 0, 0, 0, 0), "multi-target", THREE, None),
    ],
)
def test_filters_over_other_labels_by_hand(votes, filter, labels, target):
    found = ferplus_target(votes, filter, labels)
    assert found == (None if target is None else pytest.approx(target))


@given(VOTES)
def test_eight_labels_are_the_official_filter(votes):
    index = majority(votes)
    expected = None if index is None else one_hot(index)
    assert ferplus_target(votes, "majority", EMOTIONS) == expected


@given(VOTES)
def test_eight_labels_are_the_soft_target(votes):
    assert ferplus_target(votes, "soft", EMOTIONS) == soft_target(votes)


@given(VOTES, FILTER, LABELS)
def test_a_target_is_a_distribution_or_a_mask(votes, filter, labels):
    target = ferplus_target(votes, filter, labels)
    if target is None:
        return
    assert len(target) == len(labels)
    if filter == "multi-target":
        assert set(target) <= {0.0, 1.0}
        assert 1 <= sum(target) <= 3
    else:
        assert min(target) >= 0
        assert sum(target) == pytest.approx(1)


@given(VOTES, FILTER, st.permutations(NINE))
def test_the_order_of_labels_only_orders_the_answer(votes, filter, labels):
    plain, turned = ferplus_target(votes, filter, NINE), ferplus_target(votes, filter, labels)
    assert (plain is None) == (turned is None)
    if plain is not None:
        assert dict(zip(labels, turned, strict=True)) == dict(zip(NINE, plain, strict=True))


@given(VOTES, FILTER)
def test_what_a_filter_keeps_is_voted_for(votes, filter):
    target = ferplus_target(votes, filter, NINE)
    assert target is None or all(
        share == 0 or vote for share, vote in zip(target, votes[:9], strict=True)
    )


@given(VOTES)
def test_a_majority_passes_every_filter(votes):
    # More than half of the votes that count are one expression: no filter may lose that face.
    index = majority(votes)
    if index is None:
        return
    for name in ("probability", "multi-target", "soft"):
        target = ferplus_target(votes, name, EMOTIONS)
        assert target is not None
        assert target[index] == max(target)


def test_the_names_of_the_filters():
    assert list(FILTERS) == ["majority", "arg-max", "probability", "multi-target", "soft", "shares"]


@pytest.mark.parametrize(
    ("filter", "labels", "problem"),
    [
        ("argmax", EMOTIONS, r"no FER\+ filter is called 'argmax'\. Did you mean 'arg-max'\?"),
        (
            "",
            EMOTIONS,
            "no FER.* Known: majority, arg-max, probability, multi-target, soft, shares",
        ),
        ("soft", ["happyness"], r"no class 'happyness'\. Did you mean 'happiness'\?"),
        ("soft", ["not a face"], "no class 'not a face'"),
        ("soft", ["anger", "anger"], "labels must be given once each, got anger, anger"),
        ("soft", [], "labels must be given once each, got none"),
    ],
)
def test_a_wrong_filter_or_label_is_named(filter, labels, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        ferplus_target(SAD, filter, labels)
    assert "\n" not in str(caught.value)


def test_what_each_filter_keeps_of_the_test_part(shared_data):
    votes = [r.votes for r in FerPlus(shared_data).records() if r.split == "test"]
    kept = Counter(name for name in FILTERS for v in votes if ferplus_target(v, name, EMOTIONS))
    assert len(votes) == 3573
    assert kept == {
        "majority": 3152,
        "arg-max": 3545,
        "probability": 3504,
        "multi-target": 3471,
        "soft": 3562,
        "shares": 3568,
    }
    # One picture is "not a face" to everybody: nine columns have nothing to say.
    assert sum(ferplus_target(v, "shares", NINE) is not None for v in votes) == 3572
