"""Tables hold what was put into them, in every format, and stay valid when a run breaks off."""

import csv
import io
import json
import math
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import ConfigError, MissingExtraError, OutputError
from mien.interfaces import Frame
from mien.results import (
    Age,
    Box,
    Distribution,
    Face,
    FrameResult,
    Landmarks,
    Point,
    Quality,
    Smoothed,
)
from mien.rows import TableColumns, flat_rows
from mien.sinks import CsvSink, JsonLinesSink, JsonSink, ParquetSink, parquet

FRAME = Frame(source="unused")
COLUMNS = TableColumns()
TRACKED = TableColumns(smoothed=True)
RESULT = FrameResult(
    source="a.jpg",
    width=64,
    height=48,
    faces=(
        Face(
            box=Box(1.5, 2.0, 30.0, 40.0),
            score=0.75,
            age=Age(
                years=31.5,
                low=26.0,
                high=37.25,
                group="26-59",
                groups=Distribution(COLUMNS.age_groups, (0.0, 0.25, 0.75, 0.0)),
                distribution=(0.5,) * 2 + (0.0,) * 99,
            ),
        ),
    ),
)

# --- generated results ------------------------------------------------------------------------

any_float = st.floats()
texts = st.text(min_size=1)
points = st.builds(Point, any_float, any_float)


def distributions(labels):
    row = st.lists(any_float, min_size=len(labels), max_size=len(labels))
    return row.map(lambda values: Distribution(labels, tuple(values)))


ages = st.builds(
    Age,
    years=any_float,
    low=any_float,
    high=any_float,
    group=st.sampled_from(COLUMNS.age_groups),
    groups=distributions(COLUMNS.age_groups),
    distribution=st.lists(st.floats(width=32), min_size=2, max_size=5).map(tuple),
)
faces = st.builds(
    Face,
    box=st.builds(Box, any_float, any_float, any_float, any_float),
    score=any_float,
    landmarks=st.none() | st.builds(Landmarks, *[points] * 5),
    age=st.none() | ages,
    gender=st.none() | distributions(COLUMNS.genders),
    emotion=st.none() | distributions(COLUMNS.emotions),
    quality=st.none()
    | st.builds(Quality, size_px=any_float, sharpness=any_float, yaw_deg=st.none() | any_float),
    track_id=st.none() | st.integers(0, 2**40),
    smoothed=st.none()
    | st.builds(Smoothed, age=st.none() | ages, gender=distributions(COLUMNS.genders)),
    skipped=st.none() | texts,
)
results = st.builds(
    FrameResult,
    source=st.text(),
    index=st.integers(0, 2**40),
    time_s=st.none() | any_float,
    width=st.integers(0, 2**31),
    height=st.integers(0, 2**31),
    faces=st.lists(faces, max_size=3).map(tuple),
    error=st.none() | texts,
)
round_trip = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def same(one, other):
    """Equal, where not-a-number equals itself and a tuple equals a list."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def finite(value):
    """What JSON makes of a value: not-a-number and infinity become null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(sink, items):
    with sink:
        for item in items:
            sink.write(FRAME, item)


def read_csv(path, columns=COLUMNS):
    """Rows with the types that the columns promise."""
    read = {"text": str, "integer": int, "number": float}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    return [
        {
            name: read[columns.kinds[name]](text) if text or name == "source" else None
            for name, text in row.items()
        }
        for row in rows
    ]


# --- round trips ------------------------------------------------------------------------------


@round_trip
@given(items=st.lists(results, max_size=3))
def test_json_lines_round_trip(tmp_path, items):
    path = tmp_path / "a.jsonl"
    write(JsonLinesSink(path), items)
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert same([json.loads(line) for line in lines], [finite(item.to_dict()) for item in items])


@round_trip
@given(items=st.lists(results, max_size=3))
def test_json_round_trip(tmp_path, items):
    path = tmp_path / "a.json"
    write(JsonSink(path), items)
    read = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert same(read, [finite(item.to_dict()) for item in items])


@round_trip
@given(items=st.lists(results, max_size=3))
def test_csv_round_trip(tmp_path, items):
    path = tmp_path / "a.csv"
    write(CsvSink(path, TRACKED), items)
    expected = [row for item in items for row in flat_rows(item, TRACKED)]
    assert same(read_csv(path, TRACKED), expected)


