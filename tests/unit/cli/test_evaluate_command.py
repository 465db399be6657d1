"""`mien evaluate`: labelled images in, figures out, into every file that was named."""

import io
import json

import pytest
from PIL import Image

from mien.evaluation.report import BEGIN, END


@pytest.fixture
def faces(photo, tmp_path):
    """A UTKFace folder with four faces in the test split."""
    folder = tmp_path / "utkface"
    folder.mkdir()
    rows = ["file,split"]
    for k in range(4):
        buffer = io.BytesIO()
        Image.fromarray(photo[10 + k : 290, 90 + k : 360]).save(buffer, "PNG")
        name = f"{40 + k}_{k % 2}_0_2017010422294945{k}.png"
        (folder / name).write_bytes(buffer.getvalue())
        rows.append(f"{name},test")
    (folder / "utkface-split.csv").write_text("\n".join(rows), "utf-8")
    return folder


@pytest.fixture
def evaluate(cli, faces, tiny_model):
    def run(*arguments):
        return cli("evaluate", tiny_model, "--data", f"utkface={faces}", "--threads", 1, *arguments)

    return run


def test_without_a_file_everything_is_printed(evaluate):
    result = evaluate()
    assert result.exit_code == 0
    assert "## tiny on utkface test" in result.stdout
    assert "4 of 4 images answered, detector `crop`, 0 unreadable" in result.stdout
    assert "| gender accuracy, labelled male |" in result.stdout


def test_every_file_is_written(evaluate, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"a\n{BEGIN}\n{END}\nb\n", "utf-8")
    paths = {name: tmp_path / name for name in ("r.json", "r.md", "card.md")}
    result = evaluate(
        "--out", paths["r.json"], "--out", paths["r.md"], "--card", paths["card.md"],
        "--insert", readme,
    )  # fmt: skip
    assert result.exit_code == 0
    assert result.stdout.startswith("| metric |")  # the short table only
    [report] = json.loads(paths["r.json"].read_text("utf-8"))
    assert report["answered"] == 4
    assert "## tiny on utkface test" in paths["r.md"].read_text("utf-8")
    assert paths["card.md"].read_text("utf-8").startswith("# tiny\n")
    text = readme.read_text("utf-8")
    assert text.startswith(f"a\n{BEGIN}\n| metric |")
    assert text.endswith(f"|\n{END}\nb\n")


def test_every_face_counts_however_small(evaluate, faces):
    for path in faces.glob("*.png"):
        Image.open(path).resize((20, 20)).save(path)
    assert "4 of 4 images answered" in evaluate().stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "r.csv"), "r.csv: a report ends in .json or .md"),
        (("--insert", "no.md"), "no.md: cannot be read"),
        (("--data", "utkface"), "--data wants NAME=PATH, got 'utkface'"),
        (("--data", "utkfase=."), "Did you mean 'utkface'?"),
        (("--split", "dev"), "utkface: the split 'dev' is empty"),
        (("--detector", "yuent"), "Did you mean 'yunet'?"),
    ],
    ids=str,
)
def test_what_cannot_work_is_one_line(evaluate, arguments, message):
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_files_are_checked_before_anything_is_measured(evaluate, monkeypatch, tmp_path):
    def never(*arguments, **settings):
        pytest.fail("the evaluation has begun")

    monkeypatch.setattr("mien.evaluation.run.evaluate", never)
    assert evaluate("--out", tmp_path / "r.txt").exit_code == 2
    (tmp_path / "README.md").write_text("no markers", "utf-8")
    assert evaluate("--insert", tmp_path / "README.md").exit_code == 2


def test_data_are_needed(cli, tiny_model):
    result = cli("evaluate", tiny_model)
    assert result.exit_code == 2
    assert "--data" in result.stderr
