"""UTKFace: everything stands in the file name, and a few names lack a field."""

from collections import Counter

import pytest

from mien.datasets import UtkFace
from mien.datasets.utkface_splits import SPLIT_FILE
from mien.errors import InputError
from mien.images import decode

GOOD = {
    "1_0_2_20161219140623097.jpg.chip.jpg": (1, "male", "Asian"),
    "26_1_0_20170116174525125.webp": (26, "female", "White"),
    "116_1_3_20170120134921760.png": (116, "female", "Indian"),
    "40_0_4_20170103183730850.jpeg": (40, "male", "Others"),
    "9_0_1_20170110224716190.jpg": (9, "male", "Black"),
}
BAD = [
    "39_1_20170116174525125.jpg.chip.jpg",  # these names are in the published archive
    "61_3_20170109150557335.jpg.chip.jpg",
    "53__0_20170116184028385.jpg",
    "._26_1_0_20170116174525125.jpg",
    "portrait.jpg",
]


@pytest.fixture
def files(picture):
    files = {name: picture(10 * k, 20, "PNG") for k, name in enumerate(GOOD)}
    files |= dict.fromkeys(BAD, b"")
    return files | {"120_0_0_20170110224716190.jpg": b"", "readme.txt": b""}


def split_beside(path, text):
    folder = path if path.is_dir() else path.parent
    (folder / SPLIT_FILE).write_text(text, "utf-8")


def test_every_layout_gives_the_same_records(lay_out, files):
    data = UtkFace(lay_out("utkface", files))
    found = {r.name.removeprefix("utkface/"): r for r in data.records()}
    assert {name: (r.age_years, r.gender, r.group) for name, r in found.items()} == GOOD
    greys = [decode(data.read(found[name].name))[0, 0, 0] for name in GOOD]
    assert greys == [0, 10, 20, 30, 40]
    assert data.dropped == {"name without age, gender and race": 5, "age above 116": 1}


def test_only_what_the_name_says_is_a_label(lay_out, files):
    record = next(UtkFace(lay_out("utkface", files)).records())
    assert record.votes is record.age_range is None
    assert isinstance(record.age_years, float)


def test_counting_starts_anew_with_every_reading(lay_out, files):
    data = UtkFace(lay_out("utkface", files))
    assert list(data.records()) == list(data.records())
    assert sum(data.dropped.values()) == 6


def test_a_split_file_decides(lay_out, files):
    first, second, third, *others = GOOD
    path = lay_out("utkface", files)
    split_beside(path, f"file,split\n{first},test\nutkface/{second},val\n{third},train\n")
    data = UtkFace(path)
    found = {r.name.removeprefix("utkface/"): r.split for r in data.records()}
    assert found == {first: "test", second: "val", third: "train"}
    assert data.dropped["not in the split file"] == len(others) == 2


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_without_a_split_file_the_name_decides(lay_out, picture):
    names = [f"30_0_0_{k:017}.jpg" for k in range(1000)]
    path = lay_out("utkface", dict.fromkeys(names, b""))
    splits = {r.name: r.split for r in UtkFace(path).records()}
    # CRC-32 of the name, by hand: remainders 0 to 7 train, 8 val, 9 test.
    assert splits["30_0_0_00000000000000000.jpg"] == "test"  # 2 205 771 619
    count = Counter(splits.values())
    assert 740 < count["train"] < 860
    assert 60 < count["val"] < 140
    assert sum(count.values()) == 1000
    assert {r.name: r.split for r in UtkFace(path).records()} == splits


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,part\na.jpg,train\n", "utkface-split.csv: column 'split' is missing"),
        ("file,split\na.jpg,train\nb.jpg,dev\n", "row 3: expected train, val, test, got 'dev'"),
        ("file,split\na.jpg\n", "row 2: expected 2 cells, got 1"),
    ],
)
def test_a_wrong_split_file_names_file_and_row(lay_out, files, text, problem):
    path = lay_out("utkface", files)
    split_beside(path, text)
    with pytest.raises(InputError, match=problem) as caught:
        UtkFace(path)
    assert SPLIT_FILE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        UtkFace(tmp_path / "utkface")


def test_the_counts_of_the_shared_split(shared_data):
    data = UtkFace(shared_data)
    records = list(data.records())
    assert len(records) == 21_352
    assert Counter(r.split for r in records) == {"train": 16_690, "val": 2_283, "test": 2_379}
    assert data.dropped == {}
    assert decode(data.read(records[0].name)).shape == (160, 160, 3)
