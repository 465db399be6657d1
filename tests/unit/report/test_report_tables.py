"""Every format of a table gives the same people, and the same as summing up while analysing."""

import json

import pytest
from followed import followed, person, talk, write

from mien.errors import InputError, UnreadableMediaError
from mien.people import People
from mien.report import tables
from mien.report.collect import collect
from mien.report.tables import open_table
from mien.results import Box, Distribution, Face, FrameResult
from mien.rows import TableColumns
from mien.sinks import PeopleSink, open_sink

ENDINGS = [".parquet", ".csv", ".jsonl", ".json"]


def table(path, results, *, smoothed=True):
    write(open_sink(path, columns=TableColumns(smoothed=smoothed)), results)
    return open_table(path)


def expected(results):
    people = People()
    for result in results:
        people.add(result)
    return people.summary(with_balance=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_table_says_what_the_run_said(tmp_path, ending):
    contents = collect([table(tmp_path / f"people{ending}", talk())])
    (clip,) = contents.clips
    for found, right in zip(clip.people(with_balance=True), expected(talk()), strict=True):
        for name in ("source", "track_id", "frames", "age_group"):
            assert getattr(found, name) == getattr(right, name)
        for name in ("first_s", "last_s", "screen_time_s", "age_years", "age_low", "balance"):
            assert getattr(found, name) == pytest.approx(getattr(right, name))
        assert found.gender.probabilities == pytest.approx(right.gender.probabilities)
        assert found.emotion.probabilities == pytest.approx(right.emotion.probabilities)
        if ending == ".csv":
            assert found.age_distribution is None
        else:
            assert found.age_distribution == pytest.approx(right.age_distribution, abs=1e-7)
    assert (clip.frames, clip.width, clip.height) == (60, 320, 180)
    assert (clip.start_s, clip.end_s) == pytest.approx((0.0, 6.0))
    assert clip.labels.age_groups == ("0-12", "13-25", "26-59", "60+")


def test_raw_answers_serve_where_nothing_was_smoothed(tmp_path):
    contents = collect([table(tmp_path / "people.csv", talk(), smoothed=False)])
    people = contents.clips[0].people()
    assert people[0].emotion["contempt"] == pytest.approx(1.0)
    assert people[0].age_years == pytest.approx(49, abs=0.5)


@pytest.mark.parametrize("rows", [3, 7, 50])
def test_where_a_batch_ends_changes_nothing(tmp_path, monkeypatch, rows):
    path = tmp_path / "people.parquet"
    whole = collect([table(path, talk())]).clips[0]
    monkeypatch.setattr(tables, "BATCH_ROWS", rows)
    parts = collect([open_table(path)]).clips[0]
    assert parts.frames == whole.frames == 60
    for one, other in zip(parts.people(), whole.people(), strict=True):
        assert one.frames == other.frames
        assert one.screen_time_s == pytest.approx(other.screen_time_s)
        assert one.emotion.probabilities == pytest.approx(other.emotion.probabilities)
        assert one.age_years == other.age_years


def test_clips_and_pictures_of_one_table_stay_apart(tmp_path):
    still = Face(
        box=Box(0, 0, 9, 9),
        score=0.9,
        gender=Distribution(("female", "male"), (0.9, 0.1)),
        emotion=person(1).emotion,
        age=person(1).age,
    )
    results = [
        FrameResult(source="a.jpg", width=9, height=9, faces=(still, still)),
        FrameResult(source="b.jpg", error="the file is empty"),
        *talk(source="x.mp4"),
        FrameResult(source="x.mp4", index=60, error="frame 60 cannot be decoded"),
        *talk(source="y.mp4", seconds=3),
    ]
    for ending in ENDINGS:
        contents = collect([table(tmp_path / f"all{ending}", results)])
        assert [clip.source for clip in contents.clips] == ["x.mp4", "y.mp4"]
        assert [len(clip.tracks) for clip in contents.clips] == [2, 2]
        assert (contents.clips[0].unreadable, contents.clips[1].unreadable) == (1, 0)
        assert contents.clips[0].first_error == "x.mp4: frame 60 cannot be decoded"
        stills = contents.stills
        assert (stills.images, stills.faces, stills.unreadable) == (2, 2, 1)
        assert stills.groups == {("26-59", "female"): 2}
        assert stills.emotions == {"contempt": 2}


def test_two_tables_of_one_clip_are_two_sections(tmp_path):
    both = [table(tmp_path / "a.csv", talk()), table(tmp_path / "b.jsonl", talk())]
    assert [clip.table.name for clip in collect(both).clips] == ["a.csv", "b.jsonl"]


def test_the_clearest_moment_is_chosen(tmp_path):
    def faces(time_s):
        # Sharp and large at 0.3 s; larger still, but turned away, at 0.5 s.
        large = {0.3: 120.0, 0.5: 150.0}.get(time_s, 40.0)
        box = (10.0, 10.0, 10 + large, 10 + 1.1 * large)
        turned = 70.0 if time_s == 0.5 else 0.0
        yield person(1, box=box, size_px=large, yaw_deg=turned)

    results = followed([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], faces)
    clip = collect([table(tmp_path / "a.parquet", results)]).clips[0]
    best = clip.tracks[1].best
    assert (best.time_s, best.index, best.box.right) == (0.3, 3, 130.0)


def test_a_face_cut_by_the_border_is_less_clear(tmp_path):
    def faces(time_s):
        left = -40.0 if time_s == 0 else 10.0
        yield person(1, box=(left, 10.0, left + 90, 110.0), size_px=90 - 20 * time_s)

    clip = collect([table(tmp_path / "a.csv", followed([0.0, 1.0], faces))]).clips[0]
    assert clip.tracks[1].best.time_s == 1.0


def test_an_empty_table_is_no_error(tmp_path):
    for ending in ENDINGS:
        contents = collect([table(tmp_path / f"none{ending}", [])])
        assert (contents.clips, contents.stills.images) == ([], 0)


def test_a_run_that_was_killed_in_its_last_line_is_read_up_to_there(tmp_path):
    path = tmp_path / "a.jsonl"
    table(path, talk())
    path.write_bytes(path.read_bytes()[:-300])
    assert collect([open_table(path)]).clips[0].frames == 59


# --- wrong files ---------------------------------------------------------------------------------


def refusal(path):
    with pytest.raises(InputError) as caught:
        collect([open_table(path)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_with_a_row_a_person_is_recognised(tmp_path):
    for ending in ENDINGS:
        path = tmp_path / f"summary{ending}"
        write(PeopleSink(path), talk())
        assert "one row a face" in refusal(path) or "is not a result" in refusal(path)


def test_wrong_files_are_one_clear_line(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "none.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    assert "cannot be read as a table" in refusal(tmp_path / "a.parquet")
    (tmp_path / "a.mp4").write_bytes(b"")
    assert "ends in .parquet, .csv, .jsonl or .json" in refusal(tmp_path / "a.mp4")
    (tmp_path / "a.csv").write_text("")
    assert "has no column 'source'" in refusal(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as a table" in refusal(tmp_path / "b.csv")
    (tmp_path / "a.jsonl").write_text('{"name": 1}\n')
    assert "line 1 is not a result" in refusal(tmp_path / "a.jsonl")
    (tmp_path / "b.json").write_text(json.dumps([{"a": 1}], indent=1))
    assert "line 2 is not a result" in refusal(tmp_path / "b.json")


def test_a_number_that_is_none_is_named(tmp_path):
    path = tmp_path / "a.csv"
    table(path, talk())
    path.write_text(path.read_text().replace("clip.mp4,3,", "clip.mp4,three,", 1))
    with pytest.raises(UnreadableMediaError, match=r"cannot be read as a table: .*three"):
        collect([open_table(path)])
