"""A run that was stopped, killed or had ended goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import InputError
from mien.training import checkpoint, loop
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.loop import Trainer, train
from mien.training.progress import read_log
from mien.training.recipe import Recipe


class Killed(BaseException):
    pass


@pytest.fixture
def recipe(recipe_table):
    """Eight steps, looked at every four, with all kinds of randomness."""
    recipe_table["augment"] = {"low_resolution": 0.0}
    recipe_table["network"]["dropout"] = 0.3
    return Recipe.from_mapping(recipe_table)


def other(recipe, **train_settings):
    table = recipe.to_mapping()
    table["train"] |= train_settings
    return Recipe.from_mapping(table)


def assert_same_run(found, expected):
    """Every bit of both checkpoints, and every row of the log but for the speed."""
    for name in ("last", "best"):
        (tensors, meta), (wanted, wanted_meta) = (
            load_checkpoint(folder, name) for folder in (found, expected)
        )
        assert meta == wanted_meta
        assert tensors.keys() == wanted.keys()
        different = [key for key in wanted if not torch.equal(tensors[key], wanted[key])]
        assert different == []
    for row, wanted in zip(read_log(found), read_log(expected), strict=True):
        assert {**row, "images_per_s": 0} == {**wanted, "images_per_s": 0}


def stop_before(monkeypatch, step):
    """Interrupt the next run before the step of this number."""
    update = Trainer.update

    def stopping(trainer, *batch):
        if trainer.run.step == step:
            raise Killed
        return update(trainer, *batch)

    monkeypatch.setattr(Trainer, "update", stopping)


@pytest.fixture
def straight(recipe, tmp_path):
    folder = tmp_path / "straight"
    train(recipe, folder, threads=1)
    return folder


# --- inside one process -------------------------------------------------------------------------


def test_a_checkpoint_holds_all_of_the_state(straight):
    tensors, _ = load_checkpoint(straight, "last")
    assert {name.split("/")[0] for name in tensors} == {"network", "average", "optimiser"}
    assert {n.split("/")[0] for n in pick(tensors, "optimiser")} == {"momentum_buffer"}
    assert any(
        not torch.equal(tensors[f"network/{n}"], tensors[f"average/{n}"])
        for n in pick(tensors, "optimiser/momentum_buffer")
    )


def test_a_run_stopped_after_a_checkpoint_ends_the_same(recipe, straight, tmp_path):
    def stop(row):
        raise Killed

    folder = tmp_path / "stopped"
    with pytest.raises(Killed):
        train(recipe, folder, threads=1, log=stop)
    assert load_checkpoint(folder, "last")[1]["step"] == 4
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, straight)


WAYS = {
    "sgd": {},
    "adam": {"optimiser": "adam", "learning_rate": 0.01},
    "adamw, plateau": {
        "optimiser": "adamw",
        "learning_rate": 0.01,
        "schedule": "plateau",
        "plateau": 1,
    },
    "muon": {"optimiser": "muon", "learning_rate": 0.01},
    "cosine, sam": {"schedule": "cosine", "sam": 0.05, "sam_from": 0.5},
    "plateau, slow trunk": {
        "schedule": "plateau",
        "plateau": 1,
        "factor": 0.3,
        "learning_rate": 0.03,
        "select": "age_mae",
        "trunk_rate": 0.1,
    },
    "fp32": {"precision": "fp32", "momentum": 0.0},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_stopped_between_checkpoints_ends_the_same(recipe, tmp_path, monkeypatch, way):
    recipe = other(recipe, **WAYS[way])
    train(recipe, tmp_path / "straight", threads=1)
    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stop_before(patch, 6)
        with pytest.raises(Killed):
            train(recipe, folder, threads=1)
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, tmp_path / "straight")


@pytest.mark.parametrize("broken", ["save_run", "Log.write"])
def test_a_run_stopped_between_log_and_checkpoint_ends_the_same(
    recipe, straight, tmp_path, monkeypatch, broken
):
    """Whichever of the two was not written at step 8: neither is missing in the end."""
    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        calls, place = [], loop.Log if broken == "Log.write" else loop
        name = broken.rpartition(".")[2]
        whole = getattr(place, name)

        def stopping(*arguments, **names):
            calls.append(1)
            if len(calls) == 2:
                raise Killed
            return whole(*arguments, **names)

        patch.setattr(place, name, stopping)
        with pytest.raises(Killed):
            train(recipe, folder, threads=1)
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, straight)


@pytest.mark.parametrize("stop", [1, 3, 5, 7])
def test_a_plateau_and_an_early_stop_come_at_the_same_steps(recipe, tmp_path, monkeypatch, stop):
    """The scores are given: the rate falls after step 4 and the run ends at step 8."""
    scores = {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.5, 5: 0.6, 6: 0.6, 7: 0.5, 8: 0.4, 9: 0.9}
    plan = {"schedule": "plateau", "plateau": 2, "factor": 0.5, "patience": 3}
    recipe = other(recipe, steps=9, evaluate_every=1, **plan)

    def given(average, *rest):
        return {"score": scores[current[0].run.step]}

    current = []
    start = Trainer.loop

    def noted(trainer, *arguments):
        current[:] = [trainer]
        return start(trainer, *arguments)

    monkeypatch.setattr(Trainer, "loop", noted)
    monkeypatch.setattr(loop, "validate", given)
    train(recipe, tmp_path / "straight", threads=1)
    rows = read_log(tmp_path / "straight")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([0.1] * 4 + [0.05] * 3 + [0.025])
    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stop_before(patch, stop)
        with pytest.raises(Killed):
            train(recipe, folder, threads=1)
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, tmp_path / "straight")


@pytest.mark.parametrize("patience", [0, 1])
def test_a_finished_run_stays_as_it_is(recipe, tmp_path, monkeypatch, patience):
    """It had come to its last step, or had ended early at step 6."""
    scores = iter([0.5, 0.6, 0.5, 0.4])
    monkeypatch.setattr(loop, "validate", lambda *_: {"score": next(scores)})
    recipe = other(recipe, evaluate_every=2, patience=patience)
    train(recipe, tmp_path, threads=1)
    assert load_checkpoint(tmp_path, "last")[1]["step"] == (6 if patience else 8)
    files = [tmp_path / name for name in ("last.safetensors", "best.safetensors", "log.jsonl")]
    before = [path.read_bytes() for path in files]
    metrics = train(recipe, tmp_path, threads=1, resume=True)
    assert metrics == load_checkpoint(tmp_path, "last")[1]["metrics"]
    assert [path.read_bytes() for path in files] == before


def test_a_run_is_not_overwritten(recipe, straight):
    before = (straight / "last.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"holds a run already\. Pass --resume or name another"):
        train(recipe, straight, threads=1)
    assert (straight / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"learning_rate": 0.2}, {"steps": 9}])
def test_another_recipe_does_not_go_on(recipe, straight, change):
    with pytest.raises(InputError, match="the run there was made by another recipe"):
        train(other(recipe, **change), straight, threads=1, resume=True)


def test_a_balanced_run_ends_the_same(recipe_table, tmp_path, monkeypatch):
    recipe_table["data"][1] |= {"balance": 0.5, "balance_by": ["gender", "age"], "per_batch": 48}
    recipe = Recipe.from_mapping(recipe_table)
    train(recipe, tmp_path / "straight", threads=1)
    with monkeypatch.context() as patch:
        stop_before(patch, 6)  # in the fifth round of the balanced data set
        with pytest.raises(Killed):
            train(recipe, tmp_path / "stopped", threads=1)
    train(recipe, tmp_path / "stopped", threads=1, resume=True)
    assert_same_run(tmp_path / "stopped", tmp_path / "straight")


def test_a_run_of_a_version_that_had_fewer_keys_goes_on(recipe, straight, tmp_path, monkeypatch):
    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stop_before(patch, 6)
        with pytest.raises(Killed):
            train(recipe, folder, threads=1)
    meta = json.loads((folder / "last.json").read_text())
    del meta["recipe"]["train"]["trunk_rate"], meta["recipe"]["data"][0]["balance"]
    (folder / "last.json").write_text(json.dumps(meta))
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, straight)


def test_nothing_to_go_on_with(recipe, tmp_path):
    with pytest.raises(InputError, match="checkpoint 'last' cannot be read"):
        train(recipe, tmp_path / "new", threads=1, resume=True)


# --- killed by the system -----------------------------------------------------------------------

KILLING = """
import os, signal, sys
from mien.cli.main import run
from mien.training import {module} as module

