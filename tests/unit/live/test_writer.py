"""Snapshots and recordings: what is on disk afterwards, in every case."""

import json
import threading
from datetime import datetime

import numpy as np
import pytest

from mien.errors import OutputError
from mien.images import decode
from mien.live import writer as writer_module
from mien.live.writer import Writer
from mien.sinks.video import VideoSink

av = pytest.importorskip("av")


@pytest.fixture
def writer(tmp_path):
    made = Writer(tmp_path / "out")
    yield made
    made.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def record(writer, shots, *, blur=False):
    for shot in shots:
        writer.add(shot, blur=blur)
        writer._pool.submit(lambda: None).result(30)  # nothing is left out for lack of time


def pictures(path):
    with av.open(str(path)) as clip:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]


def noise(size=(320, 180)):
    return np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), np.uint8)


def test_a_snapshot_is_two_pictures(writer, make_shot, make_face, tmp_path):
    image = noise()
    writer.snapshot(make_shot(make_face(1, happiness=0.8), image=image), blur=False)
    writer.close()
    drawn, plain = writer.saved
    assert plain.name == f"{drawn.stem}-plain.png"
    assert np.array_equal(decode(plain.read_bytes()), image)
    assert not np.array_equal(decode(drawn.read_bytes()), image)
    assert names(tmp_path / "out") == sorted([drawn.name, plain.name])
    assert writer.news() == f"saved {drawn.name}"
    assert writer.news() is None


def test_a_blurred_snapshot_shows_no_face_in_either_picture(writer, make_shot, make_face):
    image = noise()
    writer.snapshot(make_shot(make_face(1, happiness=0.8), image=image), blur=True)
    writer.close()
    for path in writer.saved:
        middle = decode(path.read_bytes())[26:50, 46:64].astype(int)
        assert middle.std(axis=(0, 1)).max() < 12


def test_nothing_is_ever_replaced(writer, make_shot, tmp_path, monkeypatch):
    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 12, 0, 0)

    monkeypatch.setattr(writer_module, "datetime", Noon)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mien-20260102-120000-plain.png").write_text("mine")
    for _ in range(2):
        writer.snapshot(make_shot(), blur=False)
    writer.toggle_recording()
    record(writer, [make_shot(time_s=k / 10, index=k) for k in range(3)])
    writer.close()
    assert (folder / "mien-20260102-120000-plain.png").read_text() == "mine"
    assert names(folder) == [
        "mien-20260102-120000-2-plain.png",
        "mien-20260102-120000-2.png",
        "mien-20260102-120000-3-plain.png",
        "mien-20260102-120000-3.png",
        "mien-20260102-120000-plain.png",
        "mien-20260102-120000.jsonl",
        "mien-20260102-120000.mp4",
    ]


def test_a_recording_is_a_clip_and_its_rows(writer, make_shot, make_face):
    shots = [
        make_shot(make_face(1, happiness=0.8), time_s=40 + k / 10, index=900 + 2 * k)
        for k in range(8)
    ]
    writer.toggle_recording()
    assert writer.recording_s == 0.0
    record(writer, shots)
    assert writer.recording_s == pytest.approx(0.7)
    writer.toggle_recording()
    assert writer.recording_s is None
    writer.close()
    clip, table = writer.saved
    assert (clip.suffix, table.suffix) == (".mp4", ".jsonl")
    frames = pictures(clip)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(8))
    assert [row["time_s"] for row in rows] == pytest.approx([k / 10 for k in range(8)])
    assert [time_s for time_s, _ in frames] == pytest.approx([k / 10 for k in range(8)], abs=1e-3)
    assert rows[0]["faces"][0]["track_id"] == 1
    # The box is drawn: grey is not the only colour.
    assert frames[0][1].astype(int).std(axis=2).max() > 30


def test_a_pause_is_cut_out(writer, make_shot):
    writer.toggle_recording()
    record(writer, [make_shot(time_s=k / 10, index=k) for k in range(3)])
    writer.note_gap()
    record(writer, [make_shot(time_s=60 + k / 10, index=600 + k) for k in range(3)])
    writer.close()
    times = [time_s for time_s, _ in pictures(writer.saved[0])]
    assert times == pytest.approx([k / 10 for k in range(6)], abs=1e-3)


def test_frames_are_blurred_from_the_key_on(writer, make_shot, make_face):
    image = np.zeros((180, 320, 3), np.uint8)
    image[::2] = 255  # stripes survive encoding, not blurring
    somebody = make_face(1, left=120.0, width=60.0, happiness=0.8)
    writer.toggle_recording()
    shots = [make_shot(somebody, time_s=k / 10, index=k, image=image) for k in range(4)]
    record(writer, shots[:2])
    record(writer, shots[2:], blur=True)
    writer.close()
    spread = [picture[30:80, 130:170].astype(int).std() for _, picture in pictures(writer.saved[0])]
    assert min(spread[:2]) > 60
    assert max(spread[2:]) < 15


def test_closing_completes_a_recording(writer, make_shot, tmp_path):
    writer.toggle_recording()
    record(writer, [make_shot(time_s=k / 10, index=k) for k in range(3)])
    writer.close()
    assert len(pictures(writer.saved[0])) == 3
    assert not [name for name in names(tmp_path / "out") if name.startswith(".")]


def test_a_recording_without_frames_leaves_nothing(writer, tmp_path):
    writer.toggle_recording()
    writer.toggle_recording()
    writer.close()
    assert writer.saved == []
    assert not (tmp_path / "out").exists()


def test_a_slow_disk_costs_frames_not_memory(writer, make_shot, monkeypatch):
    gate = threading.Event()
    write = VideoSink.write

    def slow(sink, frame, result):
        gate.wait(30)
        write(sink, frame, result)

    monkeypatch.setattr(VideoSink, "write", slow)
    writer.toggle_recording()
    for k in range(50):
        writer.add(make_shot(time_s=k / 10, index=k), blur=False)
    gate.set()
    writer.close()
    clip, table = writer.saved
    assert len(pictures(clip)) == len(table.read_text().splitlines()) == writer_module.ROOM
    assert writer.news() == f"saved {clip.name}, {50 - writer_module.ROOM} frames left out"


def test_a_folder_that_cannot_be_made_is_told_and_the_window_goes_on(tmp_path, make_shot):
    (tmp_path / "file").write_text("")
    writer = Writer(tmp_path / "file")
    writer.snapshot(make_shot(), blur=False)
    writer.toggle_recording()
    record(writer, [make_shot(time_s=k / 10, index=k) for k in range(3)])
    assert writer.recording_s is None
    assert "is a file" in writer.news()
    writer.close()
    assert writer.saved == []
    with pytest.raises(OutputError, match="is a file"):
        writer.check()


def test_a_full_disk_ends_the_recording_and_keeps_the_rows(writer, make_shot, monkeypatch):
    write = VideoSink.write

    def full(sink, frame, result):
        if frame.index == 2:
            raise OutputError("clip.mp4: the disk is full.")
        write(sink, frame, result)

    monkeypatch.setattr(VideoSink, "write", full)
    writer.toggle_recording()
    record(writer, [make_shot(time_s=k / 10, index=k) for k in range(5)])
    assert writer.recording_s is None
    assert "disk is full" in writer.news()
    writer.close()
    with pytest.raises(OutputError, match="full"):
        writer.check()
    [table] = [path for path in writer._folder.iterdir() if path.suffix == ".jsonl"]
    assert len(table.read_text().splitlines()) == 2
