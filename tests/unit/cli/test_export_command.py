"""`mien export`: from a run to files that analyse."""

import json
import tomllib

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.models import ModelSpec, Session, file_sha256
from mien.models.registry import METADATA_KEY


def test_a_run_is_exported_with_its_entry(cli, tiny_run, tmp_path):
    out, manifest = tmp_path / "corners.onnx", tmp_path / "manifest.toml"
    manifest.write_text("# models\n", "utf-8")
    result = cli("export", tiny_run, "--out", out, "--manifest", manifest)
    assert result.exit_code == 0
    assert result.stderr == ""
    size, difference, coverage, written = result.stdout.splitlines()
    digest = file_sha256(out)
    assert size.startswith(f"{out}: onnx, 0.")
    assert size.endswith(f"M parameters, SHA-256 {digest}")
    assert difference.startswith("largest difference to torch on 64 validation faces: logit ")
    assert coverage.startswith("80 % age interval covers ")
    assert written == f"{manifest}: entry 'corners' written"

    entry = tomllib.loads(manifest.read_text("utf-8"))["corners"]
    spec = ModelSpec.from_mapping("corners", entry)
    assert spec.sha256 == digest
    inside = json.loads(Session(out, threads=1).metadata[METADATA_KEY])
    assert inside == {"name": "corners", **spec.to_mapping(), "sha256": ""}


def test_numbers_that_were_measured_after_training(cli, tiny_run, tmp_path):
    out = tmp_path / "corners.onnx"
    flags = ("--min-face", 31, "--min-sharpness", 4.5)
    assert cli("export", tiny_run, "--out", out, *flags).exit_code == 0
    spec = ModelSpec.from_metadata("", Session(out, threads=1).metadata)
    assert (spec.min_face_px, spec.min_sharpness) == (31, 4.5)
    refused = cli("export", tiny_run, "--out", out, "--min-sharpness", "-1")
    assert refused.stderr == "error: min_sharpness must be at least 0, got -1.0\n"


def test_a_quantised_file_says_what_it_cost(cli, tiny_run, tmp_path):
    out = tmp_path / "corners.onnx"
    result = cli("export", tiny_run, "--out", out, "--format", "onnx-int8")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[2].endswith("of the probability moved to other labels; allowed is 3 %")
    assert lines[3].startswith("int8: ")
    assert [line for line in lines if line.startswith("  gender_accuracy: ")]


@pytest.mark.parametrize("arguments", [(), ("--format", "onnx-int8"), ("--mirror",)])
def test_an_exported_model_analyses_by_its_path(cli, tiny_run, tmp_path, photo_path, arguments):
    out = tmp_path / "corners.onnx"
    assert cli("export", tiny_run, "--out", out, *arguments).exit_code == 0
    result = cli("analyze", photo_path, "--model", out, "--threads", 1)
    assert result.exit_code == 0
    [face] = json.loads(result.stdout)["faces"]
    assert face["gender"]["label"] in ("female", "male")


def test_a_run_that_is_not_there_is_one_line(cli, tmp_path):
    result = cli("export", tmp_path, "--out", tmp_path / "x.onnx")
    assert result.exit_code == 2
    assert "checkpoint 'best' cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_format_that_does_not_exist_is_one_line(cli, tmp_path):
    result = cli("export", tmp_path, "--out", tmp_path / "x.onnx", "--format", "onx")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: no export format is called 'onx'. Did you mean 'onnx'? "
        "Known: onnx, onnx-int8, openvino, tflite, torchscript.\n"
    )


def test_a_manifest_lists_what_mien_can_run(cli, tmp_path):
    result = cli("export", tmp_path, "--out", tmp_path / "x.pt", "--manifest", tmp_path / "m.toml")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: a manifest lists files that mien can run; it cannot run 'torchscript' files\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_refused_file_is_one_line(cli, tiny_run, tmp_path):
    result = cli("export", tiny_run, "--out", tmp_path / "x.pt", "--tolerance", "-1")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: x.pt is refused: ")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
