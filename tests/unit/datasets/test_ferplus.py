"""FER+: ten votes a face, from folders or from the two files behind them."""

from collections import Counter

import pytest

from mien.datasets import FerPlus, majority
from mien.errors import InputError
from mien.images import decode

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
HAPPY = (0, 9, 1, 0, 0, 0, 0, 0, 0, 0)
SAD = (3, 0, 0, 6, 0, 0, 0, 0, 1, 0)


def row(name, votes):
    return f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}\n'


@pytest.fixture
def files(picture):
    return {
        "FER2013Train/fer0000000.png": picture(10, 48, "PNG"),
        "FER2013Train/fer0000002.png": picture(20, 48, "PNG"),
        "FER2013Train/label.csv": (
            row("fer0000000.png", HAPPY) + row("fer0000001.png", HAPPY) + row("fer0000002.png", SAD)
        ).encode(),
        "FER2013Valid/fer0028638.png": picture(30, 48, "PNG"),
        "FER2013Valid/label.csv": row("fer0028638.png", SAD).encode(),
        "FER2013Test/fer0032220.png": picture(40, 48, "PNG"),
        "FER2013Test/fer0032221.png": picture(50, 48, "PNG"),
        "FER2013Test/label.csv": row("fer0032221.png", HAPPY).encode(),
        "fer2013new.csv": b"Usage,Image name\n",
    }


def test_every_layout_gives_the_same_records(lay_out, files):
    data = FerPlus(lay_out("ferplus", files))
    records = list(data.records())
    assert [(r.name.removeprefix("ferplus/"), r.split, r.votes) for r in records] == [
        ("FER2013Train/fer0000000.png", "train", HAPPY),
        ("FER2013Train/fer0000002.png", "train", SAD),
        ("FER2013Valid/fer0028638.png", "val", SAD),
        ("FER2013Test/fer0032221.png", "test", HAPPY),
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [10, 20, 30, 50]
    assert data.dropped == {"row without an image": 1, "image without a row": 1}


def test_counting_starts_anew_with_every_reading(lay_out, files):
    data = FerPlus(lay_out("ferplus", files))
    first = list(data.records())
    assert list(data.records()) == first
    assert data.dropped == {"row without an image": 1, "image without a row": 1}


def test_only_votes_are_labels(lay_out, files):
    record = next(FerPlus(lay_out("ferplus", files)).records())
    assert record.age_years is record.age_range is record.gender is record.group is None


def test_empty_lines_are_nothing(lay_out, files):
    files["FER2013Valid/label.csv"] += b"\n\n"
    data = FerPlus(lay_out("ferplus", files))
    assert len(list(data.records())) == 4
    assert data.dropped["row without an image"] == 1


@pytest.mark.parametrize("lay_out", ["folder", "parts"], indirect=True)
def test_a_folder_without_labels_is_named(lay_out, files):
    del files["FER2013Valid/label.csv"]
    with pytest.raises(InputError, match=r"FER2013Valid/label\.csv is missing"):
        list(FerPlus(lay_out("ferplus", files)).records())


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("1,2,3", "expected 10 vote columns, got 3"),
        ("0,1,2,3,4,5,6,7,8,9,10", "expected 10 vote columns, got 11"),
        ("0,9,1,0,0,0,0,0,0,many", "a vote is not a number: .*'many'"),
        ("0,9,1,0,0,0,0,0,0,", "a vote is not a number"),
        ("0,9,1,0,0,0,0,0,0,-1", "votes are counts, got 0, 9, .* -1"),
        ("0,9.5,1,0,0,0,0,0,0,0", "votes are counts"),
        ("0,inf,1,0,0,0,0,0,0,0", "votes are counts"),
        ("0,nan,1,0,0,0,0,0,0,0", "votes are counts"),
    ],
)
def test_a_wrong_row_names_file_and_row(lay_out, files, cells, problem):
    files["FER2013Train/label.csv"] += f"fer0000000.png,box,{cells}\n".encode()
    with pytest.raises(InputError, match=rf"FER2013Train/label\.csv, row 4: {problem}") as caught:
        list(FerPlus(lay_out("ferplus", files)).records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_votes_may_be_written_as_decimals(lay_out, files):
    files["FER2013Valid/label.csv"] = b"fer0028638.png,box,3.0,0,0,6.0,0,0,0,0,1,0\n"
    data = FerPlus(lay_out("ferplus", files))
    assert [r.votes for r in data.records() if r.split == "val"] == [SAD]


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_labels_that_are_not_text(lay_out, files):
    files["FER2013Train/label.csv"] = b"\xff\xfef\x00"
    with pytest.raises(InputError, match=r"FER2013Train/label\.csv is not UTF-8"):
        list(FerPlus(lay_out("ferplus", files)).records())


def test_the_published_counts(shared_data):
    data = FerPlus(shared_data)
    records = list(data.records())
    assert Counter(r.split for r in records) == {"train": 28_558, "val": 3_579, "test": 3_573}
    kept = Counter(r.split for r in records if majority(r.votes) is not None)
    assert kept == {"train": 25_057, "val": 3_199, "test": 3_152}
    assert data.dropped == {}
    test = Counter(majority(r.votes) for r in records if r.split == "test")
    assert (test[5], test[7]) == (18, 16)  # disgust and contempt are rare
    assert decode(data.read(records[0].name)).shape == (48, 48, 3)


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
def test_of_two_rows_with_one_name_the_last_counts(lay_out, files):
    # The picture was written twice too, so it is the last row's.
    files["FER2013Test/label.csv"] = (
        row("fer0032221.png", HAPPY) + row("fer0032220.png", SAD) + row("fer0032221.png", SAD)
    ).encode()
    data = FerPlus(lay_out("ferplus", files))
    votes = {r.name.rsplit("/", 1)[1]: r.votes for r in data.records() if r.split == "test"}
    assert votes == {"fer0032221.png": SAD, "fer0032220.png": SAD}
    assert data.dropped["row of a name that comes again"] == 1


# --- the two files --------------------------------------------------------------------------------

LABEL_HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
NOT_A_FACE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 10)
PAIR = [  # usage, image name, votes; names skip the row that shows no face
    ("Training", "fer0000000.png", HAPPY),
    ("Training", "", NOT_A_FACE),
    ("Training", "fer0000001.png", SAD),
    ("PublicTest", "fer0000002.png", SAD),
    ("PrivateTest", "fer0000003.png", HAPPY),
]


