"""Promises that every table format keeps; a new one is tested without new test code."""

import csv
import json

import pytest

from mien.errors import OutputError
from mien.interfaces import Frame
from mien.results import Age, Box, Distribution, Face, FrameResult
from mien.rows import TableColumns
from mien.sinks import open_sink, sinks

FRAME = Frame(source="unused")
GROUPS = TableColumns().age_groups
FACE = Face(
    box=Box(1.5, 2.0, 30.0, 40.0),
    score=0.75,
    age=Age(
        years=31.5,
        low=26.0,
        high=37.0,
        group=GROUPS[2],
        groups=Distribution(GROUPS, (0.0, 0.25, 0.75, 0.0)),
        distribution=(0.5,) * 2 + (0.0,) * 99,
    ),
    gender=Distribution(("female", "male"), (0.25, 0.75)),
)
RESULTS = [
    FrameResult(source="three.jpg", width=64, height=48, faces=(FACE, FACE, FACE)),
    FrameResult(source="empty wall.jpg", width=64, height=48),
    FrameResult(source="broken.jpg", error="the file is empty"),
]


@pytest.fixture(params=sorted(sinks))
def path(request, tmp_path):
    return tmp_path / f"out{request.param}"


def nested(items):
    return [
        (item["source"], item["error"], [face["age"]["years"] for face in item["faces"]])
        for item in items
    ]


def flat(rows):
    """Group the rows of a flat table by image."""
    images = {}
    for row in rows:
        years = images.setdefault((row["source"], row["error"] or None), [])
        if row["age_years"] not in (None, ""):
            years.append(float(row["age_years"]))
    return [(source, error, years) for (source, error), years in images.items()]


def read_parquet(path):
    from pyarrow.parquet import read_table

    return flat(read_table(path).to_pylist())


READERS = {
    ".jsonl": lambda path: nested(map(json.loads, path.read_text("utf-8").splitlines())),
    ".json": lambda path: nested(json.loads(path.read_text("utf-8"))),
    ".csv": lambda path: flat(csv.DictReader(path.read_text("utf-8").splitlines())),
    ".parquet": read_parquet,
}


def write(path, results):
    with open_sink(path) as sink:
        for result in results:
            sink.write(FRAME, result)


def test_nothing_is_lost(path):
    write(path, RESULTS)
    assert READERS[path.suffix](path) == [
        ("three.jpg", None, [31.5, 31.5, 31.5]),
        ("empty wall.jpg", None, []),
        ("broken.jpg", "the file is empty", []),
    ]


def test_no_results_give_a_valid_file(path):
    write(path, [])
    assert READERS[path.suffix](path) == []


def test_the_file_appears_when_it_is_whole(path):
    with open_sink(path) as sink:
        sink.write(FRAME, RESULTS[0])
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]


def test_ctrl_c_leaves_a_valid_file(path):
    def work():
        with open_sink(path) as sink:
            sink.write(FRAME, RESULTS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert READERS[path.suffix](path) == [("three.jpg", None, [31.5, 31.5, 31.5])]


def test_a_missing_folder_is_one_clear_line(path):
    with pytest.raises(OutputError, match=r"does not exist\. Create it") as caught:
        open_sink(path.parent / "no" / path.name)
    assert "\n" not in str(caught.value)
