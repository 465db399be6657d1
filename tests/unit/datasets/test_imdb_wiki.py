"""IMDB-WIKI: a Matlab table, Matlab's own calendar, and rows that have to go."""

import io
import sys
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.datasets import Imdb, Wiki, open_dataset
from mien.datasets.imdb_wiki import REASONS
from mien.errors import ConfigError, InputError, MissingExtraError
from mien.images import decode

scipy_io = pytest.importorskip("scipy.io")

NEW_YEAR_1970 = 719_529  # Matlab's day number of 1970-01-01
INF, NAN = float("inf"), float("nan")

# path, dob, photo_taken, gender, face_score, second_face_score, person number, name
ROWS = [
    ("01/a.jpg", NEW_YEAR_1970, 2000, 0, 4.2, NAN, 7, "Ada"),
    ("01/b.jpg", NEW_YEAR_1970 + 180, 2000, 1, 1.0, NAN, 7, "Ada"),  # born on 30 June 1970
    ("02/c.jpg", NEW_YEAR_1970 + 181, 2000, 1, 4.2, NAN, 9, ""),  # born on 1 July 1970
    ("02/d.jpg", 0, 2000, 1, 4.2, NAN, 9, "Grace"),
    ("02/e.jpg", 366, 2000, 1, 4.2, NAN, 9, "Grace"),  # the last day of the year 0
    ("02/f.jpg", NEW_YEAR_1970, 2000, 1, -INF, NAN, 9, "Grace"),
    ("02/g.jpg", NEW_YEAR_1970, 2000, 1, 0.99, NAN, 9, "Grace"),
    ("02/h.jpg", NEW_YEAR_1970, 2000, 1, 4.2, 1.5, 9, "Grace"),
    ("02/i.jpg", NEW_YEAR_1970, 1969, 1, 4.2, NAN, 9, "Grace"),  # a year before the birth
    ("02/j.jpg", NEW_YEAR_1970, 2071, 1, 4.2, NAN, 9, "Grace"),  # 101 years old
    ("02/k.jpg", NEW_YEAR_1970, 2000, NAN, 4.2, NAN, 9, "Grace"),
    ("02/gone.jpg", NEW_YEAR_1970, 2000, 1, 4.2, NAN, 9, "Grace"),
]
DROPPED = {
    "no valid date of birth": 2,
    "no face found in the image": 1,
    "face score too low": 1,
    "second face in the image": 1,
    "age out of range": 2,
    "gender unknown": 1,
    "row without an image": 1,
}


def cells(values):
    """A Matlab cell array, one row of arrays."""
    row = np.empty((1, len(values)), object)
    for column, value in enumerate(values):
        row[0, column] = value
    return row


def mat(table, rows=ROWS, without=(), **changes):
    """Bytes of the published file."""
    paths, born, taken, gender, score, second, number, names = zip(*rows, strict=True)
    fields = {
        "dob": np.array([born], np.int32),
        "photo_taken": np.array([taken], np.uint16),
        "full_path": cells(paths),
        "gender": np.array([gender], float),
        "name": cells([name or np.zeros((0, 0)) for name in names]),
        "face_location": cells([np.array([[1.0, 1.0, 99.0, 99.0]])] * len(rows)),
        "face_score": np.array([score], float),
        "second_face_score": np.array([second], float),
    }
    if table == "imdb":
        fields |= {"celeb_names": cells(sorted(set(names))), "celeb_id": np.array([number], float)}
    fields |= changes
    buffer = io.BytesIO()
    kept = {key: value for key, value in fields.items() if key not in without}
    scipy_io.savemat(buffer, {table: kept}, do_compression=True)
    return buffer.getvalue()


@pytest.fixture
def files(picture):
    """Function: the tree of one half of the data set."""

    def tree(table, rows=ROWS, **options):
        images = {row[0]: picture(10 + 5 * k, 16, "PNG") for k, row in enumerate(rows)}
        images.pop("02/gone.jpg", None)
        return images | {f"{table}.mat": mat(table, rows, **options)}

    return tree


@pytest.mark.parametrize("reader", [Imdb, Wiki])
def test_every_layout_gives_the_same_records(lay_out, files, reader):
    data = reader(lay_out(f"{reader.name}_crop", files(reader.name)))
    records = list(data.records())
    prefix = f"{reader.name}_crop/"
    assert [(r.name.removeprefix(prefix), r.age_years, r.gender) for r in records] == [
        ("01/a.jpg", 30.0, "female"),
        ("01/b.jpg", 30.0, "male"),  # a birthday in June is over in the middle of the year
        ("02/c.jpg", 29.0, "male"),  # one in July is not
    ]
    assert [decode(data.read(r.name))[0, 0, 0] for r in records] == [10, 15, 20]
    assert data.dropped == DROPPED
    assert sum(DROPPED.values()) + len(records) == len(ROWS)


def test_every_reason_is_tried():
    assert set(DROPPED) == {*REASONS[1:], "row without an image"}


