"""Chips of a data set on disk, with their labels."""

import csv
import json

import numpy as np
import pytest

from mien.align import AlignSpec
from mien.datasets import Record
from mien.errors import InputError
from mien.training.packed import COLUMNS, Packed, read_records, write_records

RECORDS = [
    Record(name="a, b.png", split="train", votes=(0, 9, 1, 0, 0, 0, 0, 0, 0, 0)),
    Record(name='qu"ote.png', split="val", age_years=26.5, gender="female", group="East Asian"),
    Record(name="größe.png", split="test", age_range=(0, 2), gender="male", group="White"),
    Record(name="nothing", split="train"),
]
CHIPS = np.arange(4 * 36 * 36, dtype=np.uint64).astype(np.uint8).reshape(4, 36, 36, 1)
ALIGN = AlignSpec(size=32, border=1 / 16)


@pytest.fixture
def folder(write_chips, tmp_path):
    return write_chips(tmp_path / "p", "mixed", RECORDS, CHIPS, found=[True, True, False, True])


def test_everything_comes_back(folder):
    packed = Packed.load(folder)
    assert packed.records == RECORDS
    assert packed.found.tolist() == [True, True, False, True]
    assert (packed.chips == CHIPS).all()
    assert packed.align == ALIGN
    assert packed.dataset == "mixed"
    assert packed.folder == folder


def test_chips_are_mapped_and_not_loaded(folder):
    chips = Packed.load(folder).chips
    assert isinstance(chips, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        chips[0] = 0


def test_no_records_at_all(tmp_path):
    write_records(tmp_path / "records.csv", [], np.array([], bool))
    records, found = read_records(tmp_path / "records.csv")
    assert records == []
    assert found.shape == (0,)


def test_an_unfinished_folder_says_what_to_do(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"complete": False}))
    with pytest.raises(InputError, match=r"not all images are packed\. Run `mien prepare` again"):
        Packed.load(folder)


@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_folder_of_somebody_else(tmp_path, text):
    if text is not None:
        (tmp_path / "meta.json").write_text(text)
    with pytest.raises(InputError, match="not a folder written by `mien prepare`"):
        Packed.load(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_chips_that_cannot_be_read(folder, damage):
    path = folder / "chips.npy"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="the packed chips cannot be read"):
        Packed.load(folder)


def test_chips_and_labels_of_different_number(folder):
    np.save(folder / "chips.npy", CHIPS[:3])
    with pytest.raises(InputError, match="3 chips, but 4 rows of labels"):
        Packed.load(folder)


def test_missing_labels(folder):
    (folder / "records.csv").unlink()
    with pytest.raises(InputError, match=r"records\.csv: cannot be read"):
        Packed.load(folder)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("x,train,1,,young,,,,", "could not convert string to float: 'young'"),
        ("x,train,1,1 2 a,,,,,", "invalid literal"),
        ("x,train,1,,,20,,,", "invalid literal"),
        ("x,train,1", "expected 9 cells, got 3"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, cells, problem):
    path = tmp_path / "records.csv"
    path.write_text(f"{','.join(COLUMNS)}\nok,train,1,,,,,,\n{cells}\n", "utf-8")
    with pytest.raises(InputError, match=rf"records\.csv, row 3: {problem}"):
        read_records(path)


def test_a_missing_column(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text("name,split\n", "utf-8")
    with pytest.raises(InputError, match="column 'found' is missing"):
        read_records(path)


# --- versions ---------------------------------------------------------------------------------


def test_why_a_face_is_left_out_stands_in_the_table(tmp_path):
    path = tmp_path / "records.csv"
    found = np.array([True, False, True, False])
    write_records(path, RECORDS, found, ["", "no face found", "", "unreadable"])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["left_out"] for row in rows] == ["", "no face found", "", "unreadable"]
    records, seen = read_records(path)
    assert records == RECORDS
    assert seen.tolist() == found.tolist()


def test_a_folder_of_the_first_version_still_loads(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"version": 1}))
    with (folder / "records.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0][: len(COLUMNS)]) == COLUMNS
    with (folder / "records.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(row[: len(COLUMNS)] for row in rows)
    assert Packed.load(folder).records == RECORDS


def test_everything_a_record_can_say_comes_back(tmp_path):
    record = Record(
        name="x",
        split="val",
        votes=(1, 2, 3, 4, 0, 0, 0, 0, 0, 0),
        age_years=31.25,
        age_range=(0, 100),
        gender="female",
        group="a, b",
        expression="zest",
        age_spread=0.1,
        real_age=30.0,
        person="p",
    )
    write_records(tmp_path / "r.csv", [record], np.array([True]))
    assert read_records(tmp_path / "r.csv")[0] == [record]
