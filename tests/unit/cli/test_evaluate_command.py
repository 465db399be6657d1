"""`mien evaluate`: labelled images in, figures out, into every file that was named."""

import io
import json

import pytest
from PIL import Image

from mien.datasets import Record, datasets
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
    # By gender, age and race together: one gender and one decade, so two groups of two metrics.
    assert "4 more lines, by groups of gender, age and race together" in result.stdout
    assert result.stderr == ""


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


def test_figures_and_a_page(evaluate, tmp_path):
    pytest.importorskip("matplotlib")
    result = evaluate("--plots", tmp_path / "plots", "--out", tmp_path / "r.html")
    assert result.exit_code == 0
    names = [f"utkface-test-{name}.png" for name in ("age", "age-coverage", "calibration-gender")]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(names)
    assert result.stderr.count(" written\n") == 3
    assert "tiny: evaluation" in (tmp_path / "r.html").read_text("utf-8")


def test_worse_pictures(evaluate, tmp_path):
    path = tmp_path / "r.json"
    result = evaluate("--degrade", "blur,size", "--degrade-faces", 2, "--out", path)
    assert result.exit_code == 0
    assert "utkface test: blur and face size varied on 2 of 4 faces" in result.stderr
    assert "utkface test: proposed min_face_px = " in result.stderr
    [report] = json.loads(path.read_text("utf-8"))
    # The faces are narrower than 96 px, so that five of six widths are left.
    assert {(c["kind"], len(c["levels"])) for c in report["curves"]} == {("blur", 7), ("size", 6)}
    assert {step["n"] for curve in report["curves"] for step in curve["levels"]} == {2}
    printed = evaluate("--degrade", "jpeg").stdout
    assert "| utkface test, JPEG quality 5 | 4 |" in printed
    assert "| utkface test, faces 16 px wide |" not in printed


def test_no_face_cannot_be_degraded(evaluate):
    result = evaluate("--degrade", "size", "--degrade-faces", 0)
    assert result.exit_code == 2
    assert "--degrade-faces" in result.stderr


def test_a_model_with_one_head(cli, faces, make_model, tmp_path):
    heads = {"gender": {"decoder": "softmax", "labels": ["female", "male"]}}
    path = make_model(tmp_path / "gender.onnx", heads)
    result = cli("evaluate", path, "--data", f"utkface={faces}", "--threads", 1)
    assert result.exit_code == 0
    assert "| gender accuracy |" in result.stdout
    assert "age MAE" not in result.stdout


def test_a_model_that_answers_nothing_of_what_is_labelled(cli, faces, make_model, tmp_path):
    heads = {"emotion": {"decoder": "emotion", "labels": ["sadness", "fear"]}}
    path = make_model(tmp_path / "emotion.onnx", heads)
    result = cli("evaluate", path, "--data", f"utkface={faces}", "--threads", 1)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: utkface test: nothing to measure: the model answers expression (sadness, fear), "
        "the data set labels age and gender\n"
    )


class Moods:
    """A data set with an option, whose images are the same photo."""

    name = "moods"

    def __init__(self, path, *, classes=""):
        self.photo, self.classes = path, classes.split()
        self.dropped = {}

    def records(self):
        for k, label in enumerate(self.classes):
            yield Record(name=str(k), split="test", expression=label)

    def read(self, name):
        return self.photo.read_bytes()


@pytest.fixture
def moods(monkeypatch, photo_path, cli, tiny_model):
    """Function that runs the command on `Moods`."""
    monkeypatch.setitem(datasets._entries, "moods", Moods)

    def run(*arguments):
        data = f"moods={photo_path}"
        return cli("evaluate", tiny_model, "--data", data, "--threads", 1, *arguments)

    return run


def test_options_come_from_the_recipe(moods, tmp_path):
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        '[[data]]\ndataset = "moods"\noptions = { classes = "fear anger smirk" }', "utf-8"
    )
    result = moods("--recipe", recipe, "--detector", "whole")
    assert result.exit_code == 0
    note = "moods test: the model does not know smirk (1 image): these are left out."
    assert result.stderr == f"{note}\n"
    assert f"- {note}" in result.stdout
    assert "labels of the data set, 2 classes, the model's neutral and happiness" in result.stdout
    assert moods("--detector", "whole").exit_code == 2  # without options, there is no image


def test_an_option_that_the_reader_does_not_have(moods, tmp_path):
    recipe = tmp_path / "own.toml"
    recipe.write_text('[[data]]\ndataset = "moods"\noptions = { clases = "fear" }', "utf-8")
    result = moods("--recipe", recipe)
    assert result.exit_code == 2
    assert "has no option 'clases'. Did you mean 'classes'?" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_every_face_counts_however_small(evaluate, faces):
    for path in faces.glob("*.png"):
        Image.open(path).resize((20, 20)).save(path)
    assert "4 of 4 images answered" in evaluate().stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "r.csv"), "r.csv: a report ends in .json, .md or .html"),
        (("--insert", "no.md"), "no.md: cannot be read"),
        (("--data", "utkface"), "--data wants NAME=PATH, got 'utkface'"),
        (("--data", "utkfase=."), "Did you mean 'utkface'?"),
        (("--data", "utkface=no-folder"), "no-folder"),
        (("--split", "val"), "utkface: the split 'val' is empty. It has: test"),
        (("--split", "tst"), "Did you mean 'test'?"),
        (("--recipe", "no.toml"), "no.toml: cannot be read as TOML"),
        (("--detector", "yuent"), "Did you mean 'yunet'?"),
        (
            ("--degrade", "size,jpg"),
            "no way to degrade pictures is called 'jpg'. Did you mean 'jpeg'?",
        ),
        (("--degrade", ""), "Known: blur, dark, glasses, jpeg, mask, size."),
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
    assert evaluate("--plots", tmp_path / "README.md").exit_code == 2
    # The second data set is looked at before the first is measured.
    (tmp_path / "empty").mkdir()
    assert evaluate("--data", f"utkface={tmp_path / 'empty'}").exit_code == 2
    monkeypatch.setattr("mien.evaluation.canvas.find_spec", lambda name: None)
    for arguments in (("--plots", tmp_path / "plots"), ("--out", tmp_path / "r.html")):
        result = evaluate(*arguments)
        assert (result.exit_code, "mien[plots]" in result.stderr) == (2, True)
    assert not (tmp_path / "plots").exists()


def test_data_are_needed(cli, tiny_model):
    result = cli("evaluate", tiny_model)
    assert result.exit_code == 2
    assert "--data" in result.stderr