@round_trip
@given(items=st.lists(results, max_size=3))
def test_parquet_round_trip(tmp_path, items):
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    write(ParquetSink(path, TRACKED), items)
    columns = replace(TRACKED, age_distribution=True)
    expected = [row for item in items for row in flat_rows(item, columns)]
    assert same(pyarrow.parquet.read_table(path).to_pylist(), expected)


def test_parquet_columns_are_typed_even_without_rows(tmp_path):
    import pyarrow
    from pyarrow.parquet import read_schema

    write(ParquetSink(tmp_path / "a.parquet"), [])
    schema = read_schema(tmp_path / "a.parquet")
    assert tuple(schema.names) == TableColumns(age_distribution=True).names
    assert schema.field("source").type == pyarrow.string()
    assert schema.field("face").type == pyarrow.int64()
    assert schema.field("age_years").type == pyarrow.float64()
    assert schema.field("age_distribution").type == pyarrow.list_(pyarrow.float32())
    assert schema.metadata[b"mien_schema"] == b"2"


def test_parquet_holds_few_rows_in_memory(tmp_path, monkeypatch):
    from pyarrow.parquet import ParquetFile

    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 4)
    sink = ParquetSink(tmp_path / "a.parquet")
    waiting = []
    for _ in range(10):
        sink.write(FRAME, RESULT)
        waiting.append(len(sink._rows))
    sink.close()
    assert waiting == [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    with ParquetFile(tmp_path / "a.parquet") as file:
        groups = range(file.num_row_groups)
        assert [file.metadata.row_group(group).num_rows for group in groups] == [4, 4, 2]


# --- text formats, byte by byte ---------------------------------------------------------------


def test_csv_by_hand(tmp_path):
    columns = TableColumns(emotions=("a",), genders=("f",), age_groups=("0+",))
    with CsvSink(tmp_path / "a.csv", columns) as sink:
        sink.write(FRAME, FrameResult(source='x,"y".jpg', error="two\nlines"))
    head, row = (tmp_path / "a.csv").read_bytes().split(b"\r\n", 1)
    assert head.decode().split(",") == list(columns.names)
    assert row == b'"x,""y"".jpg",0,,0,0,"two\nlines"' + b"," * (len(columns.names) - 6) + b"\r\n"


def test_csv_has_no_age_distribution(tmp_path):
    write(CsvSink(tmp_path / "a.csv", TableColumns(age_distribution=True)), [RESULT])
    assert list(read_csv(tmp_path / "a.csv")[0]) == list(COLUMNS.names)


def test_json_is_valid_after_every_row(tmp_path):
    with JsonSink(tmp_path / "a.json") as sink:
        for count in range(3):
            (part,) = tmp_path.iterdir()
            assert len(json.loads(part.read_text("utf-8"))) == count
            sink.write(FRAME, RESULT)
    assert (tmp_path / "a.json").read_text("utf-8").count("\n") == 5  # "[", three results, "]"


def test_json_lines_are_there_at_once(tmp_path):
    with JsonLinesSink(tmp_path / "a.jsonl") as sink:
        sink.write(FRAME, RESULT)
        (part,) = tmp_path.iterdir()
        assert json.loads(part.read_text("utf-8")) == RESULT.to_dict()


@pytest.mark.parametrize("cls", [JsonLinesSink, JsonSink, CsvSink, ParquetSink])
def test_a_file_name_that_is_no_text(tmp_path, cls):
    # Linux names are bytes; Python shows b"\xff.jpg" as this lone surrogate.
    write(cls(tmp_path / "out"), [FrameResult(source="\udcff.jpg", error="\udcff.jpg: no image")])
    data = (tmp_path / "out").read_bytes()
    assert b"\\udcff.jpg" in data
    if cls is JsonLinesSink:
        assert json.loads(data)["source"] == "\udcff.jpg"
    elif cls is not ParquetSink:
        data.decode("utf-8", "strict")


def test_names_of_all_alphabets_are_readable_in_json(tmp_path):
    write(JsonLinesSink(tmp_path / "a.jsonl"), [FrameResult(source="Żółć 写真.jpg")])
    assert "Żółć 写真.jpg" in (tmp_path / "a.jsonl").read_text("utf-8")


# --- streams ----------------------------------------------------------------------------------


def test_json_lines_to_a_stream():
    stream = io.StringIO()
    with JsonLinesSink.to_stream(stream) as sink:
        sink.write(FRAME, RESULT)
        sink.write(FRAME, FrameResult(source="é.jpg"))
        assert sink.results == 2
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a.jpg", "é.jpg"]
    assert "é.jpg" in lines[1]
    assert not stream.closed


def test_json_lines_to_a_stream_that_knows_ascii_only():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
    with JsonLinesSink.to_stream(stream) as sink:
        sink.write(FRAME, FrameResult(source="é.jpg"))
    assert json.loads(stream.buffer.getvalue())["source"] == "é.jpg"


# --- ends -------------------------------------------------------------------------------------

ENDS = [JsonLinesSink, JsonSink, CsvSink, ParquetSink]


def count(path):
    """Results in a file of any format."""
    if path.suffix == ".jsonl":
        return len([json.loads(line) for line in path.read_text("utf-8").splitlines()])
    if path.suffix == ".json":
        return len(json.loads(path.read_text("utf-8")))
    if path.suffix == ".csv":
        return len(read_csv(path))
    from pyarrow.parquet import read_table

    return len(read_table(path))


def ending(cls):
    return {JsonLinesSink: ".jsonl", JsonSink: ".json", CsvSink: ".csv", ParquetSink: ".parquet"}[
        cls
    ]


def run_and_break(path, cls, results, error):
    with cls(path) as sink:
        for _ in range(results):
            sink.write(FRAME, RESULT)
        raise error


@pytest.mark.parametrize("cls", ENDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, GeneratorExit])
def test_a_run_that_breaks_off_keeps_its_results(tmp_path, cls, error):
    path = tmp_path / f"a{ending(cls)}"
    path.write_bytes(b"of an older run")
    with pytest.raises(error):
        run_and_break(path, cls, 3, error())
    assert count(path) == 3
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cls", ENDS)
def test_a_run_that_fails_before_its_first_result_leaves_the_older_file(tmp_path, cls):
    path = tmp_path / "a.out"
    path.write_bytes(b"of an older run")
    with pytest.raises(ZeroDivisionError):
        run_and_break(path, cls, 0, ZeroDivisionError())
    assert path.read_bytes() == b"of an older run"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cls", ENDS)
