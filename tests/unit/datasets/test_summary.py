"""Labels are counted by split; copies and people across splits are named."""

import pytest

from mien.datasets import Record
from mien.datasets.summary import (
    count_labels,
    count_splits,
    expression_of,
    labels_agree,
    shared_people,
)

NEUTRAL = (6, 0, 0, 3, 0, 0, 0, 0, 1, 0)  # the single vote goes; 6 of 9 is a majority
TIED = (5, 5, 0, 0, 0, 0, 0, 0, 0, 0)


def face(split="train", **labels):
    return Record(name="x", split=split, **labels)


def rows(records, key):
    [part] = [part for part in count_labels(records) if part.key == key]
    return {value: tuple(row.values()) for value, row in part.rows.items()}


def test_genders_by_split_in_our_order():
    records = [face(gender="male"), face("test", gender="male"), face("val", gender="female")]
    assert rows(records, "gender") == {"female": (0, 1, 0), "male": (1, 0, 1)}
    assert list(rows(records, "gender")) == ["female", "male"]


def test_classes_stand_in_our_order_then_others_then_what_is_none():
    records = [
        face(expression="zest"),
        face(expression="boredom"),
        face(votes=TIED),
        face(expression="anger"),
        face(votes=NEUTRAL),
        face(),
    ]
    names = ["neutral", "anger", "boredom", "zest", "no majority", "no label"]
    assert list(rows(records, "expression")) == names
    assert set(rows(records, "expression").values()) == {(1, 0, 0)}


@pytest.mark.parametrize(
    ("years", "decade"),
    [(0, "0–9"), (9.9, "0–9"), (10, "10–19"), (99.5, "90–99"), (100, "100+"), (116, "100+")],
)
def test_decades(years, decade):
    assert rows([face(age_years=years)], "age") == {decade: (1, 0, 0)}


def test_ranges_are_ordered_by_age_and_not_by_letter():
    ranges = [(100, 100), (3, 9), (20, 29), (70, 100), (0, 2), (3, 9)]
    counted = rows([face(age_range=bounds) for bounds in ranges], "age range")
    assert list(counted) == ["0–2", "3–9", "20–29", "70+", "100+"]
    assert counted["3–9"] == (2, 0, 0)


def test_groups_in_alphabetical_order():
    records = [face(group="White"), face("val", group="Asian"), face("val", group="White")]
    assert rows(records, "group") == {"Asian": (0, 1, 0), "White": (1, 1, 0)}
    assert list(rows(records, "group")) == ["Asian", "White"]


def test_a_label_that_nobody_has_is_not_counted():
    assert [part.key for part in count_labels([face(gender="male"), face()])] == ["gender"]
    assert count_labels([]) == []


def test_total():
    [part] = count_labels([face(gender="male"), face("test", gender="male")])
    assert part.total("male") == 2


def test_votes_bring_their_rule():
    [part] = count_labels([face(votes=NEUTRAL)])
    assert "more than half of the votes" in part.note
    [part] = count_labels([face(expression="anger")])
    assert part.note == ""


def test_every_split_is_counted():
    assert count_splits([face("test"), face("val"), face("test")]) == {
        "train": 0,
        "val": 1,
        "test": 2,
    }


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (face(), None),
        (face(votes=NEUTRAL), "neutral"),
        (face(votes=TIED), "no majority"),
        (face(expression="zest", votes=NEUTRAL), "zest"),
    ],
)
def test_expression(record, expected):
    assert expression_of(record) == expected


def test_people_in_several_splits():
    records = [
        face("train", person="a"),
        face("train", person="a"),
        face("train", person="b"),
        face("test", person="b"),
        face("val", person="c"),
        face("train"),
        face("test"),
    ]
    assert shared_people(records) == {"b"}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, None),
        ({"gender": "male"}, {"age_years": 3}, None),
        ({"gender": "male"}, {"gender": "male"}, True),
        ({"gender": "male"}, {"gender": "female"}, False),
        ({"age_years": 30}, {"age_years": 35}, True),
        ({"age_years": 30}, {"age_years": 35.5}, False),
        ({"age_range": (0, 2)}, {"age_range": (3, 9)}, False),
        ({"votes": NEUTRAL}, {"expression": "neutral"}, True),
        ({"votes": NEUTRAL}, {"votes": TIED}, False),
        ({"gender": "male", "age_years": 1}, {"gender": "male", "age_years": 50}, False),
    ],
)
def test_labels_of_copies(one, other, expected):
    assert labels_agree(face(**one), face("test", **other)) is expected
    assert labels_agree(face("test", **other), face(**one)) is expected
