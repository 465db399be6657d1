"""Data frames: the rows of the table sinks, with types that keep missing values missing."""

import math
import sys
from dataclasses import replace

import pytest

from mien.adapters import to_pandas, to_polars
from mien.errors import MissingExtraError
from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed
from mien.rows import TableColumns, flat_rows

AGE = Age(
    years=31.5,
    low=27.0,
    high=37.0,
    group="26-59",
    groups=Distribution(("0-25", "26-59", "60+"), (0.25, 0.5, 0.25)),
    distribution=tuple(float(k == 31) for k in range(101)),
)
FULL = Face(
    box=Box(10, 20.5, 50, 80),  # whole numbers are fine where a number is expected
    score=0.75,
    age=AGE,
    gender=Distribution(("female", "male"), (0.875, 0.125)),
    emotion=Distribution(("neutral", "anger"), (0.25, 0.75)),
    track_id=4,
)
BARE = Face(box=Box(-5.0, 0.0, 8.0, 12.0), score=0.5, skipped="blurred")
RESULTS = [
    FrameResult(source="a.jpg", width=100, height=90, faces=(FULL, BARE)),
    FrameResult(source="empty.jpg", width=100, height=90),
    FrameResult(source="broken.jpg", error="the file is empty"),
]
COLUMNS = TableColumns.from_results(RESULTS)
ADAPTERS = {"pandas": to_pandas, "polars": to_polars}


@pytest.fixture(params=ADAPTERS)
def library(request):
    return pytest.importorskip(request.param, reason=f"the extra [{request.param}] is missing")


@pytest.fixture
def convert(library):
    return ADAPTERS[library.__name__]


def records(frame):
    """Rows as mappings, with ``None`` wherever a value is missing."""
    if hasattr(frame, "to_dicts"):
        return frame.to_dicts()
    missing = frame.isna().to_dict("records")
    return [
        {name: None if gone[name] else value for name, value in record.items()}
        for record, gone in zip(frame.to_dict("records"), missing, strict=True)
    ]


def test_rows_are_those_of_the_table_sinks(convert):
    expected = [row for result in RESULTS for row in flat_rows(result, COLUMNS)]
    assert len(expected) == 4
    assert records(convert(RESULTS)) == expected


def test_a_face_by_hand(convert):
    face, bare, empty, broken = records(convert(RESULTS))
    assert (face["source"], face["face"], face["top"], face["score"]) == ("a.jpg", 0, 20.5, 0.75)
    assert (face["age_years"], face["age_group"], face["age_group_60+"]) == (31.5, "26-59", 0.25)
    assert (face["gender"], face["emotion"], face["emotion_anger"]) == ("female", "anger", 0.75)
    assert (face["track_id"], face["skipped"], face["error"]) == (4, None, None)
    assert (bare["face"], bare["age_years"], bare["skipped"]) == (1, None, "blurred")
    assert (empty["face"], empty["width"], empty["error"]) == (None, 100, None)
    assert (broken["source"], broken["error"]) == ("broken.jpg", "the file is empty")


def test_columns_come_in_order(convert):
    assert tuple(convert(RESULTS).columns) == COLUMNS.names


def test_nothing_gives_all_columns_and_no_rows(convert):
    frame = convert([])
    assert tuple(frame.columns) == TableColumns().names
    assert len(frame) == 0


def test_a_generator_is_enough(convert):
    assert len(convert(result for result in RESULTS)) == 4


def test_the_age_distribution_is_one_column(convert):
    assert "age_distribution" not in convert(RESULTS).columns
    frame = convert(RESULTS, age_distribution=True)
    assert list(frame["age_distribution"][0]) == list(AGE.distribution)
    assert frame["age_distribution"][1] is None


def test_smoothed_answers_bring_their_columns(convert):
    smoothed = Smoothed(age=replace(AGE, years=33.25))
    tracked = FrameResult(source="a.mp4", faces=(replace(FULL, smoothed=smoothed), FULL))
    assert not [name for name in convert(RESULTS).columns if name.startswith("smoothed")]
    frame = convert([*RESULTS, tracked], age_distribution=True)
    assert tuple(frame.columns) == replace(COLUMNS, smoothed=True, age_distribution=True).names
    rows = records(frame)
    assert [row["smoothed_age_years"] for row in rows] == [None] * 4 + [33.25, None]
    assert [row["smoothed_gender"] for row in rows] == [None] * 6
    assert list(frame["smoothed_age_distribution"][4]) == list(AGE.distribution)


def test_types_of_pandas():
    pytest.importorskip("pandas", reason="the extra [pandas] is missing")
    for results in (RESULTS, []):
        kinds = to_pandas(results).dtypes.astype(str)
        assert kinds["source"].startswith("str")
        assert (kinds["index"], kinds["face"], kinds["track_id"]) == ("Int64",) * 3
        assert (kinds["time_s"], kinds["age_years"]) == ("float64",) * 2
    assert math.isnan(to_pandas(RESULTS)["age_years"][1])


def test_types_of_polars():
    pl = pytest.importorskip("polars", reason="the extra [polars] is missing")
    for results in (RESULTS, []):
        kinds = to_polars(results, age_distribution=True).schema
        assert (kinds["source"], kinds["face"], kinds["left"]) == (pl.String, pl.Int64, pl.Float64)
        assert kinds["age_distribution"] == pl.List(pl.Float64)


@pytest.mark.parametrize("name", ADAPTERS)
def test_without_the_library_the_error_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'mien\[{name}\]'"):
        ADAPTERS[name](RESULTS)