calls, whole = [], module.{owner}{name}

def killing(*arguments, **names):
    calls.append(1)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments, **names)

module.{owner}{name} = killing
sys.argv[0] = "mien"
run()
"""
KILLS = {
    "right after a checkpoint": ("loop", "Trainer.", "update", 5),
    "between two checkpoints": ("loop", "Trainer.", "update", 7),
    "while a checkpoint is written": ("checkpoint", "", "save_file", 3),
}
"""Where the process dies: module, class, function, number of the call."""


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}


def mien_train(*arguments, script=None):
    command = [sys.executable, *(["-c", script] if script else ["-m", "mien"]), "train"]
    return subprocess.Popen(
        [*command, *map(str, arguments), "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@pytest.mark.parametrize("where", KILLS)
def test_a_killed_process_goes_on_bit_for_bit(
    recipe, straight, recipe_table, write_recipe, tmp_path, where
):
    path, folder = write_recipe(tmp_path / "corners.toml", recipe_table), tmp_path / "killed"
    module, owner, name, call = KILLS[where]
    script = KILLING.format(module=module, owner=owner, name=name, call=call)
    process = mien_train(path, "--out", folder, script=script)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert load_checkpoint(folder, "last")[1]["step"] == 4
    train(Recipe.from_toml(path), folder, threads=1, resume=True)
    assert_same_run(folder, straight)
    assert checkpoint.load_checkpoint(folder, "last")[1]["step"] == 8


def test_a_command_killed_from_outside_is_resumed_by_the_command(
    recipe_table, write_recipe, tmp_path
):
    """Killed at a moment that nobody chose, some steps after the first checkpoint."""
    recipe_table["train"] |= {"steps": 60, "evaluate_every": 10}
    path, folder = write_recipe(tmp_path / "corners.toml", recipe_table), tmp_path / "killed"
    process = mien_train(path, "--out", folder)
    deadline = time.monotonic() + 120
    while not (folder / "last.json").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    done = load_checkpoint(folder, "last")[1]["step"]
    assert 10 <= done < 60
    resumed = mien_train(path, "--out", folder, "--resume")
    output, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    assert output.startswith(f"step {done + 10}/60  ")
    train(Recipe.from_toml(path), tmp_path / "straight", threads=1)
    assert_same_run(folder, tmp_path / "straight")
    assert json.loads((folder / "last.json").read_text("utf-8"))["step"] == 60
