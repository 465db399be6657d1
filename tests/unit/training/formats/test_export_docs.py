"""Every program in docs/export.md runs as it stands there, and all formats answer the same."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.images import normalise
from mien.training.export import export
from mien.training.formats import formats

DOCS = Path(__file__).parents[4] / "docs" / "export.md"
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL))
FILES = {
    "with_onnx.py": {"mien-m.onnx": "onnx", "mien-m-int8.onnx": "onnx-int8"},
    "with_torchscript.py": {"mien-m.pt": "torchscript"},
    "with_openvino.py": {"mien-m.xml": "openvino"},
    "with_tflite.py": {"mien-m.tflite": "tflite"},
}


@pytest.fixture(scope="module")
def folder(tiny_run, photo_path, tmp_path_factory):
    """The programs, the photo and a file of every format that can be written here."""
    folder = tmp_path_factory.mktemp("app")
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text, "utf-8")
    shutil.copy(photo_path, folder / "photo.jpg")
    for files in FILES.values():
        for file, name in files.items():
            if all(find_spec(library) for library in formats[name].libraries):
                export(tiny_run, folder / file, format=name)
    run(folder, "cut.py")
    return folder


def run(folder, program):
    """What a program prints, line by line."""
    # A build server is no place for OpenVINO's telemetry: it respects this.
    environment = {**os.environ, "CI": "true", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def test_the_page_has_a_program_for_every_format():
    assert set(PROGRAMS) == {"cut.py", "face.py", *FILES}
    assert {name for files in FILES.values() for name in files.values()} == set(formats)
    for program, files in FILES.items():
        assert all(file in PROGRAMS[program] for file in files)


@pytest.mark.parametrize("program", sorted(FILES))
def test_a_program_answers_as_mien_does(folder, program):
    missing = [file for file in FILES[program] if not (folder / file).exists()]
    if missing:
        pytest.skip(f"the converter for {missing[0]} is not installed")
    from mien import Analyzer

    [face] = (
        Analyzer(model=str(folder / "mien-m.onnx"), threads=1)
        .analyze(folder / "photo.jpg")[0]
        .faces
    )
    lines = run(folder, program)
    assert len(lines) == len(FILES[program])
    for [person] in lines:
        assert person["age"] == pytest.approx(face.age.years, abs=1.5)
        assert person["gender"][0] == face.gender.best
        assert person["gender"][1] == pytest.approx(face.gender.probability, abs=0.05)
        assert person["emotion"][0] == face.emotion.best


@pytest.mark.parametrize("colour", ["grey", "RGB"])
def test_the_pixels_are_those_of_mien(folder, colour):
    from mien.images import InputSpec

    space: dict[str, object] = {}
    exec((folder / "face.py").read_text("utf-8"), space)
    channels = 1 if colour == "grey" else 3
    spec = InputSpec(
        size=32, colour=colour, mean=(0.4, 0.5, 0.6)[:channels], std=(0.2, 0.25, 0.3)[:channels]
    )
    chips = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    entry = {"input": {"colour": colour, "mean": list(spec.mean), "std": list(spec.std)}}
    found, expected = space["prepare"](chips, entry), normalise(chips, spec)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    one_grey_level = 1 / 255 / 0.2
    assert np.abs(found - expected).max() <= (one_grey_level if colour == "grey" else 0) + 1e-5
