"""The training loop learns, can be stopped at any time, and says so when it goes wrong."""

import itertools
import json
import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.errors import ConfigError, DeviceError, InputError
from mien.training import loop
from mien.training.augment import centre_crop, scaled
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.loader import encode_labels, load_part
from mien.training.loop import DivergedError, build_network, learning_rate, train
from mien.training.recipe import Recipe, TrainTable
from mien.training.validate import validate


class Killed(BaseException):
    pass


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


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


# --- learning ---------------------------------------------------------------------------------


def test_a_rule_is_learned(tiny_run):
    first, last = log_of(tiny_run)
    for term in ("emotion", "gender", "age_distribution", "age_expectation"):
        assert last[term] < first[term], term
    assert last["emotion_accuracy"] >= 0.95
    assert last["gender_accuracy"] >= 0.95
    assert last["age_mae"] < 2  # the two ages are 40 years apart


def test_the_log_says_what_was_done(tiny_run):
    rows = log_of(tiny_run)
    assert [row["step"] for row in rows] == [20, 40]
    assert all(row["images_per_s"] > 0 for row in rows)
    assert rows[0]["age_bin"] == 0  # no data set has bins


def test_the_best_weights_are_the_averaged_ones(tiny_run, recipe_table):
    tensors, meta = load_checkpoint(tiny_run, "best")
    assert {name.split("/")[0] for name in tensors} == {"average"}
    recipe = Recipe.from_mapping(meta["recipe"])
    network = build_network(recipe)
    network.load_state_dict(pick(tensors, "average"))
    parts = [load_part(table, "val", recipe.input) for table in recipe.data]
    found = validate(network, parts, recipe.input, torch.device("cpu"))
    assert found == pytest.approx(meta["metrics"])
    assert meta["best"] == found["score"] == max(row["score"] for row in log_of(tiny_run))


def test_what_train_returns_is_the_last_look(recipe, tmp_path):
    rows = []
    metrics = train(recipe, tmp_path, threads=1, log=rows.append)
    assert [row["step"] for row in rows] == [4, 8]
    assert metrics.items() <= rows[-1].items()
    assert rows == log_of(tmp_path)


def test_a_last_interval_that_is_shorter_counts_its_own_steps(recipe, tmp_path, monkeypatch):
    ones = {"emotion": torch.tensor(1.0, requires_grad=True)}
    monkeypatch.setattr(loop, "multi_task_loss", lambda *_: ones)
    rows = []
    train(other(recipe, steps=6), tmp_path, threads=1, log=rows.append)
    assert [(row["step"], row["emotion"]) for row in rows] == [(4, 1.0), (6, 1.0)]


def test_the_chosen_metric_picks_the_best(recipe, tmp_path, monkeypatch):
    looks = iter([{"age_mae": 9.0}, {"age_mae": 5.0}, {"age_mae": 7.0}])
    monkeypatch.setattr(loop, "validate", lambda *_: next(looks))
    train(other(recipe, steps=6, evaluate_every=2, select="age_mae"), tmp_path, threads=1)
    assert load_checkpoint(tmp_path, "best")[1]["step"] == 4
    assert load_checkpoint(tmp_path, "last")[1]["step"] == 6


def test_an_unknown_metric_lists_the_known(recipe, tmp_path):
    with pytest.raises(ConfigError, match=r"no metric is called 'acuracy'. Known: .*score"):
        train(other(recipe, select="acuracy"), tmp_path, threads=1)


