"""The training loop learns, looks, chooses, stops in time, and says so when it goes wrong."""

import json
import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.errors import DeviceError
from mien.training import loop
from mien.training.answers import build_model
from mien.training.batches import make_batch
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.loader import load_part, load_parts
from mien.training.loop import DivergedError, Trainer, train
from mien.training.recipe import Recipe
from mien.training.state import load_run
from mien.training.validate import validate

CPU = torch.device("cpu")


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


def weights_of(folder, name="last", kind="network"):
    return pick(load_checkpoint(folder, name)[0], kind)


def distance(a, b):
    """Largest difference of a number of two sets of weights."""
    return max((a[k].double() - b[k].double()).abs().max().item() for k in a)


# --- learning ---------------------------------------------------------------------------------


def test_a_rule_is_learned(tiny_run):
    first, last = log_of(tiny_run)
    for term in (
        "emotion/cross-entropy",
        "gender/cross-entropy",
        "age/label-distribution",
        "age/expectation",
    ):
        assert last[term] < first[term], term
    assert last["emotion_accuracy"] >= 0.95
    assert last["gender_accuracy"] >= 0.95
    assert last["age_mae"] < 2  # the two ages are 40 years apart


@pytest.mark.parametrize(
    ("settings", "heads"),
    [
        ({"optimiser": "adam", "learning_rate": 0.01}, {"gender": {"objective": "focal"}}),
        ({"optimiser": "adamw", "learning_rate": 0.01}, {"age": {"objective": "l1"}}),
        ({"optimiser": "muon", "learning_rate": 0.01}, {"gender": {"objective": "cross-entropy"}}),
        ({"schedule": "cosine"}, {"age": {"objective": "coral"}}),
        ({"sam": 0.05, "sam_from": 0.0}, {"gender": {"objective": "label-smoothing"}}),
        (
            {"precision": "fp32"},
            {"age": {"groups": ["0-30", "31+"], "objective": "cross-entropy"}},
        ),
    ],
    ids=["focal", "l1", "muon", "coral", "smoothing", "groups"],
)
def test_every_way_to_learn_learns(recipe_table, tmp_path, settings, heads):
    """Chance is one half, and 20 years."""
    recipe_table["data"] = [recipe_table["data"][1] | {"per_batch": 32}]
    recipe_table["heads"] = heads
    steps = {"steps": 40, "evaluate_every": 40, "ema": 0.9}
    recipe_table["train"] |= steps | settings
    metrics = train(Recipe.from_mapping(recipe_table), tmp_path, threads=1)
    if "gender" in heads:
        assert metrics["gender_accuracy"] >= 0.9
    elif "groups" in heads["age"]:
        assert metrics["age_group_accuracy"] >= 0.9
    else:
        assert metrics["age_mae"] < 6


def test_the_log_says_what_was_done(tiny_run):
    rows = log_of(tiny_run)
    assert [row["step"] for row in rows] == [20, 40]
    assert all(row["images_per_s"] > 0 for row in rows)
    assert rows[0]["age/bin-likelihood"] == 0  # no data set has bins
    # One-cycle: step 19, the last before the look, is 15 of 36 steps down the cosine.
    assert rows[0]["learning_rate"] == pytest.approx(0.05 * (1 + math.cos(math.pi * 15 / 36)))


def test_the_best_weights_are_the_averaged_ones(tiny_run):
    tensors, meta = load_checkpoint(tiny_run, "best")
    assert {name.split("/")[0] for name in tensors} == {"average"}
    recipe = Recipe.from_mapping(meta["recipe"])
    model = build_model(recipe)
    model.load_state_dict(pick(tensors, "average"))
    parts = [load_part(table, "val", recipe.input, recipe.heads) for table in recipe.data]
    found = validate(model, parts, recipe, CPU)
    assert found == pytest.approx(meta["metrics"])
    assert meta["best"] == found["score"] == max(row["score"] for row in log_of(tiny_run))
    loaded, same = load_run(tiny_run)
    assert same == recipe
    assert not loaded.training
    assert distance(loaded.state_dict(), model.state_dict()) == 0


def test_what_train_returns_is_the_last_look(recipe, tmp_path):
    rows = []
    metrics = train(recipe, tmp_path, threads=1, log=rows.append)
    assert [row["step"] for row in rows] == [4, 8]
    assert metrics.items() <= rows[-1].items()
    written = [{k: v for k, v in row.items() if k != "learning_rate"} for row in log_of(tmp_path)]
    assert rows == written


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


