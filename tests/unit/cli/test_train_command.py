"""`mien train`: from a recipe, or from flags, and packed chips to checkpoints."""

import json

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.images import decode
from mien.training.checkpoint import load_checkpoint
from mien.training.networks import networks
from mien.training.objectives import objectives
from mien.training.recipe import Recipe


@pytest.fixture
def recipe(recipe_table, write_recipe, tmp_path):
    return write_recipe(tmp_path / "corners.toml", recipe_table)


@pytest.fixture
def plans(monkeypatch):
    """Recipes that reach the loop, which trains nothing."""
    seen = []

    def noted(plan, folder, **rest):
        seen.append(plan)
        folder.mkdir()
        (folder / "log.jsonl").write_text('{"step": 1.0, "score": 0.5}\n', "utf-8")
        return {}

    monkeypatch.setattr("mien.training.loop.train", noted)
    return seen


def one_line(result):
    """The error of a refused command, without its first word."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").rstrip("\n")


# --- with a recipe ------------------------------------------------------------------------------


def test_a_recipe_is_trained_and_the_log_is_shown(cli, recipe, tmp_path):
    out = tmp_path / "run"
    result = cli("train", recipe, "--out", out, "--threads", 1)
    assert result.exit_code == 0
    assert result.stderr == ""
    first, second, checkpoints, curves = result.stdout.splitlines()
    assert first.startswith("step 4/8  images_per_s ")
    assert second.startswith("step 8/8  ")
    for part in ("emotion/cross-entropy", "emotion_accuracy", "age_mae", "score", "0 min left"):
        assert part in second
    assert checkpoints == f"checkpoints: {out / 'best.safetensors'}, {out / 'last.safetensors'}"
    assert curves == f"curves: {out / 'curves.png'}"
    assert (out / "best.safetensors").is_file()
    assert decode((out / "curves.png").read_bytes()).ndim == 3


def test_a_trial_takes_fewer_steps(cli, recipe, tmp_path):
    result = cli("train", recipe, "--out", tmp_path / "run", "--threads", 1, "--steps", 2)
    assert result.stdout.startswith("step 2/2  ")


def test_a_run_is_resumed_only_when_asked(cli, recipe, tmp_path):
    arguments = ("train", recipe, "--out", tmp_path / "run", "--threads", 1)
    assert cli(*arguments).exit_code == 0
    assert one_line(cli(*arguments)) == (
        f"{tmp_path / 'run'}: holds a run already. Pass --resume or name another folder."
    )
    resumed = cli(*arguments, "--resume")
    assert resumed.exit_code == 0
    assert "step" not in resumed.stdout  # nothing was left to do


def test_any_key_can_be_set(cli, recipe, plans, tmp_path):
    changes = (
        "train.learning_rate=0.02",
        "augment.flip=true",
        "data.1.per_batch=24",
        "heads.emotion.objective=focal",
        "source=two kinds of corners",
    )
    flags = [part for change in changes for part in ("--set", change)]
    assert cli("train", recipe, "--out", tmp_path / "run", *flags).exit_code == 0
    [plan] = plans
    assert plan.train.learning_rate == 0.02
    assert plan.augment.flip
    assert [table.per_batch for table in plan.data] == [16, 24]
    assert plan.heads["emotion"].objective == {"focal": 1.0}
    assert plan.source == "two kinds of corners"
    rest = Recipe.from_toml(recipe)
    assert plan.heads["age"] == rest.heads["age"]
    assert (plan.network, plan.train.seed) == (rest.network, rest.train.seed)


@pytest.mark.parametrize(
    ("flags", "steps", "every"),
    [
        (["--steps", 100], 100, 4),
        (["--steps", 3], 3, 3),
        (["--steps", 6, "--set", "train.evaluate_every=2"], 6, 2),
        (["--set", "train.steps=50"], 50, 4),
        (["--steps", 5, "--set", "train.steps=50"], 5, 4),
    ],
    ids=str,
)
def test_fewer_steps_are_looked_at_in_time(cli, recipe, plans, tmp_path, flags, steps, every):
    assert cli("train", recipe, "--out", tmp_path / "run", *flags).exit_code == 0
    [plan] = plans
    assert (plan.train.steps, plan.train.evaluate_every) == (steps, every)


# --- without one --------------------------------------------------------------------------------


def test_flags_describe_a_run(cli, packed_faces, plans, tmp_path):
    flags = ("--data", packed_faces / "faces", "--data", packed_faces / "ages")
    more = ("--network", "cnn-small", "--heads", "age, emotion", "--batch", 32)
    result = cli("train", *flags, *more, "--out", tmp_path / "run", "--set", "train.seed=4")
    assert result.exit_code == 0
    [plan] = plans
    assert (plan.name, plan.family) == ("cnn-small", "cnn-small")
    assert list(plan.heads) == ["age", "emotion"]
    assert [(t.path, t.per_batch) for t in plan.data] == [
        (str(packed_faces / name), 16) for name in ("faces", "ages")
    ]
    assert (plan.input.size, plan.input.colour, plan.input.mean) == (32, "grey", (0.5,))
    # 128 training faces make four batches; twenty rounds, and a look after each.
    assert (plan.train.steps, plan.train.evaluate_every, plan.train.seed) == (80, 4, 4)


def test_a_run_without_a_recipe_learns(cli, packed_faces, tmp_path):
    arguments = ("--data", packed_faces / "ages", "--heads", "gender", "--batch", 32)
    setting = ("--set", "network.widths=[8, 16]", "--set", "network.blocks=[1, 1]")
    # Mirrored faces would have the bright corner on the other side.
    more = ("--steps", 30, "--set", "train.ema=0.9", "--set", "augment.flip=false")
    out = tmp_path / "run"
    result = cli("train", *arguments, *setting, *more, "--out", out, "--threads", 1)
    assert result.exit_code == 0, result.stderr
    meta = load_checkpoint(out, "last")[1]
    assert meta["recipe"]["network"]["family"] == "multihead"
    assert meta["metrics"]["gender_accuracy"] > 0.9


def test_colour_chips_make_a_colour_network(cli, packed_faces, write_chips, plans, tmp_path):
    import numpy as np

    from mien.datasets import Record

    records = [Record(name=str(k), split="train", gender="male") for k in range(8)]
    folder = write_chips(tmp_path / "rgb", "rgb", records, np.zeros((8, 36, 36, 3), np.uint8))
    assert (
        cli("train", "--data", folder, "--out", tmp_path / "a", "--heads", "gender").exit_code == 0
    )
    both = ("--data", folder, "--data", packed_faces / "ages", "--heads", "gender")
    assert cli("train", *both, "--out", tmp_path / "b").exit_code == 0
    assert [plan.input.colour for plan in plans] == ["RGB", "grey"]  # grey fits all
    assert plans[0].input.channels == 3


# --- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "known"), [("--list-networks", networks), ("--list-objectives", objectives)]
)
def test_lists_have_a_name_first_on_every_line(cli, flag, known):
    result = cli("train", flag)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(known)
    assert all(len(line.split()) > 3 for line in lines)  # and what it is


def test_objectives_say_for_which_heads(cli):
    lines = cli("train", "--list-objectives").stdout.splitlines()
    assert next(line for line in lines if line.startswith("coral ")).endswith("[age]")
    focal = next(line for line in lines if line.startswith("focal "))
    assert focal.endswith("[age, gender, emotion]")


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [(), ("--out", "run"), ("recipe.toml",), ("--data", "x")], ids=str
)
def test_missing_arguments_are_a_usage_error(cli, arguments):
    result = cli("train", *arguments)
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert "--out and either RECIPE or --data are needed" in text


@pytest.mark.parametrize(
    "flags", [("--data", "x"), ("--network", "x"), ("--heads", "age"), ("--batch", 4)], ids=str
)
def test_flags_that_a_recipe_would_overrule_are_refused(cli, recipe, tmp_path, flags):
    result = cli("train", recipe, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert "are for runs without a RECIPE; use --set" in " ".join(result.stderr.split())


def test_an_empty_batch_is_a_usage_error(cli, packed_faces, tmp_path):
    arguments = ("--data", packed_faces / "ages", "--out", tmp_path / "run", "--batch", 0)
    result = cli("train", *arguments)
    assert result.exit_code == 2
    assert "'--batch'" in result.stderr


def test_a_slip_in_the_recipe_is_one_line(cli, recipe, tmp_path):
    recipe.write_text(recipe.read_text("utf-8").replace("evaluate_every", "evaluate_evry"))
    result = cli("train", recipe, "--out", tmp_path / "run")
    assert one_line(result) == (
        f"{recipe}: [train] has no key 'evaluate_evry'. Did you mean 'evaluate_every'?"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.steps", "a change looks like train.steps=500, got 'train.steps'"),
        ("trian.steps=5", "{recipe}: a recipe has no key 'trian'. Did you mean 'train'?"),
        ("train.stpes=5", "{recipe}: [train] has no key 'stpes'. Did you mean 'steps'?"),
        ("train.steps=many", "{recipe}: [train] steps must be a whole number, got 'many'"),
        ("heads.aeg.sigma=2", "{recipe}: no head is called 'aeg'. Did you mean 'age'?"),
        ("network.dropuot=0.1", "[network] has no key 'dropuot'. Did you mean 'dropout'?"),
        ("data.0.path=nowhere", "nowhere: not a folder written by `mien prepare`"),
        ("train.select=acuracy", "[train] select: no metric is called 'acuracy'."),
        ("network.family=multihed", "no network family is called 'multihed'. Did you mean"),
        ("heads.gender.objective=l1", "[heads.gender]: the objective 'l1' is for age"),
    ],
)
def test_a_slip_in_a_change_is_one_line(cli, recipe, tmp_path, change, message):
    out = tmp_path / "run"
    result = cli("train", recipe, "--out", out, "--set", change)
    assert one_line(result).startswith(message.format(recipe=recipe))
    assert not out.exists()


def test_data_that_are_not_there_are_one_line(cli, tmp_path):
    result = cli("train", "--data", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert one_line(result).startswith(f"{tmp_path / 'nowhere'}: not a folder written by")


def test_flags_without_labels_are_one_line(cli, packed_faces, tmp_path):
    arguments = ("--data", packed_faces / "ages", "--out", tmp_path / "run")
    message = one_line(cli("train", *arguments))
    assert message.startswith("[heads.emotion]: no training face has a label for it in ")


def test_a_loss_that_is_no_number_is_one_line(cli, recipe, tmp_path):
    setting = ("--set", "train.learning_rate=1e30", "--threads", 1)
    result = cli("train", recipe, "--out", tmp_path / "run", *setting)
    message = one_line(result)
    assert "is not a number near step" in message
    assert message.endswith("Lower learning_rate; no checkpoint was kept.")


def test_a_device_that_is_not_here_is_one_line(cli, recipe, tmp_path):
    result = cli("train", recipe, "--out", tmp_path / "run", "--device", "abacus")
    assert one_line(result).startswith("device 'abacus' is not available. Here: cpu")


def test_without_matplotlib_the_run_still_ends_well(cli, recipe, plans, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    result = cli("train", recipe, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "no curves: drawing curves needs a library that is not installed. "
        "Run: pip install 'mien[plots]'"
    )


def test_only_the_first_process_speaks_at_the_end(cli, recipe, plans, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    result = cli("train", recipe, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert not (tmp_path / "run" / "curves.png").exists()


def test_a_missing_library_says_what_to_install(cli, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.cli.extras.find_spec", lambda name: None)
    for command in (
        ("train", recipe, "--out", tmp_path / "run"),
        ("export", tmp_path, "--out", tmp_path / "x.onnx"),
    ):
        result = cli(*command)
        assert result.exit_code == 2
        assert "pip install 'mien[train]'" in result.stderr


def test_what_was_trained_stands_beside_the_weights(cli, recipe, tmp_path):
    out = tmp_path / "run"
    changes = ("--set", "train.steps=2", "--set", "train.evaluate_every=1")
    assert cli("train", recipe, "--out", out, "--threads", 1, *changes).exit_code == 0
    note = json.loads((out / "best.json").read_text("utf-8"))
    assert note["recipe"]["train"]["steps"] == 2
    assert Recipe.from_mapping(note["recipe"]).name == "corners"
