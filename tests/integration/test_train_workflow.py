"""From folders of photos to a model that answers: every command of training, as users run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("matplotlib", reason="figures need the extra [plots]")

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "astronaut.jpg"
RECIPE = ROOT / "recipes" / "own-folders.toml"


def mien(folder, *arguments):
    result = subprocess.run(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        env={**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two classes that differ in contrast, forty photos each."""
    folder = tmp_path_factory.mktemp("own")
    head = Image.open(PHOTO).crop((130, 20, 330, 220))
    for name, contrast in (("boredom", 0.35), ("focused", 1.4)):
        (folder / "faces" / name).mkdir(parents=True)
        for k in range(40):
            picture = head.rotate(k % 9 - 4).resize((150 + k, 150 + k))
            picture = ImageEnhance.Contrast(picture).enhance(contrast)
            picture.save(folder / "faces" / name / f"{k}.jpg", quality=90)
    return folder


def test_own_classes_from_folders_to_answers(faces):
    said = mien(faces, "prepare", "--recipe", RECIPE, "--source", "faces")
    assert "80 of 80 faces packed" in said
    card = (faces / "work" / "own" / "card.md").read_text("utf-8")
    assert "| bored |" in card
    assert (faces / "work" / "own" / "classes.png").stat().st_size > 5000

    changes = ["--steps", "24", "--set", "data.0.per_batch=16", "--set", "train.evaluate_every=12"]
    said = mien(faces, "train", RECIPE, "--out", "runs/own", "--threads", "1", *changes)
    assert "mien-m has no emotion: started at random" in " ".join(said.split())
    for file in ("best.safetensors", "last.json", "log.jsonl", "curves.png"):
        assert (faces / "runs" / "own" / file).exists(), file

    said = mien(faces, "export", "runs/own", "--out", "own.onnx")
    assert "largest difference to torch" in said
    options = ["--recipe", RECIPE, "--split", "val", "--out", "own.html", "--out", "own.json"]
    said = mien(faces, "evaluate", "own.onnx", "--data", "folder=faces", *options)
    assert "expression accuracy" in said
    page = (faces / "own.html").read_text("utf-8")
    assert "data:image/png;base64," in page
    assert "http" not in page.partition("<style")[2].partition("</style>")[0]
    [report] = json.loads((faces / "own.json").read_text("utf-8"))
    row = next(row for row in report["rows"] if row["metric"] == "expression accuracy")
    assert row["value"] > 0.9  # contrast is easy to see
    assert "2 classes" in row["protocol"]

    [result] = map(json.loads, mien(faces, "analyze", PHOTO, "--model", "own.onnx").splitlines())
    [face] = result["faces"]
    assert set(face["emotion"]["probabilities"]) == {"bored", "focused"}
    assert face["age"] is None
    assert face["gender"] is None
