"""FER+: ten votes a face, and the paper's rules for what they mean."""

from collections import Counter

import pytest

from mien.datasets import FerPlus, majority, soft_target, without_single_votes
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


# --- what votes mean: Barsoum et al., worked out by hand ----------------------------------------


def test_single_votes_go():
    assert without_single_votes((1, 6, 1, 2, 0, 0, 0, 0, 0, 0)) == (0, 6, 0, 2, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        (HAPPY, 1),  # 9 of 9: the one vote for surprise is gone
        (SAD, 3),  # 6 of 9
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None),  # half is not more than half
        ((4, 0, 2, 0, 2, 0, 2, 0, 0, 0), None),  # 4 of 10
        ((5, 1, 1, 1, 0, 0, 0, 0, 2, 0), 0),  # 5 of 7; among all ten votes it would be half
        ((4, 1, 1, 1, 1, 0, 0, 1, 1, 0), 0),  # 4 of 4
        ((3, 0, 3, 0, 0, 0, 0, 4, 0, 0), None),  # 4 of 10
        ((0, 0, 0, 0, 0, 0, 0, 8, 2, 0), 7),  # 8 of 10: contempt is the last expression
        ((2, 0, 0, 0, 0, 0, 0, 0, 8, 0), None),  # "unknown"
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),  # "not a face"
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),  # nobody agrees
        ((0,) * 10, None),
        ((0, 0, 0, 2, 0, 0, 0, 0, 0, 1), 3),  # two votes are enough if the others are single
    ],
)
def test_majority_by_hand(votes, label):
    assert majority(votes) == label


@pytest.mark.parametrize(
    ("votes", "target"),
    [
        (HAPPY, (0, 1, 0, 0, 0, 0, 0, 0)),
        ((3, 0, 0, 6, 0, 0, 0, 0, 1, 0), (1 / 3, 0, 0, 2 / 3, 0, 0, 0, 0)),
        # Votes for "unknown" do not count among the shares, but may outweigh them.
        ((2, 0, 0, 2, 0, 0, 0, 0, 4, 0), (0.5, 0, 0, 0.5, 0, 0, 0, 0)),
        ((2, 0, 0, 2, 0, 0, 0, 0, 5, 0), None),
        ((2, 0, 0, 0, 0, 0, 0, 0, 2, 2), None),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),
        ((0,) * 10, None),
    ],
)
def test_soft_target_by_hand(votes, target):
    found = soft_target(votes)
    assert found == (None if target is None else pytest.approx(target))
    assert found is None or sum(found) == pytest.approx(1)


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
