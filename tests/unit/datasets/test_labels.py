"""What people write for ages, genders and people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.config import GENDERS
from mien.datasets.labels import (
    GENDER_NAMES,
    OLDEST,
    SPLIT_NAMES,
    OnePlace,
    age_label,
    check_choice,
    gender_name,
    person_key,
)
from mien.datasets.records import SPLITS
from mien.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("25", 25.0),
        ("025", 25.0),
        (" 7 ", 7.0),
        ("110", 110.0),
        ("0", 0.0),
        ("20-29", (20, 29)),
        ("20 - 29", (20, 29)),
        ("20_29", (20, 29)),
        ("0–2", (0, 2)),
        ("60+", (60, 100)),
        ("60-116", (60, 100)),
        ("101-116", (100, 100)),
    ],
)
def test_ages(text, age):
    assert age_label(text, "here") == age
    assert isinstance(age_label(text, "here"), type(age))


@pytest.mark.parametrize(
    "text",
    ["", "old", "123", "-5", "2.5", "29-20", "20-", "20-130", "1999", "²", "20-29-39", "130+"],
)
def test_what_is_no_age(text):
    with pytest.raises(
        InputError, match=r"^here: expected an age like 25, 20-29 or 60\+"
    ) as caught:
        age_label(text, "here")
    assert repr(text) in str(caught.value)


@given(st.integers(0, OLDEST), st.integers(0, OLDEST))
def test_ranges_lie_within_the_ages_of_the_head(one, other):
    low, high = age_label(f"{min(one, other)}-{max(one, other)}", "here")
    assert 0 <= low <= high <= 100


@pytest.mark.parametrize(
    ("text", "gender"),
    [("Female", "female"), ("WOMAN", "female"), ("f", "female"), (" man", "male"), ("M", "male")],
)
def test_genders(text, gender):
    assert gender_name(text, "here") == gender


@pytest.mark.parametrize("text", ["", "0", "unknown", "fe male"])
def test_what_is_no_gender(text):
    with pytest.raises(InputError, match=r"^here: expected a gender \(female, woman, .*got "):
        gender_name(text, "here")


def test_names_lead_to_ours():
    assert set(GENDER_NAMES.values()) == set(GENDERS)
    assert set(SPLIT_NAMES.values()) == set(SPLITS)


@given(st.text(), st.text())
def test_a_person_key_tells_people_apart_and_names_nobody(one, other):
    assert (person_key(one) == person_key(other)) == (one == other)
    assert set(person_key(one)) <= set("0123456789abcdef")
    assert len(person_key(one)) == 16


def test_nobody_may_be_in_two_places():
    places = OnePlace()
    for person, split in (("a", "train"), ("b", "test"), ("a", "train")):
        places.check(person, split, f"{person}.png")
    with pytest.raises(
        InputError,
        match=r"^c\.png: this person is in the split 'val' here and in 'train' in a\.png",
    ):
        places.check("a", "val", "c.png")


def test_a_choice():
    check_choice("images", "face", ("face", "full"))
    with pytest.raises(ConfigError, match=r"^images must be one of face, full; got 'fulll'\. Did"):
        check_choice("images", "fulll", ("face", "full"))
