"""A user's own CSV file of paths and labels."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets import CsvTable, open_dataset
from mien.errors import ConfigError, InputError, UnreadableMediaError
from mien.images import decode


@pytest.fixture
def table(tmp_path):
    """Function: write a CSV file and empty images, return its path."""

    def write(text, images=("a.png", "b.png", "c.png"), encoding="utf-8"):
        for name in images:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding)
        return path

    return write


def test_every_column(table):
    path = table(
        "path,split,age,age_low,age_high,age_spread,real_age,gender,emotion,group,person\n"
        "a.png,train,31.5,,,2.5,29,F,Happy,Black,ann\n"
        "b.png,valid,,20,116,,,man,bored,,\n"
        "c.png,TEST,,,,,,,sad,,bob\n"
    )
    first, second, third = CsvTable(path).records()
    assert (first.name, first.split, first.expression) == ("a.png", "train", "happiness")
    assert (first.age_years, first.age_spread, first.real_age) == (31.5, 2.5, 29.0)
    assert (first.gender, first.group, first.age_range) == ("female", "Black", None)
    assert first.person not in (None, "ann")
    assert (second.split, second.age_range, second.age_years) == ("val", (20, 100), None)
    assert (second.gender, second.expression, second.group) == ("male", "bored", None)
    assert second.person is second.age_spread is second.real_age is None
    assert (third.split, third.expression, third.gender) == ("test", "sadness", None)
    assert third.person != first.person


def test_images_are_read_from_beside_the_file(table, tmp_path, picture):
    path = table("file,gender\nfaces/1.png,f\n", images=["faces/1.png"])
    (tmp_path / "faces/1.png").write_bytes(picture(77, 16, "PNG"))
    data = CsvTable(path)
    [record] = data.records()
    assert decode(data.read(record.name))[0, 0, 0] == 77


def test_what_is_left_out_is_counted(table):
    path = table("path,emotion,gender\na.png,sad,\nb.png,,\ngone.png,sad,f\n")
    data = CsvTable(path)
    assert [r.name for r in data.records()] == ["a.png"]
    assert data.dropped == {"row without a label": 1, "row without an image": 1}
    assert [r.name for r in data.records()] == ["a.png"]
    assert data.dropped == {"row without a label": 1, "row without an image": 1}


def test_own_columns_and_words(table):
    path = table("picture;sex;label\na.png;0;0\nb.png;1;3\nc.png;1;7\n", encoding="utf-8-sig")
    options = {
        "columns": {"path": "picture", "gender": "sex", "emotion": "label"},
        "rename": {"gender:0": "female", "gender:1": "male", "0": "anger", "3": "joy", "7": ""},
        "delimiter": ";",
    }
    data = open_dataset("csv", path, options)
    assert [(r.gender, r.expression) for r in data.records()] == [
        ("female", "anger"),
        ("male", "happiness"),
    ]
    assert data.dropped == {"emotion '7' left out": 1}


def test_a_renaming_that_fits_nothing(table):
    data = CsvTable(table("path,emotion\na.png,hapy\n"), rename={"happpy": "joy", "hapy": "joy"})
    with pytest.raises(ConfigError, match=r"labels\.csv has no such label: happpy$"):
        list(data.records())


def test_without_a_split_the_path_decides(table):
    images = [f"{k}.png" for k in range(500)]
    path = table("path,gender\n" + "".join(f"{name},f\n" for name in images), images)
    count = Counter(r.split for r in CsvTable(path).records())
    assert 360 < count["train"] < 440
    assert min(count["val"], count["test"]) > 25


@settings(max_examples=20)
@given(people=st.lists(st.integers(0, 40), min_size=1))
def test_nobody_is_in_two_splits(tmp_path_factory, people):
    folder = tmp_path_factory.mktemp("people")
    (folder / "x.png").write_bytes(b"")
    rows = "".join(f"{'./' * k}x.png,{person},30\n" for k, person in enumerate(people))
    (folder / "labels.csv").write_text("path,person,age\n" + rows, "utf-8")
    splits = {}
    for record in CsvTable(folder / "labels.csv").records():
        splits.setdefault(record.person, set()).add(record.split)
    assert len(splits) == len(set(people))
    assert all(len(where) == 1 for where in splits.values())


def test_a_person_in_two_splits(table):
    path = table("path,split,person,age\na.png,train,ann,3\nb.png,test,ann,4\n")
    with pytest.raises(InputError, match=r"row 3: this person is in the split 'test' here and in"):
        list(CsvTable(path).records())


@pytest.mark.parametrize(
    ("header", "row", "problem"),
    [
        ("path,age", "a.png,old", "column 'age': 'old' is no number from 0 to 122"),
        ("path,age", "a.png,-1", "column 'age': '-1' is no number from 0 to 122"),
        ("path,age", "a.png,nan", "column 'age': 'nan' is no number from 0 to 122"),
        ("path,age,real_age", "a.png,5,1990", "column 'real_age': '1990' is no number"),
        (
            "path,age,age_spread",
            "a.png,5,99",
            "column 'age_spread': '99' is no number from 0 to 60",
        ),
        ("path,age_low,age_high", "a.png,30,20", "column 'age_low': '30' to 20 is no range of"),
        ("path,age_low,age_high", "a.png,2.5,20", "column 'age_low': '2.5' to 20 is no range of"),
        ("path,age_low,age_high", "a.png,,20", "column 'age_low': '' needs both age_low and"),
        ("path,gender", "a.png,x", r"column 'gender': expected a gender \(.*, got 'x'"),
        ("path,gender,split", "a.png,f,later", "column 'split': 'later' is none of train, "),
        ("path,gender,split", "a.png,f,", "column 'split': '' is none of train, "),
        ("path,gender", ",f", "column 'path': '' is no path"),
        ("path,gender", "b.png,f", "column 'path': 'b.png' is in row 2 already"),
        ("path,gender", "a.png", "expected 2 cells, got 1"),
    ],
)
def test_a_wrong_cell_names_file_row_and_column(table, header, row, problem):
    count = header.count(",")
    good = "b.png" + {"gender": ",f", "age": ",5", "age_low": ",5,6"}[header.split(",")[1]]
    good += {"split": ",train"}.get(header.split(",")[-1], "" if good.count(",") == count else ",")
    data = CsvTable(table(f"{header}\n{good}\n{row}\n"))
    with pytest.raises(InputError, match=rf"labels\.csv, row 3[,:] ?{problem}") as caught:
        list(data.records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "columns", "problem"),
    [
        ("image,age\n", {}, r"column 'path' is missing\. It has: image, age\."),
        ("", {}, r"column 'path' is missing\. It has no header\."),
        ("path,label\n", {}, r"has no column of labels \(age, .*It has: path, label\. Say which"),
        ("path,split\n", {}, "has no column of labels"),
        ("path,age_low\n", {}, "needs both columns, 'age_low' and 'age_high', or neither"),
        ("path,x\n", {"age": "years"}, r"column 'years' is missing\. It has: path, x\."),
        ("path,x\n", {"agee": "x"}, r"no column 'agee'\. Did you mean 'age'\? Known: path, split,"),
    ],
)
def test_a_wrong_header_is_one_line(table, text, columns, problem):
    with pytest.raises(InputError, match=problem) as caught:
        CsvTable(table(text), columns=columns)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_table(tmp_path):
    with pytest.raises(InputError, match="expected a CSV file, got a folder"):
        CsvTable(tmp_path)
    with pytest.raises(InputError, match=r"no\.csv: cannot be read: No such file"):
        CsvTable(tmp_path / "no.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.csv is not UTF-8 text"):
        CsvTable(tmp_path / "binary.csv")


@pytest.mark.parametrize("delimiter", ["", ";;", "\n", '"'])
def test_a_delimiter_is_one_character(table, delimiter):
    with pytest.raises(ConfigError, match="delimiter must be one character"):
        CsvTable(table("path,age\n"), delimiter=delimiter)


def test_an_image_that_goes_away(table, tmp_path):
    data = CsvTable(table("path,age\na.png,3\n"))
    [record] = data.records()
    (tmp_path / "a.png").unlink()
    with pytest.raises(UnreadableMediaError, match=r"a\.png: cannot be read: No such file"):
        data.read(record.name)
