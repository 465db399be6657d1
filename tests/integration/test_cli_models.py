"""`mien models`, `mien doctor`, `mien --version`: what a user checks first."""

import shutil
import subprocess
import sys
from pathlib import Path

import mien

ROOT = Path(__file__).parents[2]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_version():
    done = run("-m", "mien", "--version")
    assert done.stdout == f"mien {mien.__version__}\n"


def test_list_names_every_model_first_on_its_line():
    done = run("-m", "mien", "models", "list")
    names = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert {"mien-m", "yunet"} <= set(names)


def test_info_prints_licence_checksum_and_card():
    done = run("-m", "mien", "models", "info", "mien-m")
    assert "CC-BY-NC-4.0" in done.stdout
    assert "# mien-m" in done.stdout
    assert "Not for" in done.stdout


def test_unknown_model_is_one_line():
    done = run("-m", "mien", "models", "info", "mien-mm")
    assert done.returncode == 2
    assert "Did you mean 'mien-m'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_verify_and_doctor_are_content():
    assert run("-m", "mien", "models", "verify").returncode == 0
    done = run("-m", "mien", "doctor")
    assert done.returncode == 0, done.stderr
    assert "self-test: one face" in done.stdout


def test_damaged_weights_are_named_with_both_checksums(tmp_path):
    package = tmp_path / "mien"
    shutil.copytree(Path(mien.__file__).parent, package)
    weights = package / "models" / "weights" / "mien-m-int8.onnx"
    data = bytearray(weights.read_bytes())
    data[5000] ^= 1
    weights.write_bytes(data)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from mien.cli.main import run; run()"
    )
    for command in (["models", "verify"], ["analyze", ROOT / "examples" / "astronaut.jpg"]):
        done = run("-c", script, *command)
        assert done.returncode == 2
        [line] = [text for text in done.stderr.splitlines() if "SHA-256" in text]
        assert "mien-m-int8.onnx" in line
        assert done.stdout.count("{") == 0
    weights.unlink()
    done = run("-c", script, "analyze", ROOT / "examples" / "astronaut.jpg")
    assert done.returncode == 2
    assert "is missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1
