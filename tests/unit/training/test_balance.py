"""Rare groups are drawn more often: weights by hand, rounds as a function of seed and number."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.errors import ConfigError
from mien.training import loader
from mien.training.balance import LABELS, LIMIT, Rounds, decade, expression, groups_of, weights_of
from mien.training.labels import encode_labels
from mien.training.loader import Mixer, Part, check_parts, stream_seed
from mien.training.recipe import Recipe
from mien.training.tables import BALANCED, DataTable, HeadTable

HEADS = {"age": HeadTable(), "gender": HeadTable()}


def record(**labels):
    return Record(name="face", split="train", **labels)


def table(**settings):
    return DataTable(**{"path": "p", "per_batch": 1, **settings})


def people(**counts):
    """Faces by gender and age, e.g. ``female_25=3``."""
    faces = []
    for name, count in counts.items():
        gender, _, age = name.partition("_")
        faces += [record(gender=gender, age_years=float(age))] * count
    return faces


def part_of(records, **settings):
    chips = torch.zeros(len(records), 1, 36, 36, dtype=torch.uint8)
    return Part("p", chips, encode_labels(records, HEADS), records, table(**settings))


# --- groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"age_years": 0.0}, "0-2"),
        ({"age_years": 2.4}, "0-2"),
        ({"age_years": 2.6}, "3-9"),
        ({"age_years": 9.4}, "3-9"),
        ({"age_years": 9.6}, "10s"),
        ({"age_years": 59.0}, "50s"),
        ({"age_years": 116.0}, "100s"),
        ({"age_range": (0, 2)}, "0-2"),
        ({"age_range": (3, 9)}, "3-9"),
        ({"age_range": (10, 19)}, "10s"),
        ({"age_range": (70, 120)}, "70s"),
        ({"gender": "male"}, None),
    ],
    ids=str,
)
def test_decades(labels, expected):
    assert decade(record(**labels)) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"votes": (1, 0, 0, 5, 0, 0, 0, 0, 9, 0)}, "sadness"),  # "unknown" is no expression
        ({"votes": (0,) * 8 + (9, 1)}, None),
        ({"expression": "bored"}, "bored"),
        ({}, None),
    ],
    ids=str,
)
def test_expressions(labels, expected):
    assert expression(record(**labels)) == expected


def test_labels_are_crossed_in_the_order_of_the_recipe():
    faces = [
        record(gender="male", age_years=33.0, group="Indian"),
        record(gender="female", group="Indian"),
        record(gender="male", age_range=(30, 39)),
    ]
    assert groups_of(faces, table(balance_by=("gender", "age"))) == [
        ("male", "30s"),
        ("female", None),
        ("male", "30s"),
    ]
    assert groups_of(faces, table(balance_by=("race",))) == [("Indian",), ("Indian",), (None,)]


def test_every_name_of_the_recipe_is_known():
    assert tuple(LABELS) == BALANCED


# --- weights ------------------------------------------------------------------------------------


def weights(balance, **counts):
    """Weight by group, and the sum over all faces."""
    groups = [(name,) for name, count in counts.items() for _ in range(count)]
    found = weights_of(groups, balance)
    assert len(found) == len(groups)
    return {g: float(w) for (g,), w in zip(groups, found, strict=True)}, float(found.sum())


def test_all_groups_equally_often_by_hand():
    found, total = weights(1.0, many=60, some=30, few=10)
    assert found == pytest.approx({"many": 100 / 180, "some": 100 / 90, "few": 100 / 30})
    assert total == pytest.approx(100)


def test_half_way_by_hand():
    # Shares 0.64 and 0.36 have the roots 0.8 and 0.6: so are the draws, of 100.
    found, total = weights(0.5, many=64, few=36)
    assert found == pytest.approx({"many": 80 / 1.4 / 64, "few": 60 / 1.4 / 36})
    assert total == pytest.approx(100)


def test_no_balance_is_no_balance():
    assert weights(0.0, many=64, few=36)[0] == pytest.approx({"many": 1, "few": 1})


def test_the_rarest_are_limited_and_the_others_get_the_rest():
    found, total = weights(1.0, many=900, some=90, few=9, one=1)
    assert found["few"] == found["one"] == LIMIT == 8
    # 1000 draws less 72 and 8, half for each of the others; 460 / 90 is below the limit.
    assert found["many"] == pytest.approx(460 / 900)
    assert found["some"] == pytest.approx(460 / 90)
    assert total == pytest.approx(1000)


def test_a_group_can_reach_the_limit_when_another_one_has():
    # Of 1000 draws each group would get 250: 7.8 a face for `some`, too many only for `few` and
    # `one`. What these cannot take makes it 8.3.
    found, total = weights(1.0, many=948, some=32, few=15, one=5)
    assert found["some"] == found["few"] == found["one"] == 8
    assert found["many"] == pytest.approx((1000 - 8 * 52) / 948)
    assert total == pytest.approx(1000)


def test_one_group_alone():
    assert weights(1.0, all=5)[0] == {"all": 1.0}


# --- rounds -------------------------------------------------------------------------------------

CROWD = {"female_25": 530, "male_25": 300, "female_65": 101, "male_65": 60, "male_95": 9}


@pytest.mark.parametrize("balance", [0.3, 0.5, 1.0])
def test_groups_have_their_share_in_every_round(balance):
    faces = people(**CROWD)
    settings = table(balance=balance)
    groups = groups_of(faces, settings)
    expected = Counter()
    for group, weight in zip(groups, weights_of(groups, balance), strict=True):
        expected[group] += weight
    rounds = Rounds(faces, settings, seed=1)
    for number in range(20):
        rows = rounds.faces(number).tolist()
        assert len(rows) == len(faces)
        found = Counter(groups[row] for row in rows)
        assert all(abs(found[group] - count) < 1 for group, count in expected.items()), number


def test_faces_have_their_share_and_none_is_lost_for_long():
    faces = people(female_25=850, male_25=50, female_65=50, male_65=50)
    settings = table(balance=1.0)
    weight = weights_of(groups_of(faces, settings), 1.0)
    rounds = Rounds(faces, settings, seed=1)
    drawn = np.stack([np.bincount(rounds.faces(k), minlength=len(faces)) for k in range(300)])
    assert (np.floor(weight) <= drawn).all()
    assert (drawn <= np.ceil(weight)).all()
    assert np.abs(drawn.mean(0) - weight).max() < 0.02
    for row, w in enumerate(weight):
        seen = [-1, *np.flatnonzero(drawn[:, row]), 300]
        assert max(b - a for a, b in pairwise(seen)) <= 2 / w + 1
    assert weight.min() < 0.3  # so that this says something


def test_faces_of_one_group_do_not_always_come_together():
    faces = people(female_25=900, male_25=100)
    rounds = Rounds(faces, table(balance=1.0), seed=1)
    first, second = (set(rounds.faces(number).tolist()) for number in (0, 1))
    assert first != second
    # Where they stand in the data set does not matter: neighbours are no company.
    women = sorted(row for row in first if row < 900)
    gaps = Counter(b - a for a, b in pairwise(women))
    assert len(gaps) > 4


def test_a_round_depends_on_seed_and_number_alone():
    faces = people(**CROWD)
    first, second = (Rounds(faces, table(balance=0.5), seed=4) for _ in range(2))
    expected = [first.faces(number).tolist() for number in range(8)]
    assert [second.faces(number).tolist() for number in (5, 0, 7)] == [
        expected[number] for number in (5, 0, 7)
    ]
    assert Rounds(faces, table(balance=0.5), seed=5).faces(0).tolist() != expected[0]


# --- batches ------------------------------------------------------------------------------------


def batches_of(parts, steps, seed=5):
    mixer = Mixer(parts, seed)
    return [[rows.tolist() for rows in mixer.rows(step)] for step in range(steps)]


def test_many_batches_have_the_wanted_shares():
    """One in ten is old; at balance 1 it is one in two, in every hundred faces about."""
    part = part_of(people(female_25=450, female_65=50), balance=1.0, per_batch=20)
    old = [sum(row >= 450 for row in rows) for [rows] in batches_of([part], 500)]
    assert np.mean(old) == pytest.approx(10, abs=0.05)
    # As many as if drawn at random from the round: spread, not one half of the batch each time.
    assert 1.5 < np.std(old) < 3
    assert all(20 < sum(old[k : k + 5]) < 80 for k in range(495))


def test_a_batch_depends_on_seed_and_step_alone():
    parts = [part_of(people(**CROWD), balance=0.5, per_batch=70), part_of(people(male_1=9))]
    straight = batches_of(parts, 40)  # almost three rounds
    for step in (17, 3, 39):
        fresh = Mixer(parts, 5)
        assert [rows.tolist() for rows in fresh.rows(step)] == straight[step]
    assert batches_of(parts, 40, seed=6) != straight


def test_two_processes_share_one_larger_batch(monkeypatch):
    faces = people(**CROWD)
    expected = batches_of([part_of(faces, balance=0.5, per_batch=300)], 9)
    monkeypatch.setattr(loader, "world", lambda: 2)
    shares = []
    for number in range(2):
        monkeypatch.setattr(loader, "rank", lambda number=number: number)
        shares.append(batches_of([part_of(faces, balance=0.5, per_batch=150)], 9))
    assert [[a + b] for [a], [b] in zip(*shares, strict=True)] == expected


def test_without_balance_every_batch_is_what_it_always_was():
    """The shuffled rounds of every earlier version, written out."""
    faces = people(female_25=30, male_65=7)
    plain = part_of(faces, per_batch=8, balance=0.0, balance_by=("race",))
    balanced = part_of(faces, per_batch=3, balance=0.5)
    found = [rows for rows, _ in batches_of([plain, balanced], 30)]
    rounds = []
    for number in range(7):
        generator = torch.Generator().manual_seed(stream_seed(5, 1, number))
        rounds += torch.randperm(37, generator=generator).tolist()
    assert found == [rounds[8 * step : 8 * step + 8] for step in range(30)]


# --- recipes that do not fit --------------------------------------------------------------------


def test_a_data_set_without_the_label():
    parts = [part_of(people(female_25=2, male_25=2), balance=0.5, balance_by=("age", "race"))]
    with pytest.raises(ConfigError) as caught:
        check_parts(parts, {"gender": HeadTable(objective="cross-entropy")})
    assert str(caught.value) == (
        "p: balance_by names 'race', and no training face there has that label. "
        "Known there: age, gender."
    )


def test_a_data_set_without_any_label():
    with pytest.raises(ConfigError, match=r"has that label\. Set balance to 0\.$"):
        groups_of([record(), record()], table(balance=1.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balanced": 0.5}, "[data] has no key 'balanced'. Did you mean 'balance'?"),
        ({"balance": 1.5}, "[data]: balance must lie between 0 and 1, got 1.5"),
        ({"balance": "half"}, "[data] balance must be a number, got 'half'"),
        ({"balance_by": "age"}, "[data] balance_by must be a list of text, got 'age'"),
        (
            {"balance_by": ["age", "gendre"]},
            "[data]: balance_by must be one of age, gender, race, expression; got 'gendre'. "
            "Did you mean 'gender'?",
        ),
        ({"balance_by": []}, "[data]: balance_by must name labels once each, got ()"),
        (
            {"balance_by": ["age", "age"]},
            "[data]: balance_by must name labels once each, got ('age', 'age')",
        ),
    ],
    ids=str,
)
def test_wrong_settings(recipe_table, settings, message):
    recipe_table["data"][1] |= settings
    with pytest.raises(ConfigError) as caught:
        Recipe.from_mapping(recipe_table)
    assert str(caught.value) == message