def test_counting_starts_anew_with_every_reading(tmp_path, files, lay_out):
    data = Imdb(lay_out("imdb_crop", files("imdb")))
    assert list(data.records()) == list(data.records())
    assert data.dropped == DROPPED


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_people_are_numbers_or_hashes_and_never_names(lay_out, files):
    imdb = list(Imdb(lay_out("imdb_crop", files("imdb"))).records())
    assert [r.person for r in imdb] == ["7", "7", "9"]
    wiki = list(Wiki(lay_out("wiki_crop", files("wiki"))).records())
    # Start of SHA-256 of "Ada"; nobody is named in the third row.
    ada = "99a563ab2f6e21e9"
    assert [r.person for r in wiki] == [ada, ada, None]


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize("reader", [Imdb, Wiki])
def test_nobody_is_in_two_splits(lay_out, files, reader):
    rows = [
        (f"{k % 10:02}/{k}.jpg", NEW_YEAR_1970, 2000, 1, 4.2, NAN, k % 37, f"Name {k % 37}")
        for k in range(400)
    ]
    tree = dict.fromkeys((row[0] for row in rows), b"")
    data = reader(lay_out("x", tree | {f"{reader.name}.mat": mat(reader.name, rows)}))
    splits = {}
    for record in data.records():
        splits.setdefault(record.person, set()).add(record.split)
    assert len(splits) == 37
    assert all(len(where) == 1 for where in splits.values())
    assert set.union(*splits.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("options", "more", "without"),
    [
        ({"min_face_score": 0.5}, {"02/g.jpg"}, "face score too low"),
        ({"allow_second_face": True}, {"02/h.jpg"}, "second face in the image"),
        ({"min_age": -5, "max_age": 101}, {"02/i.jpg", "02/j.jpg"}, "age out of range"),
        ({"require_gender": False}, {"02/k.jpg"}, "gender unknown"),
    ],
)
def test_every_filter_can_be_changed(lay_out, files, options, more, without):
    path = lay_out("imdb_crop", files("imdb"))
    usual = {r.name for r in Imdb(path).records()}
    data = open_dataset("imdb", path, options)
    assert {r.name for r in data.records()} - usual == more
    assert without not in data.dropped


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_an_unknown_gender_is_no_label(lay_out, files):
    data = Imdb(lay_out("imdb_crop", files("imdb")), require_gender=False)
    [record] = [r for r in data.records() if r.name == "02/k.jpg"]
    assert record.gender is None
    assert record.age_years == 30


@given(
    born=st.dates(min_value=date(1880, 1, 1), max_value=date(2014, 12, 31)),
    taken=st.integers(1900, 2015),
)
def test_ages_agree_with_the_calendar(born, taken):
    from mien.datasets.imdb_wiki import _read

    day = (born - date(1970, 1, 1)).days + NEW_YEAR_1970
    rows = _read(mat("wiki", [("a.jpg", day, taken, 0, 1.0, NAN, 1, "x")]), "wiki", "wiki.mat")
    months = (taken - born.year) * 12 + 6 - born.month  # on the last day of June
    assert rows.age().tolist() == [months // 12]


def test_the_table_may_lie_beside_the_folder_of_the_whole_photos(tmp_path, files):
    for name, data in files("wiki").items():
        target = tmp_path / "wiki" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    assert [r.name for r in Wiki(tmp_path).records()] == [
        "wiki/01/a.jpg",
        "wiki/01/b.jpg",
        "wiki/02/c.jpg",
    ]


@pytest.mark.parametrize("lay_out", ["folder", "one zip"], indirect=True)
def test_a_missing_table(lay_out, picture):
    with pytest.raises(InputError, match=r"imdb\.mat is missing"):
        Imdb(lay_out("imdb_crop", {"01/a.jpg": picture(1, 8, "PNG")}))


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (mat("imdb")[:300], "cannot be read as a Matlab file"),
        (b"not a table", "cannot be read as a Matlab file"),
        (mat("wiki"), "holds no table 'imdb'"),
        (mat("imdb", without=["dob"]), "field 'dob' is missing"),
        (mat("imdb", without=["celeb_id"]), "field 'celeb_id' is missing"),
        (mat("imdb", gender=cells(["m"] * 12)), "field 'gender' holds no numbers"),
        (mat("imdb", dob=np.ones((1, 3))), "its columns are not of the same length"),
    ],
)
def test_a_wrong_table_is_one_line(lay_out, data, problem):
    reader = Imdb(lay_out("imdb_crop", {"imdb.mat": data}))
    with pytest.raises(InputError, match=rf"imdb\.mat: {problem}") as caught:
        list(reader.records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lay_out", ["folder"], indirect=True)
def test_without_scipy_the_extra_is_named(lay_out, files, monkeypatch):
    data = Wiki(lay_out("wiki_crop", files("wiki")))
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"wiki\.mat needs .* 'mien\[imdb-wiki\]'"):
        list(data.records())


def test_a_range_of_ages_without_ages(tmp_path):
    with pytest.raises(ConfigError, match="min_age must not be above max_age, got 30 and 20"):
        Imdb(tmp_path, min_age=30, max_age=20)
