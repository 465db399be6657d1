"""A run may begin with trained weights: of a run, of an exported file, of a shipped model."""

import json

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import InputError, UnknownModelError
from mien.images import LUMA
from mien.training.answers import Answering, build_model
from mien.training.augment import centre_crop, scaled
from mien.training.export import export
from mien.training.loader import load_parts
from mien.training.loop import train
from mien.training.recipe import Recipe
from mien.training.start import begin_with
from mien.training.state import load_run


@pytest.fixture
def trained(tiny_run):
    return load_run(tiny_run)


def recipe_from(trained, start, **changes):
    table = json.loads(json.dumps(trained[1].to_mapping())) | changes
    table["train"] |= {"start": str(start)}
    return Recipe.from_mapping(table)


def faces(parts, recipe):
    chips = torch.cat([part.chips for part in parts])
    return scaled(centre_crop(chips, recipe.input.size), recipe.input)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["run", "file"])
def test_answers_are_those_of_the_trained_model(kind, trained, tiny_run, exported):
    recipe = recipe_from(trained, tiny_run if kind == "run" else exported)
    parts = load_parts(recipe, "train")
    model = build_model(recipe)
    assert begin_with(model, recipe, parts) == []
    x = faces(parts, recipe)
    expected, found = Answering(trained[0]).eval()(x), Answering(model).eval()(x)
    for head, logits in expected.items():
        assert torch.allclose(found[head], logits, atol=1e-3), head


@torch.no_grad()
@pytest.mark.parametrize("kind", ["run", "file"])
def test_a_network_for_colours_begins_with_one_for_grey(kind, trained, tiny_run, exported):
    """It answers to grey pictures as before, and to colours as to their luma."""
    colours = {"size": 32, "colour": "RGB", "mean": [0.5] * 3, "std": [0.25] * 3}
    start = tiny_run if kind == "run" else exported
    recipe = recipe_from(trained, start, input=trained[1].to_mapping()["input"] | colours)
    parts = load_parts(recipe, "train")
    model = build_model(recipe)
    assert begin_with(model, recipe, parts) == []
    x = faces(parts, recipe)
    shares = torch.tensor(LUMA).view(1, 3, 1, 1)
    expected = Answering(trained[0]).eval()((x * shares).sum(1, keepdim=True))
    for head, logits in Answering(model).eval()(x).items():
        assert torch.allclose(logits, expected[head], atol=1e-3), head


def test_a_network_for_grey_begins_with_one_for_colours(trained, tmp_path):
    colours = {"size": 32, "colour": "RGB", "mean": [0.5] * 3, "std": [0.25] * 3}
    table = trained[1].to_mapping()["input"] | colours
    train(recipe_from(trained, "", input=table), tmp_path / "run")
    recipe = recipe_from(trained, tmp_path / "run")
    parts = load_parts(recipe, "train")
    model = build_model(recipe)
    assert begin_with(model, recipe, parts) == []
    x = faces(parts, recipe)
    with torch.no_grad():
        expected = Answering(load_run(tmp_path / "run")[0]).eval()(x.expand(-1, 3, -1, -1))
        found = Answering(model).eval()(x)
    for head, logits in found.items():
        assert torch.allclose(logits, expected[head], atol=1e-3), head


def test_a_norm_that_no_convolution_can_swallow(trained, tmp_path):
    """The features of `dlib-resnet` are normalised in front of the heads."""
    network = {"family": "dlib-resnet", "widths": [4, 6], "blocks": [1, 1]}
    recipe = recipe_from(trained, "", network=network)
    train(recipe, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "it.onnx")
    recipe = recipe_from(trained, tmp_path / "it.onnx", network=network)
    parts = load_parts(recipe, "train")
    model = build_model(recipe)
    assert begin_with(model, recipe, parts) == []
    before = Answering(load_run(tmp_path / "run")[0]).eval()
    with torch.no_grad():
        x = faces(parts, recipe)
        expected, found = before(x), Answering(model).eval()(x)
    for head, logits in expected.items():
        assert torch.allclose(found[head], logits, atol=1e-3), head


@torch.no_grad()
def test_unfolded_batch_norm_trains_on(trained, exported):
    """In training mode the statistics of the batch take over; answers must not fall apart."""
    recipe = recipe_from(trained, exported)
    parts = load_parts(recipe, "train")
    model = build_model(recipe)
    begin_with(model, recipe, parts)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    x = faces(parts, recipe)
    frozen, alive = Answering(model).eval()(x), Answering(model).train()(x)
    for head, logits in frozen.items():
        assert torch.allclose(alive[head], logits, atol=0.02 * logits.abs().max().item()), head
    norm = next(m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert not torch.allclose(norm.weight, torch.ones_like(norm.weight))


def test_a_new_question_starts_at_random(trained, exported):
    labels = ["happiness", "sadness", "neutral"]
    recipe = recipe_from(trained, exported)
    heads = json.loads(json.dumps(recipe.to_mapping()["heads"]))
    heads["emotion"]["labels"] = labels
    recipe = recipe_from(trained, exported, heads=heads)
    parts = load_parts(recipe, "train")
    torch.manual_seed(0)
    model = build_model(recipe)
    before = model.state_dict()["network.heads.emotion.weight"].clone()
    assert begin_with(model, recipe, parts) == ["emotion"]
    state, old = model.state_dict(), trained[0].state_dict()
    assert torch.equal(state["network.heads.emotion.weight"], before)
    assert torch.equal(state["network.heads.gender.weight"], old["network.heads.gender.weight"])


def test_the_same_classes_in_another_order_are_new(trained, tiny_run):
    heads = json.loads(json.dumps(trained[1].to_mapping()["heads"]))
    heads["emotion"]["labels"] = heads["emotion"]["labels"][::-1]
    recipe = recipe_from(trained, tiny_run, heads=heads)
    assert begin_with(build_model(recipe), recipe, []) == ["emotion"]


def test_another_network_is_named(trained, tiny_run):
    network = trained[1].to_mapping()["network"] | {"stem": 4}
    recipe = recipe_from(trained, tiny_run, network=network)
    with pytest.raises(InputError, match=r"its network is another one: for network\.trunk\.0"):
        begin_with(build_model(recipe), recipe, [])


def test_what_is_not_there(trained, tmp_path):
    recipe = recipe_from(trained, "mien-x")
    with pytest.raises(UnknownModelError, match="mien-m"):
        begin_with(build_model(recipe), recipe, [])
    recipe = recipe_from(trained, tmp_path / "nothing")
    with pytest.raises(InputError, match="no such folder"):
        begin_with(build_model(recipe), recipe, [])


def test_the_shipped_model_can_be_trained_on(trained):
    """The default model with its own network; only the labels here are other ones."""
    network = {"family": "dlib-resnet", "blocks": [3, 4, 3, 2], "resize": 112}
    recipe = recipe_from(trained, "mien-m", network=network)
    parts = load_parts(recipe, "train")
    assert begin_with(build_model(recipe), recipe, parts) == []