def test_a_run_without_images_leaves_an_empty_valid_file(tmp_path, cls):
    path = tmp_path / f"a{ending(cls)}"
    sink = cls(path)
    sink.close()
    sink.close()  # a second call does nothing
    assert count(path) == 0


@contextmanager
def largest_file(size):
    """Let the system refuse to write beyond `size` bytes, as a full disk does."""
    resource = pytest.importorskip("resource", reason="the limit exists on Unix only")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("cls", [JsonLinesSink, JsonSink, CsvSink])
def test_a_full_disk_keeps_the_whole_rows(tmp_path, cls):
    path = tmp_path / f"a{ending(cls)}"
    written = 0

    def fill():
        nonlocal written
        with largest_file(10_000), cls(path) as sink:
            for _ in range(1000):
                sink.write(FRAME, RESULT)
                written += 1

    with pytest.raises(OutputError, match=r"the disk is full\. Free some space") as caught:
        fill()
    assert str(path) in str(caught.value)
    assert count(path) == written > 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_gives_a_parquet_file_up(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 2)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"of an older run")

    def fill():
        with largest_file(40_000), ParquetSink(path) as sink:
            for _ in range(1000):
                sink.write(FRAME, RESULT)

    with pytest.raises(OutputError, match=r"the disk is full\. .* The file was given up\."):
        fill()
    assert path.read_bytes() == b"of an older run"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_while_closing_does_not_hide_the_first_one(tmp_path):
    path = tmp_path / "a.jsonl"

    def work():
        with JsonLinesSink(path) as sink:
            sink.write(FRAME, RESULT)
            path.mkdir()  # so that the file cannot get its name
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        work()
    assert "cannot be replaced" in caught.value.__notes__[0]


def test_an_unknown_label_stops_the_run_at_its_first_face(tmp_path):
    face = Face(box=Box(0, 0, 1, 1), score=1.0, emotion=Distribution(("bored",), (1.0,)))
    with pytest.raises(ConfigError, match="'emotion_bored'"), CsvSink(tmp_path / "a.csv") as sink:
        sink.write(FRAME, FrameResult(source="a", faces=(face,)))
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"Run: pip install 'mien\[parquet\]'"):
        ParquetSink(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
