"""FER2013: one CSV file, seven codes, three usages."""

import csv
import tracemalloc
import zipfile
from collections import Counter

import numpy as np
import pytest

from mien.datasets import EMOTIONS, Fer2013, open_dataset
from mien.errors import InputError
from mien.images import decode


def grey(level):
    return " ".join([str(level)] * 48 * 48)


ROWS = [
    f"0,{grey(10)},Training",
    f"1,{grey(11)},Training",
    f"2,{grey(12)},Training",
    f"3,{grey(13)},Training",
    f"4,{grey(14)},PublicTest",
    f"5,{grey(0)},PublicTest",  # a few faces of the real file are all black
    f",{grey(16)},PublicTest",
    f"6,{grey(17)},PrivateTest",
]
FOUND = [
    ("row0000000", "train", "anger"),
    ("row0000001", "train", "disgust"),
    ("row0000002", "train", "fear"),
    ("row0000003", "train", "happiness"),
    ("row0000004", "val", "sadness"),
    ("row0000005", "val", "surprise"),
    ("row0000007", "test", "neutral"),
]


def write(folder, rows=ROWS, header="emotion,pixels,Usage", name="fer2013.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def test_codes_and_usages_by_hand(tmp_path):
    data = Fer2013(write(tmp_path))
    records = list(data.records())
    assert [(r.name, r.split, r.expression) for r in records] == FOUND
    assert {r.expression for r in records} == set(EMOTIONS) - {"contempt"}
    assert data.dropped == {"row without an emotion": 1}
    levels = [decode(data.read(r.name))[0, 0, 0] for r in records]
    assert levels == [10, 11, 12, 13, 14, 0, 17]


def test_only_the_expression_is_a_label(tmp_path):
    record = next(Fer2013(write(tmp_path)).records())
    assert record.votes is record.age_years is record.age_range is record.gender is None


def test_a_folder_that_holds_the_file_and_the_other_order_of_columns(tmp_path):
    turned = [f"{code},{usage},{pixels}" for code, pixels, usage in (r.split(",") for r in ROWS)]
    write(tmp_path, turned, "emotion, Usage, pixels", "icml_face_data.csv")
    data = open_dataset("fer2013", tmp_path)
    assert [(r.name, r.split, r.expression) for r in data.records()] == FOUND
    assert decode(data.read("row0000003"))[0, 0, 0] == 13


def test_counting_starts_anew_with_every_reading(tmp_path):
    data = Fer2013(write(tmp_path))
    assert list(data.records()) == list(data.records())
    assert data.dropped == {"row without an emotion": 1}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"7,{grey(1)},Training", "emotion is a number from 0 to 6, got '7'"),
        (f"-1,{grey(1)},Training", "emotion is a number from 0 to 6, got '-1'"),
        (f"happy,{grey(1)},Training", "emotion is a number from 0 to 6, got 'happy'"),
        (f"3.0,{grey(1)},Training", "emotion is a number from 0 to 6, got '3.0'"),
        (f"3,{grey(1)},Test", "Usage is one of Training, PublicTest, PrivateTest, got 'Test'"),
        (f"3,{grey(1)},", "Usage is one of Training, PublicTest, PrivateTest, got ''"),
        (f"3,{grey(1)}", "expected 3 cells, got 2"),
    ],
)
def test_a_wrong_row_names_file_and_row(tmp_path, row, problem):
    data = Fer2013(write(tmp_path, [*ROWS, row]))
    with pytest.raises(InputError, match=rf"fer2013\.csv, row 10: {problem}") as caught:
        list(data.records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("label,pixels,Usage", "emotion"),
        ("emotion,pixel,Usage", "pixels"),
        ("emotion,pixels,usage", "Usage"),
    ],
)
def test_a_wrong_column_stops_before_any_row(tmp_path, header, column):
    with pytest.raises(InputError, match=rf"fer2013\.csv, row 1: column '{column}' is missing"):
        Fer2013(write(tmp_path, header=header))


def test_a_folder_without_the_file(tmp_path):
    with pytest.raises(InputError, match=r"found no fer2013\.csv or icml_face_data\.csv"):
        Fer2013(tmp_path)


def test_the_file_is_never_held(tmp_path):
    # 2,000 rows are 18 MB; what stays is a name and two numbers a row.
    path = write(tmp_path, [f"3,{grey(200)},Training"] * 2000)
    assert path.stat().st_size > 18e6
    data = Fer2013(path)
    tracemalloc.start()
    count = sum(1 for _ in data.records())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2000
    assert peak < 1.5e6


def test_real_pictures_and_labels(shared_data, tmp_path):
    with (shared_data / "fer2013-emotion.csv").open(newline="") as file:
        codes = {row["Image name"]: row["emotion"] for row in csv.DictReader(file)}
    pictures, rows = [], []
    with zipfile.ZipFile(shared_data / "ferplus-0.zip") as archive:
        for name in [n for n in archive.namelist() if n.endswith(".png")][:50]:
            pictures.append(decode(archive.read(name)))
            pixels = " ".join(map(str, pictures[-1][:, :, 0].ravel()))
            rows.append(f"{codes[name.rsplit('/', 1)[1]]},{pixels},Training")
    data = Fer2013(write(tmp_path, rows))
    records = list(data.records())
    assert len(records) == 50
    assert Counter(r.expression for r in records).keys() <= set(EMOTIONS)
    for record, picture in zip(records, pictures, strict=True):
        assert np.array_equal(decode(data.read(record.name)), picture)


def test_the_published_counts(shared_data):
    path = shared_data / "fer2013.csv"
    if not path.is_file():
        pytest.skip(f"no original data: {path} does not exist")
    count = Counter(r.split for r in Fer2013(path).records())
    assert count == {"train": 28_709, "val": 3_589, "test": 3_589}
