"""The table of people: the same content in every format, whole or not there at all."""

import csv
import io
import json

import pytest
from rich.console import Console

from mien.config import EMOTIONS
from mien.errors import ConfigError, OutputError
from mien.interfaces import Frame
from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed
from mien.sinks import PeopleSink, print_people

FRAME = Frame(source="unused")
GROUPS = ("0-25", "26+")


def face(track_id, years, happiness):
    shares = [1 - happiness, happiness] + [0.0] * (len(EMOTIONS) - 2)
    age = Age(
        years=years,
        low=years - 3.0,
        high=years + 4.0,
        group=GROUPS[years > 25],
        groups=Distribution(GROUPS, (0.25, 0.75)),
        distribution=(0.5, 0.5) + (0.0,) * 99,
    )
    gender = Distribution(("female", "male"), (0.75, 0.25))
    emotion = Distribution(EMOTIONS, tuple(shares))
    smoothed = Smoothed(age=age, gender=gender, emotion=emotion)
    return Face(box=Box(0, 0, 9, 9), score=1.0, track_id=track_id, smoothed=smoothed)


RESULTS = [
    FrameResult(
        source="a [red].mp4",
        time_s=k / 2,
        faces=(face(1, 31.5, 0.25), face(2, 8.0, 1.0))[: 1 + (k < 2)],
    )
    for k in range(4)
]


def write(path, results=RESULTS, **options):
    with PeopleSink(path, **options) as sink:
        for result in results:
            sink.write(FRAME, result)
    return sink


def flat(row):
    names = ("source", "track_id", "screen_time_s", "frames", "age_years", "age_group", "gender")
    row = {name: row[name] for name in (*names, "emotion", "emotion_share", "emotion_happiness")}
    types = {"track_id": int, "frames": int, **dict.fromkeys(["screen_time_s", "age_years"], float)}
    types |= dict.fromkeys(["emotion_share", "emotion_happiness"], float)
    return {name: types.get(name, str)(value) for name, value in row.items()}


def nested(item):
    return flat(
        item
        | {"age_years": item["age"]["years"], "age_group": item["age"]["group"]}
        | {"gender": item["gender"]["label"], "emotion": item["emotion"]["label"]}
        | {"emotion_share": item["emotion"]["probability"]}
        | {"emotion_happiness": item["emotion"]["probabilities"]["happiness"]}
    )


def read(path):
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_table

        return [flat(row) for row in read_table(path).to_pylist()]
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        return [flat(row) for row in csv.DictReader(io.StringIO(text))]
    items = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
    return [nested(item) for item in items]


@pytest.fixture(params=[".csv", ".json", ".jsonl", ".parquet"])
def path(request, tmp_path):
    return tmp_path / f"people{request.param}"


def test_every_format_says_the_same(path):
    write(path)
    same = {"source": "a [red].mp4", "gender": "female"}
    assert read(path) == [
        same
        | {"track_id": 1, "screen_time_s": 2.0, "frames": 4, "age_years": 31.5, "age_group": "26+"}
        | {"emotion": "neutral", "emotion_share": 0.75, "emotion_happiness": 0.25},
        same
        | {"track_id": 2, "screen_time_s": 1.0, "frames": 2, "age_years": 8.0, "age_group": "0-25"}
        | {"emotion": "happiness", "emotion_share": 1.0, "emotion_happiness": 1.0},
    ]


def test_the_file_appears_when_it_is_whole(path):
    with PeopleSink(path) as sink:
        sink.write(FRAME, RESULTS[0])
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]


def test_a_run_that_breaks_off_keeps_what_it_has(path):
    def work():
        with PeopleSink(path) as sink:
            sink.write(FRAME, RESULTS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert [row["track_id"] for row in read(path)] == [1, 2]


def test_pictures_give_a_valid_empty_file_and_a_note(path):
    still = FrameResult(source="a.jpg", faces=(face(None, 30.0, 0.5),))
    sink = write(path, [still])
    assert read(path) == []
    assert "people are counted in clips" in sink.note


def test_no_note_when_there_are_people_or_no_faces(tmp_path):
    assert write(tmp_path / "a.csv").note is None
    assert write(tmp_path / "b.csv", [FrameResult(source="a.mp4", time_s=0.0)]).note is None


def test_the_people_of_the_file_are_those_of_the_sink(tmp_path):
    sink = write(tmp_path / "a.csv")
    assert [person.track_id for person in sink.people] == [1, 2]


def test_balance_is_a_column_only_when_asked_for(tmp_path):
    write(tmp_path / "without.csv")
    write(tmp_path / "with.csv", balance=True)
    assert "balance" not in (tmp_path / "without.csv").read_text().splitlines()[0]
    rows = list(csv.DictReader((tmp_path / "with.csv").read_text().splitlines()))
    assert [float(row["balance"]) for row in rows] == [0.25, 1.0]


def test_parquet_has_the_whole_distribution_of_ages(tmp_path):
    from pyarrow.parquet import read_table

    write(tmp_path / "people.parquet")
    ages = read_table(tmp_path / "people.parquet")["age_distribution"][0].as_py()
    assert ages == [0.5, 0.5] + [0.0] * 99


def test_an_unknown_ending_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match=r"ending '\.xlsx'\. Known: \.jsonl, \.json"):
        PeopleSink(tmp_path / "people.xlsx")


def test_a_missing_folder_is_found_before_the_work(path):
    with pytest.raises(OutputError, match="does not exist"):
        PeopleSink(path.parent / "no" / path.name)


def printed(people, *, width=110, ascii_only=False):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if ascii_only else "utf-8")
    print_people(people, Console(file=stream, width=width))
    stream.flush()
    return stream.buffer.getvalue().decode()


def test_the_terminal_lists_everybody(tmp_path):
    text = printed(write(tmp_path / "a.csv", balance=True).people)
    assert "0:00.0-0:01.5" in text
    assert "32 (28-36)" in text
    assert "neutral 75, happiness 25" in text
    assert "+0.25" in text
    assert "clip" not in text  # there is only one


def test_several_clips_are_named_as_they_are(tmp_path):
    more = [FrameResult(source="b.mp4", time_s=0.0, faces=(face(1, 20.0, 0.0),))]
    assert "a [red].mp4" in printed(write(tmp_path / "a.csv", RESULTS + more).people, width=140)


def test_a_terminal_without_unicode_is_no_error(tmp_path):
    assert "8 (5-12)" in printed(write(tmp_path / "a.csv").people, ascii_only=True)


def test_nobody_prints_nothing():
    assert printed([]) == ""
