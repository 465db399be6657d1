"""`mien analyze` as users run it: a process, real files, exit codes, what lands on disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "astronaut.jpg"


def mien(*arguments, stdin=None, cwd=None, timeout=120):
    return subprocess.run(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=timeout,
        env={**os.environ, "NO_COLOR": "1"},
    )


def rows(process):
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory):
    """Two hundred photos of many kinds, ten of them broken."""
    folder = tmp_path_factory.mktemp("mixed")
    photo = Image.open(PHOTO)
    jpeg = PHOTO.read_bytes()
    for k in range(190):
        sub = folder / f"album {k % 7}"
        sub.mkdir(exist_ok=True)
        size = (160 + 3 * k, 160 + 2 * k)
        picture = photo.resize(size).rotate(k % 11 - 5)
        ending = ("jpg", "png", "webp", "bmp", "tiff")[k % 5]
        mode = ("RGB", "L", "RGB", "RGB", "RGB")[k % 5]
        picture.convert(mode).save(sub / f"größe-{k:03}.{ending}")
    broken = folder / "broken"
    broken.mkdir()
    (broken / "empty.jpg").write_bytes(b"")
    for k, cut in enumerate((10, 300, 2000, len(jpeg) // 2, len(jpeg) - 50)):
        (broken / f"cut{k}.jpg").write_bytes(jpeg[:cut])
    (broken / "text.png").write_text("this is no picture")
    (broken / "page.jpg").write_text("<!doctype html><html></html>")
    (broken / "noise.webp").write_bytes(bytes(np.random.default_rng(0).integers(0, 256, 5000)))
    (broken / "zeros.tiff").write_bytes(bytes(4096))
    return folder


def test_one_photo_in_a_pipe_is_one_json_line():
    done = mien("analyze", PHOTO)
    assert done.returncode == 0, done.stderr
    [row] = rows(done)
    assert row["source"] == str(PHOTO)
    [face] = row["faces"]
    assert face["box"]["left"] == pytest.approx(179, abs=8)
    assert 15 < face["age"]["low"] <= face["age"]["years"] <= face["age"]["high"] < 70
    assert face["emotion"]["label"] == "happiness"
    assert face["skipped"] is None
    assert done.stderr == b""


def test_folder_with_broken_files_goes_on_and_says_so(mixed_folder, tmp_path):
    out = tmp_path / "rows.jsonl"
    table = tmp_path / "rows.csv"
    done = mien("analyze", mixed_folder, "--out", out, "--out", table)
    assert done.returncode == 3
    results = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(results) == 200
    failed = [row for row in results if row["error"]]
    assert len(failed) == 10
    assert all(Path(row["source"]).parent.name == "broken" for row in failed)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 10
    assert all(any(row["source"] in line for line in lines) for row in failed)
    found = sum(len(row["faces"]) == 1 for row in results if not row["error"])
    assert found >= 185
    assert len(table.read_text("utf-8").splitlines()) >= 201
    assert not list(tmp_path.glob(".*"))


def test_several_sources_globs_and_stdin():
    done = mien("analyze", "-", str(ROOT / "examples" / "*.jpg"), stdin=PHOTO.read_bytes())
    assert done.returncode == 0, done.stderr
    first, second = rows(done)[:2]
    assert first["source"] == "<stdin>"
    assert first["faces"] == second["faces"]


def test_every_table_format_holds_the_same_face(tmp_path):
    pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    outs = [tmp_path / f"faces.{ending}" for ending in ("jsonl", "json", "csv", "parquet")]
    flags = [part for out in outs for part in ("--out", out)]
    done = mien("analyze", PHOTO, *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    import csv

    import pyarrow.parquet as pq

    [line] = [json.loads(text) for text in outs[0].read_text().splitlines()]
    [entry] = json.loads(outs[1].read_text())
    assert line == entry
    with outs[2].open(newline="") as file:
        [flat] = csv.DictReader(file)
    [column] = pq.read_table(outs[3]).to_pylist()
    age = line["faces"][0]["age"]["years"]
    assert float(flat["age_years"]) == pytest.approx(age)
    assert column["age_years"] == pytest.approx(age, rel=1e-5)
    assert flat["emotion"] == column["emotion"] == line["faces"][0]["emotion"]["label"]


def test_options_change_the_answer():
    done = mien(
        "analyze", PHOTO, "--attributes", "age,emotion", "--emotions", "sadness,neutral",
        "--age-groups", "0-17,18+", "--faces", "largest",
    )  # fmt: skip
    [face] = rows(done)[0]["faces"]
    assert face["gender"] is None
    assert set(face["emotion"]["probabilities"]) == {"sadness", "neutral"}
    assert sum(face["emotion"]["probabilities"].values()) == pytest.approx(1)
    assert face["age"]["group"] == "18+"


def test_small_faces_are_found_but_say_why_they_have_no_answer():
    [face] = rows(mien("analyze", PHOTO, "--min-face", "400"))[0]["faces"]
    assert face["skipped"] == "face narrower than 400 px"
    assert face["age"] is None


def test_draw_and_blur_write_pictures_of_the_same_size(tmp_path):
    drawn, blurred = tmp_path / "drawn.jpg", tmp_path / "blurred.png"
    done = mien("analyze", PHOTO, "--draw", drawn, "--blur", blurred)
    assert done.returncode == 0, done.stderr
    original = np.asarray(Image.open(PHOTO), np.int16)
    for path, inside in ((drawn, False), (blurred, True)):
        picture = np.asarray(Image.open(path), np.int16)
        assert picture.shape == original.shape
        changed = np.abs(picture - original).max(axis=2) > 40
        face = changed[80:160, 190:260]
        assert face.mean() > 0.2 if inside else face.mean() < 0.02
    assert rows(done)  # the answer still goes to standard output


def test_draw_into_a_folder_keeps_same_names_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(PHOTO, tmp_path / name / "face.jpg")
    done = mien("analyze", tmp_path / "a", tmp_path / "b", "--draw", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_pictures_never_go_among_the_sources(tmp_path):
    shutil.copy(PHOTO, tmp_path / "face.jpg")
    done = mien("analyze", tmp_path, "--draw", tmp_path)
    assert done.returncode == 2
    assert b"is also a source" in done.stderr
    (tmp_path / "out").mkdir()
    shutil.copy(PHOTO, tmp_path / "out" / "face.jpg")
    done = mien(
        *("analyze", tmp_path / "face.jpg", tmp_path / "out" / "face.jpg"),
        *("--draw", tmp_path / "out"),
    )
    assert done.returncode == 2
    assert b"holds the source 'face.jpg'" in done.stderr
    assert (tmp_path / "out" / "face.jpg").read_bytes() == PHOTO.read_bytes()
    assert (tmp_path / "face.jpg").read_bytes() == PHOTO.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector", "yunt"], "Did you mean 'yunet'?"),
        (["--model", "mien-x"], "no model is called 'mien-x'"),
        (["--model", "gone.onnx"], "gone.onnx: no such model file"),
        (["--emotions", "hapiness,neutral"], "Did you mean 'happiness'?"),
        (["--age-groups", "0-12,14+"], "leave a gap"),
        (["--attributes", "age,mood"], "no attribute is called 'mood'"),
        (["--min-score", "2"], "min_score must lie between 0 and 1"),
        (["--device", "abacus"], "device 'abacus' is not available. Here: cpu"),
        (["--out", "faces.xlsx"], "'.xlsx'"),
        (["--out", "no/such/folder/x.csv"], "no/such/folder"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_code_2(arguments, message, tmp_path):
    done = mien("analyze", PHOTO, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert message in line
    assert done.stdout == b""
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_one_line(tmp_path):
    link = tmp_path / "full.jsonl"
    with open("/dev/full", "wb") as full:  # noqa: PTH123  (a device, not a file)
        done = subprocess.run(
            [sys.executable, "-m", "mien", "analyze", str(PHOTO)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert "No space left" in line or "full" in line
    assert not link.exists()


def test_settings_from_toml_and_flags_win(tmp_path):
    config = tmp_path / "mien.toml"
    config.write_text('[analyze]\nattributes = ["age"]\nmin_face_px = 400\nmin_sharpness = 99999\n')
    flags = ("--min-face", "20", "--min-sharpness", "0")
    [face] = rows(mien("analyze", PHOTO, "--config", config, *flags))[0]["faces"]
    assert face["age"] is not None
    assert face["emotion"] is None
    config.write_text("[analyze]\nmin_fase_px = 4\n")
    done = mien("analyze", PHOTO, "--config", config)
    assert done.returncode == 2
    assert b"Did you mean 'min_face_px'?" in done.stderr


def test_ctrl_c_leaves_valid_files(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for k in range(3000):
        os.link(PHOTO, folder / f"{k:04}.jpg") if k else shutil.copy(PHOTO, folder / "0000.jpg")
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "mien", "analyze", str(folder), "--out", str(out)],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size for part in tmp_path.glob(".out.jsonl*")):
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode().splitlines()[-1] == "interrupted"
    lines = out.read_text().splitlines()
    assert 0 < len(lines) < 3000
    assert all(json.loads(line)["faces"] for line in lines)
    assert not list(tmp_path.glob(".out*"))


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.run(
        f"'{sys.executable}' -m mien analyze '{PHOTO}' '{PHOTO}' '{PHOTO}' | head -c 10",
        shell=True,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_real_faces_from_the_data_sets(tmp_path):
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the shared data sets are not here")
    from mien.datasets import datasets

    reader = datasets["fairface"](data)
    for record in [r for r in reader.records() if r.split == "test"][:40]:
        (tmp_path / Path(record.name).name).write_bytes(reader.read(record.name))
    done = mien("analyze", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(bool(row["faces"]) for row in rows(done)) >= 38
