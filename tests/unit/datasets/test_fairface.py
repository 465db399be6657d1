"""FairFace: labels in a table beside the images, ages in bins."""

from collections import Counter

import pytest

from mien.datasets import FairFace
from mien.datasets.fairface import LABEL_FILE
from mien.errors import ConfigError, InputError
from mien.images import decode

LABELS = """\
file,age,gender,race,service_test,split
train/1.jpg,50-59,Male,East Asian,True,train
train/2.jpg,more than 70,Female,Indian,False,test
train/3.jpg,0-2, Female,"Latino_Hispanic",False,val
train/9.jpg,0-2,Female,Black,False,val
"""


@pytest.fixture
def files(picture):
    # Somebody has made them smaller, with another ending: the number in the name counts.
    return {f"train/{k}.webp": picture(10 * k, 32, "PNG") for k in (1, 2, 3, 4)}


@pytest.fixture
def data(lay_out, files):
    """Function that lays images and a label table out and opens them."""

    def open_with(labels):
        path = lay_out("fairface", files)
        folder = path if path.is_dir() else path.parent
        (folder / LABEL_FILE).write_text(labels, "utf-8")
        return FairFace(path)

    return open_with


def test_every_layout_gives_the_same_records(data):
    fairface = data(LABELS)
    records = list(fairface.records())
    assert [(r.split, r.age_range, r.gender, r.group) for r in records] == [
        ("train", (50, 59), "male", "East Asian"),
        ("test", (70, 100), "female", "Indian"),
        ("val", (0, 2), "female", "Latino_Hispanic"),
    ]
    assert [decode(fairface.read(r.name))[0, 0, 0] for r in records] == [10, 20, 30]
    assert fairface.dropped == {"row without an image": 1, "image without a row": 1}


def test_a_bin_is_no_age_in_years(data):
    record = next(data(LABELS).records())
    assert record.age_years is record.votes is None


def test_counting_starts_anew_with_every_reading(data):
    fairface = data(LABELS)
    assert list(fairface.records()) == list(fairface.records())
    assert fairface.dropped == {"row without an image": 1, "image without a row": 1}


def test_without_a_split_column_everything_is_for_training(data):
    fairface = data("file,age,gender,race\ntrain/1.jpg,3-9,Male,White\n")
    assert [r.split for r in fairface.records()] == ["train"]


def test_folders_with_the_same_numbers_are_kept_apart(data, files, picture):
    files["val/1.webp"] = picture(200, 32, "PNG")
    fairface = data("file,age,gender,race\nval/1.jpg,3-9,Male,White\n")
    [record] = fairface.records()
    assert decode(fairface.read(record.name))[0, 0, 0] == 200


def test_missing_labels(lay_out, files):
    with pytest.raises(InputError, match=rf"{LABEL_FILE} is missing"):
        FairFace(lay_out("fairface", files))


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("file,age,sex,race\n", ": column 'gender' is missing"),
        ("file,age,gender,race\ntrain/1.jpg,3-9\n", ", row 2: expected 4 cells, got 2"),
        ("file,age,gender,race\ntrain/1.jpg,3 to 9,Male,White\n", ", row 2: an age bin looks like"),
        ("file,age,gender,race\ntrain/1.jpg,30-20,Male,White\n", ", row 2: an age bin looks like"),
        ("file,age,gender,race\ntrain/1.jpg,0-200,Male,White\n", ", row 2: an age bin looks like"),
        ("file,age,gender,race\ntrain/1.jpg,3-9,M,White\n", ", row 2: .*gender 'm'"),
        (
            "file,age,gender,race,split\ntrain/1.jpg,3-9,Male,White,dev\n",
            ", row 2: unknown split 'dev'",
        ),
    ],
)
def test_a_wrong_table_names_file_and_row(data, labels, problem):
    with pytest.raises(InputError, match=LABEL_FILE + problem) as caught:
        list(data(labels).records())
    assert "\n" not in str(caught.value)


def test_the_counts_of_the_shared_data(shared_data):
    data = FairFace(shared_data)
    records = list(data.records())
    assert len(records) == 27_124
    assert Counter(r.split for r in records) == {"train": 24_398, "val": 1_349, "test": 1_377}
    assert {r.age_range for r in records} >= {(0, 2), (3, 9), (10, 19), (60, 69), (70, 100)}
    assert data.dropped == {}
    assert decode(data.read(records[0].name)).shape == (128, 128, 3)


def test_the_published_parts_without_a_split_column(lay_out, picture):
    path = lay_out(
        "fairface",
        {
            f"{part}/{k}.jpg": picture(k, 32, "PNG")
            for part in ("train", "val")
            for k in range(1, 41)
        },
    )
    folder = path if path.is_dir() else path.parent
    for part in ("train", "val"):
        rows = [f"{part}/{k}.jpg,20-29,Male,White,True" for k in range(1, 41)]
        text = "\n".join(["file,age,gender,race,service_test", *rows])
        (folder / f"fairface_label_{part}.csv").write_text(text, "utf-8")
    splits = {r.name[-12:]: r.split for r in FairFace(path, validation=0.25).records()}
    found = Counter((name.split("/")[-2], split) for name, split in splits.items())
    assert found["val", "test"] == 40
    assert found["train", "train"] + found["train", "val"] == 40
    assert 3 <= found["train", "val"] <= 20
    assert Counter(r.split for r in FairFace(path, validation=0.0).records()) == {
        "train": 40,
        "test": 40,
    }
    with pytest.raises(ConfigError, match="validation must be"):
        FairFace(path, validation=1.0)
