"""A recipe says everything, and a slip of the pen in it is an error."""

import json
from pathlib import Path

import pytest

from mien.config import EMOTIONS, GENDERS
from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.recipe import AugmentTable, LossTable, Recipe, TrainTable

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))


@pytest.fixture
def table():
    return {
        "name": "small",
        "heads": ["gender", "emotion"],
        "input": {"size": 48, "colour": "grey", "mean": [0.5], "std": [0.25]},
        "network": {"family": "multihead", "widths": [8, 16], "blocks": [1, 1]},
        "data": [{"path": "a", "per_batch": 8, "mixup": 0.2}, {"path": "b", "per_batch": 24}],
        "train": {"steps": 100},
    }


def test_what_a_recipe_says(table):
    recipe = Recipe.from_mapping(table)
    assert recipe.name == "small"
    assert recipe.classes == {"gender": 2, "emotion": 8}
    assert recipe.batch_size == 32
    assert recipe.input == InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,))
    assert recipe.family == "multihead"
    assert recipe.network == {"widths": [8, 16], "blocks": [1, 1]}
    assert [(d.path, d.per_batch, d.mixup) for d in recipe.data] == [("a", 8, 0.2), ("b", 24, 0.0)]
    assert recipe.train == TrainTable(steps=100)
    assert (recipe.loss, recipe.augment) == (LossTable(), AugmentTable())


def test_every_class_of_every_head(table):
    table["heads"] = ["age", "gender", "emotion"]
    assert Recipe.from_mapping(table).classes == {"age": 101, "gender": 2, "emotion": 8}
    assert (len(GENDERS), len(EMOTIONS)) == (2, 8)


def test_there_and_back_again(table):
    table |= {
        "license": "MIT",
        "source": "made up",
        "loss": {"emotion": 2.0},
        "augment": {"flip": False, "erase": 0.0},
    }
    recipe = Recipe.from_mapping(table)
    assert Recipe.from_mapping(recipe.to_mapping()) == recipe
    as_json = json.loads(json.dumps(recipe.to_mapping()))
    assert Recipe.from_mapping(as_json) == recipe


def test_reading_leaves_the_table_alone(table):
    before = json.dumps(table)
    Recipe.from_mapping(table)
    assert json.dumps(table) == before


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository(path):
    recipe = Recipe.from_toml(path)
    assert recipe.name == path.stem
    assert recipe.license != "unknown"
    assert recipe.source
    assert Recipe.from_mapping(recipe.to_mapping()).to_mapping() == recipe.to_mapping()


def test_there_are_recipes():
    assert RECIPES


# --- slips of the pen -------------------------------------------------------------------------


def refused(table):
    with pytest.raises(ConfigError) as caught:
        Recipe.from_mapping(table)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("where", "key", "message"),
    [
        (None, "licence", "a recipe has no key 'licence'. Did you mean 'license'?"),
        (None, "banana", "a recipe has no key 'banana'."),
        ("input", "color", "[input] has no key 'color'. Did you mean 'colour'?"),
        ("train", "step", "[train] has no key 'step'. Did you mean 'steps'?"),
        ("loss", "emotions", "[loss] has no key 'emotions'. Did you mean 'emotion'?"),
        ("augment", "flips", "[augment] has no key 'flips'. Did you mean 'flip'?"),
    ],
)
def test_an_unknown_key_gets_a_hint(table, where, key, message):
    target = table if where is None else table.setdefault(where, {})
    target[key] = 3
    assert refused(table) == message


def test_an_unknown_key_in_a_data_table(table):
    table["data"][1]["mix_up"] = 0.2
    assert refused(table) == "[data] has no key 'mix_up'. Did you mean 'mixup'?"


def test_the_name_is_needed(table):
    del table["name"]
    assert refused(table) == "a recipe needs the key 'name'"


@pytest.mark.parametrize("name", ["", "two words", "a/b", "v1.2", "größe", "[x]"])
def test_a_name_must_fit_a_file_and_a_table(table, name):
    table["name"] = name
    assert refused(table) == f"a name has letters, digits, - and _ only, got {name!r}"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("heads", ["age", "gendre"], "no head is called 'gendre'. Did you mean 'gender'?"),
        ("heads", [], "at least one head and one [[data]] table"),
        ("heads", ["age", "age"], "heads must be named once each, got age, age"),
        ("heads", "age", "heads must be a list of text"),
        ("data", [], "at least one head and one [[data]] table"),
        ("data", {"path": "a", "per_batch": 8}, "write [[data]] on its own line"),
        ("data", ["a"], "'data' must be a table"),
        ("data", [{"path": "a"}], "[data]: "),
        ("data", [{"path": "a", "per_batch": 0}], "per_batch must be at least 1, got 0"),
        ("data", [{"path": "a", "per_batch": 1, "mixup": -1}], "mixup must not be negative"),
        ("train", {}, "'steps'"),
        ("train", {"steps": 0}, "steps must be at least 1, got 0"),
        ("train", {"steps": "100"}, "[train]: "),
        ("train", {"steps": 1, "evaluate_every": 0}, "evaluate_every must be at least 1, got 0"),
        ("train", {"steps": 1, "ema": 1.0}, "ema must lie in [0, 1), got 1.0"),
        ("train", 100, "'train' must be a table: write [train] on its own line"),
        ("network", 3, "'network' must be a table"),
        ("input", {}, "[input]: "),
        ("input", {"size": 48, "colour": "BGR", "mean": [0], "std": [1]}, "'grey' or 'RGB'"),
    ],
)
def test_a_wrong_value(table, key, value, message):
    table[key] = value
    assert message in refused(table)


# --- files ------------------------------------------------------------------------------------


def test_a_file_is_read(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        """
        name = "small"
        heads = ["gender"]
        [input]
        size = 48
        colour = "RGB"
        mean = [0.5, 0.5, 0.5]
        std = [0.2, 0.2, 0.2]
        [[data]]
        path = "work/faces"
        per_batch = 16
        [train]
        steps = 10
        """,
        "utf-8",
    )
    recipe = Recipe.from_toml(path)
    assert (recipe.input.channels, recipe.family, recipe.train.steps) == (3, "multihead", 10)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"name = ", "cannot be read as TOML"),
        (b"\xff", "cannot be read as TOML"),
        (b"nam = 'x'\n[train]\nsteps = 1\n[input]\n", r"\[input\]: "),
    ],
)
def test_a_bad_file_is_named(tmp_path, data, problem):
    path = tmp_path / "small.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=problem) as caught:
        Recipe.from_toml(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        Recipe.from_toml(tmp_path / "none.toml")