def label_lines(pair=PAIR):
    return [LABEL_HEADER, *(f"{u},{name},{','.join(map(str, votes))}" for u, name, votes in pair)]


def pixel_lines(pair=PAIR):
    pixels = [" ".join([str(10 * k)] * 48 * 48) for k in range(len(pair))]
    rows = [f"0,{p},{usage}" for p, (usage, _, _) in zip(pixels, pair, strict=True)]
    return ["emotion,pixels,Usage", *rows]


def write_pair(folder, pixels=None, labels=None):
    (folder / "fer2013.csv").write_text("\n".join(pixels or pixel_lines()) + "\n", "utf-8")
    (folder / "fer2013new.csv").write_text("\n".join(labels or label_lines()) + "\n", "utf-8")
    return folder


def test_two_files_belong_together_row_by_row(tmp_path):
    data = FerPlus(write_pair(tmp_path))
    records = list(data.records())
    assert [(r.name, r.split, r.votes) for r in records] == [
        ("row0000000", "train", HAPPY),
        ("row0000002", "train", SAD),
        ("row0000003", "val", SAD),
        ("row0000004", "test", HAPPY),
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [0, 20, 30, 40]
    assert data.dropped == {"not a face": 1}
    assert list(data.records()) == records
    assert data.dropped == {"not a face": 1}


def test_two_files_in_a_folder_of_their_own(tmp_path):
    (tmp_path / "ferplus").mkdir()
    (tmp_path / "fer2013").mkdir()
    write_pair(tmp_path / "fer2013")
    (tmp_path / "fer2013" / "fer2013new.csv").rename(tmp_path / "ferplus" / "fer2013new.csv")
    (tmp_path / "ferplus" / "readme.txt").write_text("")
    assert len(list(FerPlus(tmp_path).records())) == 4


@pytest.mark.parametrize("lay_out", ["folder", "zip in a folder"], indirect=True)
def test_folders_go_first(lay_out, files):
    data = FerPlus(write_pair(lay_out("ferplus", files)))
    assert [r.votes for r in data.records()] == [HAPPY, SAD, SAD, HAPPY]
    assert all(r.name.endswith(".png") for r in data.records())


@pytest.mark.parametrize(
    ("pixels", "labels", "counts"),
    [
        (pixel_lines()[:-1], label_lines(), "has 5 rows and .*fer2013.csv has 4:"),
        (pixel_lines(), label_lines()[:-2], "has 3 rows and .*fer2013.csv has 5:"),
    ],
)
def test_two_files_of_unequal_length(tmp_path, pixels, labels, counts):
    data = FerPlus(write_pair(tmp_path, pixels, labels))
    with pytest.raises(InputError, match=rf"fer2013new\.csv {counts}") as caught:
        next(data.records())
    assert "\n" not in str(caught.value)


def test_two_files_in_different_order(tmp_path):
    turned = pixel_lines()
    turned[-1], turned[-2] = turned[-2], turned[-1]
    data = FerPlus(write_pair(tmp_path, pixels=turned))
    with pytest.raises(InputError, match=r"row 5: Usage is not the one of .*fer2013\.csv, row 5"):
        list(data.records())


@pytest.mark.parametrize(
    ("present", "missing"),
    [("fer2013.csv", "fer2013new.csv"), ("fer2013new.csv", "fer2013.csv")],
)
def test_one_file_without_the_other(tmp_path, present, missing):
    (write_pair(tmp_path) / missing).unlink()
    with pytest.raises(InputError, match=rf"{present} but no {missing} and no label\.csv"):
        FerPlus(tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "Test,fer0000003.png,0,9,1,0,0,0,0,0,0,0",
            "row 6: Usage is one of Training, PublicTest, PrivateTest, got 'Test'",
        ),
        ("PrivateTest,fer0000003.png,0,9,1,0,0,0,0,0,0,x", "row 6: a vote is not a number: .*'x'"),
        ("PrivateTest,fer0000003.png,0,9,1,0,0,0,0,0,0,-1", "row 6: votes are counts"),
        ("PrivateTest,fer0000003.png,0,9,1,0", "row 6: expected 12 cells, got 6"),
    ],
)
def test_a_wrong_row_of_votes_is_named(tmp_path, line, problem):
    data = FerPlus(write_pair(tmp_path, labels=[*label_lines()[:-1], line]))
    with pytest.raises(InputError, match=rf"fer2013new\.csv, {problem}"):
        list(data.records())


def test_a_missing_column_of_votes(tmp_path):
    labels = label_lines()
    labels[0] = labels[0].replace("contempt", "scorn")
    with pytest.raises(InputError, match=r"fer2013new\.csv: column 'contempt' is missing"):
        list(FerPlus(write_pair(tmp_path, labels=labels)).records())


def test_columns_of_votes_are_found_by_name(tmp_path):
    turned = [",".join(reversed(line.split(","))) for line in label_lines()]
    data = FerPlus(write_pair(tmp_path, labels=turned))
    assert [r.votes for r in data.records()] == [HAPPY, SAD, SAD, HAPPY]
