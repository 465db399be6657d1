"""Promises that every table format keeps; a new one is tested without new test code."""

import csv
import json
from dataclasses import replace

import pytest

from mien.errors import OutputError
from mien.interfaces import Frame
from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed
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

    return read_table(path).to_pylist()


NESTED = {
    ".jsonl": lambda path: list(map(json.loads, path.read_text("utf-8").splitlines())),
    ".json": lambda path: json.loads(path.read_text("utf-8")),
}
FLAT = {
    ".csv": lambda path: list(csv.DictReader(path.read_text("utf-8").splitlines())),
    ".parquet": read_parquet,
}


def read(path):
    """Source, error and ages of every image."""
    if path.suffix in NESTED:
        return nested(NESTED[path.suffix](path))
    return flat(FLAT[path.suffix](path))


def read_smoothed(path):
    """Smoothed age and gender of every face."""
    if path.suffix in NESTED:
        faces = [face for item in NESTED[path.suffix](path) for face in item["faces"]]
        answers = [face["smoothed"] for face in faces]
        return [
            answer and (answer["age"]["years"], answer["gender"]["label"]) for answer in answers
        ]
    rows = FLAT[path.suffix](path)
    pairs = [(row["smoothed_age_years"], row["smoothed_gender"]) for row in rows]
    return [(float(years), gender) if gender else None for years, gender in pairs]


def write(path, results):
    with open_sink(path) as sink:
        for result in results:
            sink.write(FRAME, result)


def test_nothing_is_lost(path):
    write(path, RESULTS)
    assert read(path) == [
        ("three.jpg", None, [31.5, 31.5, 31.5]),
        ("empty wall.jpg", None, []),
        ("broken.jpg", "the file is empty", []),
    ]


def test_smoothed_answers_are_kept_when_asked_for(path):
    smoothed = Smoothed(age=replace(FACE.age, years=33.5), gender=FACE.gender)
    faces = (replace(FACE, smoothed=smoothed, track_id=4), replace(FACE, track_id=5))
    with open_sink(path, columns=TableColumns(smoothed=True)) as sink:
        sink.write(FRAME, FrameResult(source="a.mp4", index=3, time_s=0.1, faces=faces))
    assert read_smoothed(path) == [(33.5, "male"), None]


def test_no_results_give_a_valid_file(path):
    write(path, [])
    assert read(path) == []


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
    assert read(path) == [("three.jpg", None, [31.5, 31.5, 31.5])]


def test_a_missing_folder_is_one_clear_line(path):
    with pytest.raises(OutputError, match=r"does not exist\. Create it") as caught:
        open_sink(path.parent / "no" / path.name)
    assert "\n" not in str(caught.value)
