"""Label records as target tensors."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.config import EMOTIONS
from mien.datasets import Record
from mien.errors import ConfigError
from mien.training.labels import Labels, emotion_target, encode_labels, labelled
from mien.training.tables import HeadTable

USUAL = {"age": HeadTable(), "gender": HeadTable(), "emotion": HeadTable()}


def record(split="train", **labels):
    return Record(name="face", split=split, **labels)


def test_every_label_by_hand():
    labels = encode_labels(
        [
            record(votes=(0, 6, 1, 3, 0, 0, 0, 0, 0, 0)),
            record(age_years=116.0, gender="male"),
            record(age_range=(3, 9), gender="female"),
            record(votes=(1,) * 10),
            record(age_years=31.5, age_spread=4.25),
            record(expression="sadness"),
        ],
        USUAL,
    )
    assert labels.emotion.shape == (6, 8)
    assert labels.emotion[0].tolist() == pytest.approx([0, 6 / 9, 0, 3 / 9, 0, 0, 0, 0])
    assert not labels.emotion[1:5].any()
    assert labels.emotion[5].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert labels.gender.tolist() == [[0, 0], [0, 1], [1, 0], [0, 0], [0, 0], [0, 0]]
    assert labels.age_years[1] == 100  # the last age means this old or older
    assert labels.age_years[4] == 31.5
    unknown = [math.isnan(years) for years in labels.age_years]
    assert unknown == [True, False, True, True, False, True]
    assert labels.age_spread[4] == 4.25
    assert labels.age_spread.isnan().tolist() == [True] * 4 + [False, True]
    assert torch.nonzero(labels.age_bin).tolist() == [[2, age] for age in range(3, 10)]


def test_a_bin_that_reaches_beyond_the_last_age():
    labels = encode_labels([record(age_range=(70, 120))], USUAL)
    assert torch.nonzero(labels.age_bin[0])[:, 0].tolist() == list(range(70, 101))


def test_labels_are_chosen_and_joined_together():
    labels = encode_labels([record(age_years=float(k), gender="male") for k in range(5)], USUAL)
    few = labels[torch.tensor([4, 0])]
    assert few.age_years.tolist() == [4, 0]
    both = Labels.cat([few, labels])
    assert both.age_years.tolist() == [4, 0, 0, 1, 2, 3, 4]
    assert both.gender.shape == (7, 2)
    assert both.to(torch.device("cpu")).age_bin.shape == (7, 101)


def test_classes_come_in_the_order_of_the_head():
    heads = {"emotion": HeadTable(labels=("sadness", "happiness"))}
    labels = encode_labels(
        [
            record(expression="happiness"),
            record(votes=(0, 2, 0, 6, 0, 0, 0, 0, 0, 0)),
            record(expression="anger"),  # a class that this head does not have
        ],
        heads,
    )
    assert labels.emotion.tolist() == [[0, 1], [0.75, 0.25], [0, 0]]


def test_the_users_own_classes():
    heads = {"emotion": HeadTable(labels=("frown", "grin"))}
    labels = encode_labels([record(expression="grin"), record(expression="happiness")], heads)
    assert labels.emotion.tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("vote_filter", "expected"),
    [
        ("soft", [0, 5 / 9, 0, 4 / 9, 0, 0, 0, 0]),  # single votes dropped
        ("shares", [0.1, 0.5, 0, 0.4, 0, 0, 0, 0]),
        ("majority", [0, 1, 0, 0, 0, 0, 0, 0]),  # 5 of 9
        ("multi-target", [0, 1, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_the_filter_makes_the_target(vote_filter, expected):
    labels = encode_labels([record(votes=(1, 5, 0, 4, 0, 0, 0, 0, 0, 0))], USUAL, vote_filter)
    assert labels.emotion[0].tolist() == pytest.approx(expected)


def test_an_unknown_filter():
    with pytest.raises(ConfigError, match=r"no FER\+ filter is called 'sfot'\. Did you mean"):
        emotion_target(record(votes=(9, *(0,) * 9)), EMOTIONS, "sfot")


def test_votes_for_labels_that_nobody_voted_on():
    with pytest.raises(ConfigError, match=r"FER\+ has no class 'grin'"):
        encode_labels([record(votes=(9, *(0,) * 9))], {"emotion": HeadTable(labels=("grin", "x"))})


def test_without_an_expression_head_votes_are_not_read():
    labels = encode_labels([record(votes=(9, *(0,) * 9), gender="male")], {"gender": HeadTable()})
    assert labels.emotion.shape == (1, 0)
    assert labels.gender.tolist() == [[0, 1]]


def test_which_faces_answer_a_head():
    labels = encode_labels(
        [
            record(),
            record(votes=(9, *(0,) * 9)),
            record(gender="male"),
            record(age_years=3.0),
            record(age_range=(0, 2)),
            record(votes=(1,) * 10),
        ],
        USUAL,
    )
    assert labelled(labels, USUAL).tolist() == [False, True, True, True, True, False]
    for head, expected in (("emotion", [1]), ("gender", [2]), ("age", [3, 4])):
        known = labelled(labels, {head: HeadTable()})
        assert torch.nonzero(known)[:, 0].tolist() == expected