def test_the_seed_decides_everything(recipe, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(other(recipe, seed=seed), tmp_path / name, threads=1)
    a, b, c = (load_checkpoint(tmp_path / name, "last")[0] for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_a_run_starts_from_the_best_averaged_weights_of_another(recipe, tiny_run, tmp_path):
    trainer = Trainer(other(recipe, start=str(tiny_run)), tmp_path, CPU, resume=False)
    expected = weights_of(tiny_run, "best", "average")
    assert distance(trainer.run.model.state_dict(), expected) == 0
    assert distance(trainer.run.average.state_dict(), expected) == 0
    assert trainer.run.step == 0


# --- stopping early -----------------------------------------------------------------------------


def looking(monkeypatch, values):
    """Let the validation say these scores, one a look."""
    looks = iter(values)
    monkeypatch.setattr(loop, "validate", lambda *_: {"score": next(looks)})


def test_a_run_ends_when_nothing_improves(recipe, tmp_path, monkeypatch):
    looking(monkeypatch, [0.1, 0.5, 0.4, 0.5, 0.9])
    rows = []
    early = other(recipe, steps=10, evaluate_every=2, patience=2)
    metrics = train(early, tmp_path, threads=1, log=rows.append)
    assert [row["step"] for row in rows] == [2, 4, 6, 8]  # 0.4 and 0.5 are no better than 0.5
    assert metrics == {"score": 0.5}
    meta = load_checkpoint(tmp_path, "last")[1]
    assert (meta["step"], meta["best"], meta["stale"]) == (8, 0.5, 2)
    assert load_checkpoint(tmp_path, "best")[1]["step"] == 4


def test_without_patience_a_run_goes_to_its_end(recipe, tmp_path, monkeypatch):
    looking(monkeypatch, [0.5, 0.4, 0.3, 0.2])
    train(other(recipe, evaluate_every=2), tmp_path, threads=1)
    assert load_checkpoint(tmp_path, "last")[1]["step"] == 8


def test_a_plateau_lowers_the_rate_of_the_steps_after_it(recipe, tmp_path, monkeypatch):
    looking(monkeypatch, [0.5, 0.4, 0.6, 0.5, 0.5])
    plan = {"schedule": "plateau", "plateau": 1, "factor": 0.5, "learning_rate": 0.08}
    train(other(recipe, steps=10, evaluate_every=2, **plan), tmp_path, threads=1)
    rates = [row["learning_rate"] for row in log_of(tmp_path)]
    assert rates == pytest.approx([0.08, 0.08, 0.04, 0.04, 0.02])


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run(recipe, tmp_path, monkeypatch):
    loss, calls = loop.multi_task_loss, []

    def poisoned(*arguments):
        calls.append(1)
        terms = loss(*arguments)
        if len(calls) == 8:
            terms["gender"] = terms["gender/cross-entropy"] * math.nan
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
    assert not list(tmp_path.glob("*.safetensors"))


def test_weights_that_are_no_numbers_are_never_kept(recipe, tmp_path, monkeypatch):
    """A gradient can be spoilt while its loss is sound; the last step has no next loss to tell."""
    gradient = Trainer._gradient

    def poisoned(trainer, *batch):
        terms = gradient(trainer, *batch)
        if trainer.run.step == 7:
            next(trainer.run.model.parameters()).grad[0] = math.nan
        return terms

    monkeypatch.setattr(Trainer, "_gradient", poisoned)
    with pytest.raises(DivergedError, match="a weight is not a number near step 8"):
        train(recipe, tmp_path, threads=1)
    tensors, meta = load_checkpoint(tmp_path, "last")
    assert meta["step"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "abacus"])
def test_a_device_that_is_not_here(recipe, tmp_path, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=rf"device '{device}' is not available\. Here: cpu\."):
        train(recipe, tmp_path / "run", device=device)
    assert not (tmp_path / "run").exists()


# --- one step -----------------------------------------------------------------------------------


@pytest.fixture
def trainer_of(tmp_path):
    """A function that sets a run up, and its first batch."""

    def make(recipe):
        trainer = Trainer(recipe, tmp_path, CPU, resume=False)
        mixer = loop.Mixer(trainer.parts, recipe.train.seed)
        return trainer, make_batch(mixer, recipe, 0, CPU)

    return make


def test_averaged_weights_by_hand(recipe, trainer_of):
    """decay = min(ema, (1 + step) / (10 + step)): 1/10 in the first step."""
    trainer, batch = trainer_of(recipe)
    before = {k: v.clone() for k, v in trainer.run.average.state_dict().items()}
    trainer.update(*batch)
    for name, old in before.items():
        new = trainer.run.model.state_dict()[name]
        expected = 0.1 * old + 0.9 * new if old.is_floating_point() else new
        assert torch.allclose(trainer.run.average.state_dict()[name], expected, atol=1e-6), name


def test_only_weights_of_layers_decay(recipe, trainer_of):
    trainer, _ = trainer_of(recipe)
    groups = trainer.run.optimiser.param_groups  # of the heads, then of the trunk
    decay = recipe.train.weight_decay
    assert [group["weight_decay"] for group in groups] == [decay, 0, decay, 0]
    assert [{p.ndim for p in group["params"]} for group in groups] == [{2}, {1}, {4}, {1}]
    assert all(group["nesterov"] for group in groups)
    assert {group["momentum"] for group in groups} == {recipe.train.momentum}


def test_the_trunk_learns_more_slowly(recipe, trainer_of):
    """In the first step of SGD everything moves by its rate times the same gradient."""
    moved = {}
    for rate in (1.0, 0.25, 0.0):
        plain = other(recipe, trunk_rate=rate, weight_decay=0.0, clip_norm=1e9, momentum=0.0)
        trainer, batch = trainer_of(plain)
        before = {n: p.detach().clone() for n, p in trainer.run.model.named_parameters()}
        trainer.update(*batch)
        moved[rate] = {n: p - before[n] for n, p in trainer.run.model.named_parameters()}
    assert all(moved[1.0][f"network.{name}"].any() for name in ("trunk.0.weight", "heads.age.bias"))
    for name, whole in moved[1.0].items():
        head = name.startswith("network.heads.")
        for rate in (0.25, 0.0):
            expected = whole if head else rate * whole
            assert torch.allclose(moved[rate][name], expected, atol=1e-6), name


def test_long_gradients_are_shortened(recipe, trainer_of):
    trainer, batch = trainer_of(other(recipe, clip_norm=0.01))
    trainer.update(*batch)
    squares = [p.grad.square().sum() for p in trainer.run.model.parameters()]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.01, rel=1e-3)


