"""UTKFace by the split files that are published with papers."""

from collections import Counter

import pytest

from mien.datasets import UtkFace
from mien.datasets.utkface_splits import PUBLISHED, read_split, split_key
from mien.errors import InputError

NAMES = [f"{age}_1_0_2017011617452512{age % 10}.jpg.chip.jpg" for age in range(20, 30)]


def published(folder, **rows):
    """Write the files as they are: a nameless row number, the name, and an age from 21 on."""
    for part, names in rows.items():
        lines = [f"{k},{name},{int(name.split('_')[0]) - 21}" for k, name in enumerate(names)]
        (folder / f"utk_{part}.csv").write_text("\n".join([",file,age", *lines, ""]), "utf-8")


@pytest.fixture
def faces(tmp_path, picture):
    folder = tmp_path / "utkface"
    folder.mkdir()
    for name in NAMES:
        # Copies of the pictures come with other endings.
        (folder / name.replace(".jpg.chip.jpg", ".webp")).write_bytes(picture(1, 20, "PNG"))
    return tmp_path


def splits_of(data):
    return {int(r.age_years): r.split for r in data.records()}


def test_three_files(faces):
    published(faces, train=NAMES[1:5], valid=NAMES[5:7], test=NAMES[7:9])
    data = UtkFace(faces)
    assert splits_of(data) == {
        **dict.fromkeys((21, 22, 23, 24), "train"),
        **dict.fromkeys((25, 26), "val"),
        **dict.fromkeys((27, 28), "test"),
    }
    assert data.dropped == {"not in the split file": 2}


def test_two_files_leave_a_tenth_of_train_for_val(tmp_path):
    names = [f"30_0_0_{number:017}.jpg.chip.jpg" for number in range(1000)]
    published(tmp_path, train=names[:800], test=names[800:])
    split = read_split(tmp_path)
    count = Counter(split.values())
    assert count["test"] == 200
    assert 50 < count["val"] < 110
    assert count["train"] == 800 - count["val"]
    # CRC-32 of the tenth name is 2 325 621 378 and ends in 8, of the eleventh 4 254 669 332.
    assert split["30_0_0_00000000000000010"] == "val"
    assert split["30_0_0_00000000000000011"] == "train"
    assert read_split(tmp_path) == split


def test_our_own_file_goes_first(faces):
    published(faces, train=NAMES[:5], test=NAMES[5:])
    (faces / "utkface-split.csv").write_text(f"file,split\n{NAMES[0]},test\n")
    assert splits_of(UtkFace(faces)) == {20: "test"}


def test_no_file_at_all(tmp_path):
    assert read_split(tmp_path) is None


@pytest.mark.parametrize("gone", ["train", "test"])
def test_a_missing_part_is_named(faces, gone):
    published(faces, **dict.fromkeys({"train", "valid", "test"} - {gone}, NAMES[:1]))
    with pytest.raises(InputError, match=rf"{PUBLISHED[gone]} is missing beside .*utk_valid\.csv"):
        UtkFace(faces)


def test_a_picture_in_two_parts_is_a_leak(faces):
    published(faces, train=NAMES[:5], test=NAMES[4:])
    with pytest.raises(
        InputError, match=r"utk_test\.csv, row 2: 24_1_0_.* is in train and in test"
    ):
        UtkFace(faces)


def test_a_missing_column(faces):
    published(faces, train=NAMES[:5], test=NAMES[5:])
    (faces / "utk_test.csv").write_text("image,age\na.jpg,3\n")
    with pytest.raises(InputError, match=r"utk_test\.csv: column 'file' is missing"):
        UtkFace(faces)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("26_1_0_20170116174525125.jpg.chip.jpg", "26_1_0_20170116174525125"),
        ("UTKFace/26_1_0_20170116174525125.webp", "26_1_0_20170116174525125"),
        ("UTKFace\\26_1_0_20170116174525125.jpg", "26_1_0_20170116174525125"),
    ],
)
def test_folders_and_endings_do_not_matter(file, key):
    assert split_key(file) == key
