"""Facial Age: the folder's name is the age."""

from collections import Counter

import pytest

from mien.datasets import FacialAge
from mien.errors import InputError
from mien.images import decode


@pytest.fixture
def files(picture):
    return {
        "face_age/001/7426.png": picture(10, 20, "PNG"),
        "face_age/025/12.PNG": picture(20, 20, "PNG"),
        "face_age/110/9.jpg": picture(30, 20, "PNG"),
        "face_age/025/.DS_Store": b"",
        "face_age/025/._12.png": b"",
        "__MACOSX/face_age/025/12.png": b"",
        "about/readme.txt": b"a folder without images may be called as it likes",
    }


def test_every_layout_gives_the_same_records(lay_out, files):
    data = FacialAge(lay_out("facial-age", files))
    records = list(data.records())
    assert [(r.name.removeprefix("facial-age/"), r.age_years) for r in records] == [
        ("face_age/001/7426.png", 1.0),
        ("face_age/025/12.PNG", 25.0),
        ("face_age/110/9.jpg", 110.0),
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [10, 20, 30]
    assert all(r.person is r.gender is r.age_range is None for r in records)
    assert data.dropped == {}


def test_the_split_is_the_same_in_every_layout(lay_out, files):
    splits = [r.split for r in FacialAge(lay_out("facial-age", files)).records()]
    # CRC-32 of "001/7426.png", "025/12.PNG" and "110/9.jpg", by gzip: 363 605 289,
    # 3 249 695 133 and 2 647 146 604. A last digit of 0 to 7 is train, 8 val, 9 test.
    assert splits == ["test", "train", "train"]


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_a_tenth_each_for_val_and_test(lay_out):
    names = [f"{age:03}/{k}.png" for age in range(1, 101) for k in range(10)]
    count = Counter(r.split for r in FacialAge(lay_out("x", dict.fromkeys(names, b""))).records())
    assert sum(count.values()) == 1000
    assert 60 < count["val"] < 140
    assert 60 < count["test"] < 140


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("old/1.png", r"folder .*old: expected an age like 25, .* got 'old'"),
        ("150/1.png", r"folder .*150: expected an age .* at most 122, got '150'"),
        ("20-29/1.png", r"folder .*20-29: expected one age, got a range; read such .* 'folder'"),
    ],
)
def test_a_folder_that_is_no_age_is_named(lay_out, files, name, problem):
    data = FacialAge(lay_out("facial-age", files | {name: b""}))
    with pytest.raises(InputError, match=problem) as caught:
        list(data.records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
def test_no_images(lay_out):
    with pytest.raises(InputError, match="holds no images"):
        FacialAge(lay_out("facial-age", {"001/readme.txt": b""}))
