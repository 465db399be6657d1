"""`mien train` and `mien export`: from packed chips to a model that analyses."""

import json
import tomllib

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.models import ModelSpec, Session, file_sha256
from mien.models.registry import METADATA_KEY


def write_recipe(folder, table):
    """A recipe file; only what the tables of these tests need."""
    plain = {k: v for k, v in table.items() if not isinstance(v, dict) and k != "data"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for name in ("input", "network", "train", "augment"):
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table[name].items())]
    for part in table["data"]:
        lines += ["[[data]]", *(f"{k} = {json.dumps(v)}" for k, v in part.items())]
    path = folder / "corners.toml"
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def recipe(recipe_table, tmp_path):
    return write_recipe(tmp_path, recipe_table)


def test_a_recipe_is_trained_and_the_log_is_shown(cli, recipe, tmp_path):
    out = tmp_path / "run"
    result = cli("train", recipe, "--out", out, "--threads", 1)
    assert result.exit_code == 0
    first, second, last = result.stdout.splitlines()
    assert first.startswith("step 4/8  images_per_s ")
    assert second.startswith("step 8/8  ")
    for part in ("emotion_accuracy", "age_mae", "score", "0 min left"):
        assert part in second
    assert last == f"checkpoints: {out / 'best.safetensors'}, {out / 'last.safetensors'}"
    assert (out / "best.safetensors").is_file()


def test_a_trial_takes_fewer_steps(cli, recipe, tmp_path):
    result = cli("train", recipe, "--out", tmp_path / "run", "--threads", 1, "--steps", 2)
    assert result.stdout.startswith("step 2/2  ")


def test_a_run_is_resumed_only_when_asked(cli, recipe, tmp_path):
    arguments = ("train", recipe, "--out", tmp_path / "run", "--threads", 1)
    assert cli(*arguments).exit_code == 0
    again = cli(*arguments)
    assert again.exit_code == 2
    assert "Pass --resume" in again.stderr
    resumed = cli(*arguments, "--resume")
    assert resumed.exit_code == 0
    assert "step" not in resumed.stdout  # nothing was left to do


def test_the_network_families_are_listed(cli):
    result = cli("train", "--list-networks")
    assert result.exit_code == 0
    assert result.stdout.split()[0] == "multihead"


def test_missing_arguments_are_a_usage_error(cli):
    result = cli("train")
    assert result.exit_code == 2
    assert "RECIPE and --out are needed" in " ".join(result.stderr.split())


def test_a_slip_in_the_recipe_is_one_line(cli, recipe, tmp_path):
    recipe.write_text(recipe.read_text("utf-8").replace("evaluate_every", "evaluate_evry"))
    result = cli("train", recipe, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {recipe}: [train] has no key 'evaluate_evry'. Did you mean 'evaluate_every'?\n"
    )


def test_a_missing_library_says_what_to_install(cli, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.cli.extras.find_spec", lambda name: None)
    for command in (
        ("train", recipe, "--out", tmp_path / "run"),
        ("export", tmp_path, "--out", tmp_path / "x.onnx"),
    ):
        result = cli(*command)
        assert result.exit_code == 2
        assert "pip install 'mien[train]'" in result.stderr


def test_a_run_is_exported_with_its_entry(cli, tiny_run, tmp_path):
    out, manifest = tmp_path / "corners.onnx", tmp_path / "manifest.toml"
    manifest.write_text("# models\n", "utf-8")
    result = cli("export", tiny_run, "--out", out, "--manifest", manifest)
    assert result.exit_code == 0
    assert result.stderr == ""
    size, difference, coverage, written = result.stdout.splitlines()
    digest = file_sha256(out)
    assert size.startswith(f"{out}: 0.")
    assert size.endswith(f"M parameters, SHA-256 {digest}")
    assert difference.startswith("largest difference of a logit to torch on validation faces: ")
    assert coverage.startswith("80 % age interval covers ")
    assert written == f"{manifest}: entry 'corners' written"

    entry = tomllib.loads(manifest.read_text("utf-8"))["corners"]
    spec = ModelSpec.from_mapping("corners", entry)
    assert spec.sha256 == digest
    inside = json.loads(Session(out, threads=1).metadata[METADATA_KEY])
    assert inside == {"name": "corners", **spec.to_mapping(), "sha256": ""}


def test_an_exported_model_analyses_by_its_path(cli, tiny_run, tmp_path, photo_path):
    out = tmp_path / "corners.onnx"
    assert cli("export", tiny_run, "--out", out).exit_code == 0
    result = cli("analyze", photo_path, "--model", out, "--threads", 1)
    assert result.exit_code == 0
    [face] = json.loads(result.stdout)["faces"]
    assert face["gender"]["label"] in ("female", "male")


def test_a_run_that_is_not_there_is_one_line(cli, tmp_path):
    result = cli("export", tmp_path, "--out", tmp_path / "x.onnx")
    assert result.exit_code == 2
    assert "checkpoint 'best' cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1
