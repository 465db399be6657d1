"""`mien analyze` on clips as users run it: what lands on disk, exit codes, and after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

av = pytest.importorskip("av", reason="reading video needs the extra [video]")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra [parquet]")

from clips import Actor, evenly, line, still, write_clip

FAST = ("--model", "mien-s-int8", "--threads", "1")


def command(*arguments):
    return [sys.executable, "-m", "mien", *map(str, arguments)]


def mien(*arguments, cwd=None):
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=cwd, env=environment, timeout=120
    )


def make(path, seconds=1.0, **settings):
    scene = [
        Actor(line((100, 140, 70), (180, 150, 80), seconds)),
        Actor(still(360, 130, 80), mirror=True),
    ]
    write_clip(path, scene, evenly(seconds, 20), size=(480, 270), rate=20, **settings)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make(tmp_path_factory.mktemp("clip") / "clip.mp4", audio=True)


def times(path):
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_rows_people_and_an_annotated_clip(clip, tmp_path):
    outputs = [tmp_path / name for name in ("rows.parquet", "rows.jsonl", "out.mp4", "people.csv")]
    rows, lines, drawn, people = outputs
    done = mien(
        *("analyze", clip, *FAST, "--out", rows, "--out", lines),
        *("--draw", drawn, "--people", people, "--balance"),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    table = parquet.read_table(rows)
    assert table.num_rows == 40
    assert sorted(set(table["track_id"].to_pylist())) == [1, 2]
    assert None not in table["smoothed_age_years"].to_pylist()
    assert len(table["smoothed_age_distribution"][0].as_py()) == 101
    frames = [json.loads(text) for text in lines.read_text().splitlines()]
    assert [frame["time_s"] for frame in frames] == pytest.approx(evenly(1.0, 20))
    assert all(face["smoothed"]["age"] for frame in frames for face in frame["faces"])
    assert times(drawn) == pytest.approx(times(clip), abs=1e-4)
    with av.open(str(drawn)) as container:
        assert len(container.streams.audio) == 1
    with people.open(newline="") as file:
        persons = list(csv.DictReader(file))
    assert [float(person["screen_time_s"]) for person in persons] == pytest.approx([1.0, 1.0])
    assert all(-1 <= float(person["balance"]) <= 1 for person in persons)


def test_which_frames_are_looked_at(clip, tmp_path):
    out = tmp_path / "rows.jsonl"
    done = mien(
        *("analyze", clip, *FAST, "--start", "0.2", "--end", "0.8s", "--every", "200ms"),
        *("--out", out),
    )
    assert done.returncode == 0, done.stderr
    frames = [json.loads(text) for text in out.read_text().splitlines()]
    assert [frame["time_s"] for frame in frames] == pytest.approx([0.2, 0.4, 0.6])
    done = mien("analyze", clip, *FAST, "--max-frames", "2")
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--every", "often"), "a time looks like 90, 90s, 500ms or 1:30, got 'often'"),
        (("--start", "3", "--end", "2"), "end_s must be later than start_s"),
        (("--detect-every", "0"), "detect_every must be at least 1"),
    ],
)
def test_wrong_settings_are_one_line(clip, flags, said):
    done = mien("analyze", clip, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_from_a_file(clip, tmp_path):
    (tmp_path / "settings.toml").write_text("[video]\nevery_s = 0.5\nmax_frames = 9\n")
    done = mien("analyze", clip, *FAST, "--config", tmp_path / "settings.toml")
    assert len(done.stdout.splitlines()) == 2


def test_photos_and_clips_of_a_folder(clip, photo_path, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(photo_path.read_bytes())
    (folder / "a.mp4").write_bytes(clip.read_bytes())
    (folder / "b.mp4").write_bytes(clip.read_bytes())
    out, pictures = tmp_path / "rows.csv", tmp_path / "pictures"
    done = mien(
        *("analyze", folder, *FAST, "--every", "0.25", "--out", out, "--draw", pictures),
    )
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"].rsplit("/", 1)[1] for row in rows] == (
        ["photo.jpg"] + 8 * ["a.mp4"] + 8 * ["b.mp4"]
    )
    assert sorted(path.name for path in pictures.iterdir()) == ["a.mp4", "b.mp4", "photo.jpg"]


def test_people_of_photos_alone(photo_path, tmp_path):
    done = mien("analyze", photo_path, *FAST, "--people", tmp_path / "people.csv")
    assert done.returncode == 0
    assert done.stderr.startswith("nobody was followed")
    assert len((tmp_path / "people.csv").read_text().splitlines()) == 1


def test_a_damaged_clip_keeps_what_was_read(tmp_path):
    clip = make(tmp_path / "clip.mp4", seconds=2.0, key_every=10)
    with av.open(str(clip)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0)]
    data = bytearray(clip.read_bytes())
    start, size = packets[15]
    data[start : start + size] = b"\xff" * size
    clip.write_bytes(data)
    out = tmp_path / "rows.jsonl"
    done = mien("analyze", clip, *FAST, "--out", out)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "--skip-broken" in done.stderr
    before = [json.loads(text) for text in out.read_text().splitlines()]
    assert before[-1]["error"]
    assert sum(frame["error"] is None for frame in before) > 5
    done = mien("analyze", clip, *FAST, "--out", out, "--skip-broken")
    after = [json.loads(text) for text in out.read_text().splitlines()]
    assert sum(f["error"] is None for f in after) > sum(f["error"] is None for f in before)
    assert done.returncode == 3


def test_what_a_killed_run_leaves(tmp_path):
    """Rows that can be read, and no half clip under the final name."""
    clip = make(tmp_path / "clip.mp4", seconds=20.0)
    folder = tmp_path / "out"
    folder.mkdir()
    names = [folder / name for name in ("rows.jsonl", "rows.parquet", "drawn.mp4")]
    process = subprocess.Popen(
        command("analyze", clip, *FAST, "--out", names[0], "--out", names[1], "--draw", names[2])
    )
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            parts = list(folder.glob(".rows.jsonl.*.part"))
            if parts and len(parts[0].read_bytes().splitlines()) > 30:
                break
            assert process.poll() is None, "finished before it could be killed"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not any(name.exists() for name in names)
    [lines] = folder.glob(".rows.jsonl.*.part")
    whole = [json.loads(text) for text in lines.read_text().splitlines()]
    assert len(whole) > 30
    [rows] = folder.glob(".rows.parquet.*.part")
    assert parquet.read_table(rows).num_rows >= 1


def test_cameras_that_are_not_there(tmp_path):
    done = mien("analyze", "97", *FAST, "--out", tmp_path / "rows.jsonl")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "camera" in done.stderr