def layer_types(trainer, batch):
    """Types of what every convolution made in one step."""
    seen = set()

    def note(module, inputs, output):
        seen.add(output.dtype)

    for module in trainer.run.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    trainer.update(*batch)
    return seen


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_precision_of_training(recipe, trainer_of, precision, dtype):
    trainer, batch = trainer_of(other(recipe, precision=precision))
    assert layer_types(trainer, batch) == {dtype}
    assert {p.dtype for p in trainer.run.model.parameters()} == {torch.float32}


def test_convolutions_are_laid_out_channels_last(recipe, trainer_of):
    trainer, _ = trainer_of(recipe)
    planes = [p for p in trainer.run.model.parameters() if p.ndim == 4 and p.shape[1] > 1]
    assert planes
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in planes)


# --- sharpness-aware minimisation ---------------------------------------------------------------


def weights_after(recipe, tmp_path, name, **settings):
    plan = other(recipe, steps=6, evaluate_every=6, precision="fp32", **settings)
    train(plan, tmp_path / name, threads=1)
    return weights_of(tmp_path / name)


def test_sharpness_aware_steps_by_their_radius(recipe, tmp_path):
    plain = weights_after(recipe, tmp_path, "plain")
    # From the second step on: before the first one residual blocks add exactly nothing, and ReLU
    # has no slope at zero.
    tiny = weights_after(recipe, tmp_path, "tiny", sam=1e-9, sam_from=0.1)
    wide = weights_after(recipe, tmp_path, "wide", sam=0.1, sam_from=0.0)
    late = weights_after(recipe, tmp_path, "late", sam=0.1, sam_from=1.0)
    last = weights_after(recipe, tmp_path, "last", sam=0.1, sam_from=0.8)
    floats = [k for k, v in plain.items() if v.is_floating_point()]
    plain, tiny, wide, late, last = (
        {k: w[k] for k in floats} for w in (plain, tiny, wide, late, last)
    )
    assert distance(plain, late) == 0  # it never begins
    assert distance(plain, tiny) < 1e-4
    assert distance(plain, wide) > 1e-2
    assert 0 < distance(plain, last) < distance(plain, wide)  # the sixth of six steps alone


def test_dropout_is_the_same_in_both_passes(recipe, trainer_of, monkeypatch):
    """The second pass must climb the slope of the same network."""
    trainer, batch = trainer_of(other(recipe, sam=1e-9, sam_from=0.0))
    losses = []
    gradient = trainer._gradient

    def noted(*arguments):
        terms = gradient(*arguments)
        losses.append(sum(float(v.detach()) for v in terms.values()))
        return terms

    monkeypatch.setattr(trainer, "_gradient", noted)
    trainer.update(*batch)
    first, second = losses
    assert second == pytest.approx(first, rel=1e-3)


def test_dropout_is_another_one_in_every_step(recipe, trainer_of):
    """The weights hardly move, and the batch is the same: only what is dropped differs."""
    still = {"learning_rate": 1e-12, "precision": "fp32", "schedule": "constant"}
    trainer, batch = trainer_of(other(recipe, **still))
    losses = []
    for _ in range(4):
        losses.append(sum(float(v.detach()) for v in trainer.update(*batch).values()))
        trainer.run.step += 1
    assert len({round(loss, 5) for loss in losses}) == 4
    trainer.run.step = 0
    again = sum(float(v.detach()) for v in trainer.update(*batch).values())
    assert again == pytest.approx(losses[0], rel=1e-6)


def test_running_statistics_of_a_sharpness_aware_step(recipe, trainer_of):
    """They are those of a plain step: the climb leaves no trace."""
    plain, batch = trainer_of(other(recipe, precision="fp32"))
    sharp, _ = trainer_of(other(recipe, precision="fp32", sam=0.5, sam_from=0.0))
    for trainer in (plain, sharp):
        trainer.update(*batch)
    a, b = plain.run.model.state_dict(), sharp.run.model.state_dict()
    names = [name for name in a if "running_" in name]
    assert len(names) > 4
    assert all(torch.equal(a[name], b[name]) for name in names)


def test_parts_of_a_recipe(recipe):
    assert [len(part.records) for part in load_parts(recipe, "train")] == [64, 64]
