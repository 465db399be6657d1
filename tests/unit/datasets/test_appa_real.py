"""APPA-REAL: the average of many guesses, how far they lie apart, and the truth."""

import pytest

from mien.datasets import AppaReal, open_dataset
from mien.errors import ConfigError, InputError
from mien.images import decode

HEADER = "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n"
VOTES = """\
file_name,real_age,apparent_age,worker_age,worker_gender
000000.jpg,4,4,54,female
000000.jpg,4,5,55,male
000000.jpg,4,9,22,male
000001.jpg,18,20,33,female
"""


@pytest.fixture
def files(picture):
    labels = {
        "gt_avg_train.csv": "000000.jpg,3,6.0,9.9,4\n000001.jpg,1,20.0,0.5,18\n",
        "gt_avg_valid.csv": "004113.jpg,36,57.222,5.5,60\nmissing.jpg,36,57.2,5.5,60\n",
        "gt_avg_test.csv": "005613.jpg,40,30.5,3.25,28.5\n",
    }
    files = {name: (HEADER + rows).encode() for name, rows in labels.items()}
    images = ["train/000000", "train/000001", "valid/004113", "test/005613"]
    for number, name in enumerate(images):
        files[f"{name}.jpg"] = picture(10 * number, 16, "JPEG")
        files[f"{name}.jpg_face.jpg"] = picture(10 * number + 100, 16, "JPEG")
        files[f"{name}.jpg.mat"] = b"where the face is"
    return files | {"gt_train.csv": VOTES.encode()}


def test_every_layout_gives_the_same_records(lay_out, files):
    data = AppaReal(lay_out("appa-real-release", files))
    records = list(data.records())
    assert [r.name.removeprefix("appa-real-release/") for r in records] == [
        "train/000000.jpg_face.jpg",
        "train/000001.jpg_face.jpg",
        "valid/004113.jpg_face.jpg",
        "test/005613.jpg_face.jpg",
    ]
    assert [(r.split, r.age_years, r.real_age) for r in records] == [
        ("train", 6.0, 4.0),
        ("train", 20.0, 18.0),
        ("val", 57.222, 60.0),
        ("test", 30.5, 28.5),
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [100, 110, 120, 130]
    assert data.dropped == {"row without an image": 1}


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_the_spread_comes_from_the_votes_where_there_are_several(lay_out, files):
    spreads = [r.age_spread for r in AppaReal(lay_out("x", files)).records()]
    # 4, 5 and 9: deviations -2, -1 and 3, 14 / 2 = 7. One vote says nothing about a spread.
    assert spreads == [pytest.approx(7**0.5), 0.5, 5.5, 3.25]


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_without_votes_the_column_counts(lay_out, files):
    del files["gt_train.csv"]
    spreads = [r.age_spread for r in AppaReal(lay_out("x", files)).records()]
    assert spreads == [9.9, 0.5, 5.5, 3.25]


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_whole_photos(lay_out, files):
    data = open_dataset("appa-real", lay_out("x", files), {"images": "full"})
    records = list(data.records())
    assert [r.name for r in records][:2] == ["train/000000.jpg", "train/000001.jpg"]
    assert decode(data.read(records[1].name))[0, 0, 0] == 10


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_counting_starts_anew_with_every_reading(lay_out, files):
    data = AppaReal(lay_out("x", files))
    assert list(data.records()) == list(data.records())
    assert data.dropped == {"row without an image": 1}


def test_an_unknown_kind_of_image(tmp_path):
    with pytest.raises(ConfigError, match=r"images must be one of face, full; got 'faces'\. Did"):
        AppaReal(tmp_path, images="faces")


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_missing_label_file_is_named(lay_out, files, part):
    del files[f"gt_avg_{part}.csv"]
    with pytest.raises(InputError, match=rf"gt_avg_{part}\.csv is missing"):
        AppaReal(lay_out("appa-real-release", files))


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("gt_avg_test.csv", "file_name,real_age\n", "column 'apparent_age_avg' is missing"),
        (
            "gt_avg_test.csv",
            HEADER + "005613.jpg,40,old,3.25,28\n",
            "row 2: apparent_age_avg must be a number of years from 0 to 122, got 'old'",
        ),
        ("gt_avg_test.csv", HEADER + "005613.jpg,40,30,3.25,-1\n", "row 2: real_age must be"),
        ("gt_avg_test.csv", HEADER + "005613.jpg,40,30,nan,5\n", "row 2: apparent_age_std must"),
        ("gt_avg_test.csv", HEADER + "005613.jpg,40,30\n", "row 2: expected 5 cells, got 3"),
        ("gt_test.csv", "file_name,worker\n", "column 'apparent_age' is missing"),
        ("gt_test.csv", "file_name,apparent_age\na.jpg,\n", "row 2: apparent_age must be"),
    ],
)
def test_a_wrong_table_names_file_and_row(lay_out, files, file, text, problem):
    files[file] = text.encode()
    with pytest.raises(InputError, match=file.replace(".", r"\.") + f".*{problem}") as caught:
        list(AppaReal(lay_out("x", files)).records())
    assert "\n" not in str(caught.value)