def test_the_seed_decides_everything(recipe, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(other(recipe, seed=seed), tmp_path / name, threads=1)
    a, b, c = (load_checkpoint(tmp_path / name, "last")[0] for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


# --- stopping and going on ----------------------------------------------------------------------


def assert_same_run(found, expected):
    for name in ("last", "best"):
        (tensors, meta), (wanted, wanted_meta) = (
            load_checkpoint(folder, name) for folder in (found, expected)
        )
        assert meta == wanted_meta
        assert tensors.keys() == wanted.keys()
        different = [key for key in wanted if not torch.equal(tensors[key], wanted[key])]
        assert different == []
    for row, wanted in zip(log_of(found), log_of(expected), strict=True):
        assert {**row, "images_per_s": 0} == {**wanted, "images_per_s": 0}


@pytest.fixture
def straight(recipe, tmp_path):
    folder = tmp_path / "straight"
    train(recipe, folder, threads=1)
    return folder


def test_a_checkpoint_holds_all_of_the_state(straight):
    tensors, _ = load_checkpoint(straight, "last")
    kinds = {name.split("/")[0] for name in tensors}
    assert kinds == {"network", "average", "momentum"}
    assert any(
        not torch.equal(tensors[f"network/{n}"], tensors[f"average/{n}"])
        for n in pick(tensors, "momentum")
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


def test_a_run_stopped_between_checkpoints_ends_the_same(recipe, straight, tmp_path, monkeypatch):
    update = loop._update

    def stop_at_six(run, *rest):
        if run.step == 6:
            raise Killed
        return update(run, *rest)

    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_update", stop_at_six)
        with pytest.raises(Killed):
            train(recipe, folder, threads=1)
    train(recipe, folder, threads=1, resume=True)
    assert_same_run(folder, straight)


def test_a_finished_run_stays_as_it_is(recipe, straight):
    before = (straight / "last.safetensors").read_bytes(), (straight / "log.jsonl").read_bytes()
    metrics = train(recipe, straight, threads=1, resume=True)
    assert metrics == load_checkpoint(straight, "last")[1]["metrics"]
    after = (straight / "last.safetensors").read_bytes(), (straight / "log.jsonl").read_bytes()
    assert after == before


def test_a_run_is_not_overwritten(recipe, straight):
    before = (straight / "last.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"holds a run already\. Pass --resume or name another"):
        train(recipe, straight, threads=1)
    assert (straight / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"learning_rate": 0.2}, {"steps": 9}])
def test_another_recipe_does_not_go_on(recipe, straight, change):
    with pytest.raises(InputError, match="the run there was made by another recipe"):
        train(other(recipe, **change), straight, threads=1, resume=True)


def test_nothing_to_go_on_with(recipe, tmp_path):
    with pytest.raises(InputError, match="checkpoint 'last' cannot be read"):
        train(recipe, tmp_path / "new", threads=1, resume=True)


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run(recipe, tmp_path, monkeypatch):
    loss, calls = loop.multi_task_loss, []

    def poisoned(*arguments):
        calls.append(1)
        terms = loss(*arguments)
        if len(calls) == 8:
            terms["gender"] = terms["gender"] * math.nan
        return terms

    monkeypatch.setattr(loop, "multi_task_loss", poisoned)
    with pytest.raises(DivergedError, match="the loss term 'gender' is not a number") as caught:
        train(recipe, tmp_path, threads=1)
    assert f"{tmp_path / 'last.safetensors'} is the last good checkpoint" in str(caught.value)
    tensors, meta = load_checkpoint(tmp_path, "last")
    assert meta["step"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_too_high_a_rate_is_noticed(recipe, tmp_path):
    with pytest.raises(DivergedError, match="Lower learning_rate; no checkpoint was kept"):
        train(other(recipe, learning_rate=1e30), tmp_path, threads=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "abacus"])
def test_a_device_that_is_not_here(recipe, tmp_path, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=rf"device '{device}' is not available\. Here: cpu\."):
        train(recipe, tmp_path / "run", device=device)
    assert not (tmp_path / "run").exists()


def test_mixup_does_not_blend_ages(recipe_table, tmp_path):
    recipe_table["data"][1]["mixup"] = 0.2
    with pytest.raises(ConfigError, match=r"mixup blends class shares; ages has ages\. Set it"):
        train(Recipe.from_mapping(recipe_table), tmp_path, threads=1)


def test_missing_chips_are_named(recipe_table, tmp_path):
    recipe_table["data"][0]["path"] = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nowhere: not a folder written by `mien prepare`"):
        train(Recipe.from_mapping(recipe_table), tmp_path / "run", threads=1)


# --- parts ------------------------------------------------------------------------------------


def test_learning_rate_by_hand():
    table = TrainTable(steps=110, learning_rate=0.2, warmup=0.1)  # eleven steps of climbing
    rates = [learning_rate(table, step) for step in range(110)]
    assert rates[:11] == pytest.approx([0.2 * k / 11 for k in range(1, 12)])
    assert rates[11] == pytest.approx(0.2)
    assert rates[11 + 33] == pytest.approx(0.2 * 0.5 * (1 + math.cos(math.pi / 3)))
    assert rates[109] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(rates[11:]))


def test_averaged_weights_by_hand(recipe, monkeypatch):
    """decay = min(ema, (1 + step) / (10 + step)): 1/10 in the first step."""
    run = loop._start(recipe, torch.device("cpu"))
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    images, labels = loop._batch(loop.Mixer(parts, 3), recipe, 0)
    before = {k: v.clone() for k, v in run.average.state_dict().items()}
    loop._update(run, recipe, images, labels)
    for name, old in before.items():
        new = run.network.state_dict()[name]
        expected = 0.1 * old + 0.9 * new if old.is_floating_point() else new
        assert torch.allclose(run.average.state_dict()[name], expected, atol=1e-6), name


def test_only_weights_of_layers_decay(recipe):
    run = loop._start(recipe, torch.device("cpu"))
    decayed, others = run.optimiser.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (recipe.train.weight_decay, 0)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in others["params"]} == {1}
    assert decayed["nesterov"]
    assert decayed["momentum"] == recipe.train.momentum


def test_long_gradients_are_shortened(recipe):
    short = other(recipe, clip_norm=0.01)
    run = loop._start(short, torch.device("cpu"))
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    loop._update(run, short, *loop._batch(loop.Mixer(parts, 3), short, 0))
    squares = [p.grad.square().sum() for p in run.network.parameters()]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.01, rel=1e-3)


def test_a_batch_is_a_function_of_the_step(recipe):
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    first, second = (loop._batch(loop.Mixer(parts, 3), recipe, 5) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1].emotion, second[1].emotion)
    assert first[0].shape == (32, 1, 32, 32)
    another = loop._batch(loop.Mixer(parts, 3), recipe, 6)
    assert not torch.equal(first[0], another[0])


def test_batches_come_in_order_and_end(recipe):
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    mixer = loop.Mixer(parts, 3)
    expected = [loop._batch(mixer, recipe, step)[0] for step in range(5, 8)]
    found = [images for images, _ in loop._batches(mixer, recipe, 5)]
    assert [torch.equal(a, b) for a, b in zip(found, expected, strict=True)] == [True] * 3
    assert list(loop._batches(mixer, recipe, 8)) == []


def test_mixup_blends_pictures_and_labels_alike():
    codes = torch.arange(8)
    labels = encode_labels(
        [
            Record(name="", split="", votes=tuple(10 * (k == code) for k in range(10)))
            for code in range(8)
        ]
    )
    # Every picture is its own one-hot code, so a blend shows its shares.
    pictures = torch.nn.functional.one_hot(codes, 8).float().reshape(8, 1, 1, 8)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        mixed, mixed_labels = loop._mixup(pictures, labels, 0.4, generator)
        assert torch.allclose(mixed[:, 0, 0], mixed_labels.emotion)
        assert torch.allclose(mixed_labels.emotion.sum(1), torch.ones(8))
        assert (mixed_labels.emotion.diagonal() >= 0.5 - 1e-6).all()  # the own label leads
        assert ((mixed_labels.emotion > 1e-7).sum(1) <= 2).all()


def test_without_augmentation_a_batch_is_what_serving_sees(recipe_table):
    recipe_table["data"][0]["mixup"] = 0.0
    recipe = Recipe.from_mapping(recipe_table)
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    mixer = loop.Mixer(parts, 3)
    images, labels = loop._batch(mixer, recipe, 0)
    rows = mixer.rows(0)
    chips = torch.cat([part.chips[r] for part, r in zip(parts, rows, strict=True)])
    expected = scaled(centre_crop(chips, 32), recipe.input)
    assert torch.allclose(images, expected, atol=1e-4)
    assert torch.equal(labels.gender[16:], parts[1].labels.gender[rows[1]])
