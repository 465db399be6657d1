"""A recipe says everything, and a slip of the pen in it is an error."""

import json
from pathlib import Path

import pytest

from mien.config import EMOTIONS, GENDERS, AgeGroup
from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.recipe import HEAD_LABELS, OBJECTIVES, Recipe, change
from mien.training.tables import AugmentTable, HeadTable, TeacherTable, TrainTable

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
    assert list(recipe.heads) == ["gender", "emotion"]
    assert recipe.batch_size == 32
    assert recipe.input == InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,))
    assert recipe.family == "multihead"
    assert recipe.network == {"widths": [8, 16], "blocks": [1, 1]}
    assert [(d.path, d.per_batch, d.mixup) for d in recipe.data] == [("a", 8, 0.2), ("b", 24, 0.0)]
    assert recipe.train == TrainTable(steps=100)
    assert (recipe.augment, recipe.teacher) == (AugmentTable(), TeacherTable())


def test_a_list_of_heads_takes_the_usual_labels_and_objectives(table):
    table["heads"] = ["age", "gender", "emotion"]
    heads = Recipe.from_mapping(table).heads
    assert {name: head.labels for name, head in heads.items()} == {
        "age": tuple(str(age) for age in range(101)),
        "gender": GENDERS,
        "emotion": EMOTIONS,
    }
    assert {name: head.objective for name, head in heads.items()} == OBJECTIVES
    table["heads"] = {"age": {}, "gender": {}, "emotion": {}}
    assert Recipe.from_mapping(table).heads == heads


def test_one_table_a_head(table):
    table["heads"] = {
        "age": {
            "groups": ["0-12", "13-25", "26-59", "60+"],
            "objective": {"cross-entropy": 2, "bin-likelihood": 0.5},
        },
        "emotion": {"labels": ["smile", "frown"], "objective": "focal", "gamma": 1.5},
    }
    heads = Recipe.from_mapping(table).heads
    assert list(heads) == ["age", "emotion"]
    assert heads["age"].objective == {"cross-entropy": 2, "bin-likelihood": 0.5}
    assert heads["age"].age_groups[1:3] == (AgeGroup(13, 25), AgeGroup(26, 59))
    assert heads["age"].labels == HEAD_LABELS["age"]  # the answer has all ages
    assert heads["emotion"].labels == ("smile", "frown")
    assert heads["emotion"].objective == {"focal": 1.0}  # a name alone has weight 1
    assert heads["emotion"].gamma == 1.5
    assert HeadTable(objective="l1").objective == {"l1": 1.0}


def test_a_table_of_its_own_keeps_the_usual_rest(table):
    table["heads"] = {"age": {"sigma": 3.0}}
    age = Recipe.from_mapping(table).heads["age"]
    assert (age.sigma, age.objective) == (3.0, OBJECTIVES["age"])


def test_there_and_back_again(table):
    table |= {
        "license": "MIT",
        "source": "made up",
        "heads": {
            "age": {"groups": ["0-17", "18+"], "objective": "cross-entropy"},
            "emotion": {"labels": ["a", "b"], "objective": {"focal": 1, "distillation": 0.5}},
        },
        "teacher": {"runs": ["runs/x", "runs/y"], "temperature": 3.0},
        "augment": {"flip": False, "erase": 0.0},
    }
    table["data"][0] |= {"dataset": "csv", "source": "faces", "options": {"columns": {"a": "b"}}}
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


# --- changes from the command line --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "value"),
    [
        ("train.steps=500", ("train", "steps"), 500),
        ("train.learning_rate = 0.05", ("train", "learning_rate"), 0.05),
        ("name=other", ("name",), "other"),  # no TOML value: taken as it is
        ("source=UTKFace, v2", ("source",), "UTKFace, v2"),
        ("train.start=runs/a=b", ("train", "start"), "runs/a=b"),
        ('name="quoted"', ("name",), "quoted"),
        ("augment.flip=false", ("augment", "flip"), False),
        ("network.widths=[4, 8]", ("network", "widths"), [4, 8]),
        ("data.1.mixup=0.2", ("data", 1, "mixup"), 0.2),
        ("data.0.options.face=true", ("data", 0, "options", "face"), True),
        (
            "heads.age.objective={l1 = 1.0, bin-likelihood = 0.5}",
            ("heads", "age", "objective"),
            {"l1": 1.0, "bin-likelihood": 0.5},
        ),
    ],
)
def test_one_key_is_changed(table, text, where, value):
    table["heads"] = {"gender": {}}
    rest = json.loads(json.dumps(table))
    change(table, text)
    place, wanted = table, rest
    for key in where[:-1]:
        place = place[key]
        wanted = wanted.setdefault(key, {}) if isinstance(wanted, dict) else wanted[key]
    assert place[where[-1]] == value
    wanted[where[-1]] = value
    assert table == rest  # and nothing else


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.steps", "a change looks like train.steps=500, got 'train.steps'"),
        ("name.first=x", "'name.first=x': 'name' is no table of the recipe"),
        ("data.2.mixup=0.2", "'data.2.mixup=0.2': '2' is no table of the recipe"),
        ("data.x.mixup=0.2", "'data.x.mixup=0.2': 'x' is no table of the recipe"),
        ("data.mixup=0.2", "'data.mixup=0.2': name the number of the entry, e.g. data.0.mixup=…"),
    ],
)
def test_a_change_that_leads_nowhere(table, text, message):
    with pytest.raises(ConfigError) as caught:
        change(table, text)
    assert str(caught.value) == message


def test_a_list_of_heads_can_be_changed_too(table):
    change(table, "heads.gender.objective=focal")
    assert table["heads"] == {"gender": {"objective": "focal"}, "emotion": {}}
    assert Recipe.from_mapping(table).heads["gender"].objective == {"focal": 1.0}


def test_a_misspelt_change_is_noticed_by_the_recipe(table):
    change(table, "trian.steps=500")
    assert refused(table) == "a recipe has no key 'trian'. Did you mean 'train'?"


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
        ("teacher", "run", "[teacher] has no key 'run'. Did you mean 'runs'?"),
        ("augment", "flips", "[augment] has no key 'flips'. Did you mean 'flip'?"),
    ],
)
def test_an_unknown_key_gets_a_hint(table, where, key, message):
    target = table if where is None else table.setdefault(where, {})
    target[key] = 3
    assert refused(table) == message


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("train", "trian"),
        ("heads", "hedas"),
        ("input", "inptu"),
        ("network", "netwrok"),
        ("data", "dat"),
        ("name", "nmae"),
        ("augment", "augmnet"),
        ("teacher", "techer"),
    ],
)
def test_a_misspelt_table_is_named_and_not_what_it_leaves_missing(table, right, wrong):
    table |= {"heads": {"age": {}}, "augment": {"flip": False}, "teacher": {"runs": ["a"]}}
    table[wrong] = table.pop(right)
    assert refused(table) == f"a recipe has no key {wrong!r}. Did you mean {right!r}?"


def test_a_file_with_misspelt_tables(tmp_path):
    path = tmp_path / "slip.toml"
    for slip, hint in (("[trian]\nsteps = 5", "train"), ("[hedas.age]\nsigma = 3.0", "heads")):
        path.write_text(f'name = "slip"\n{slip}\n', "utf-8")
        wrong = slip[1:6]
        with pytest.raises(ConfigError) as caught:
            Recipe.from_toml(path)
        assert str(caught.value) == (
            f"{path}: a recipe has no key {wrong!r}. Did you mean {hint!r}?"
        )


def test_an_unknown_key_in_a_data_table(table):
    table["data"][1]["mix_up"] = 0.2
    assert refused(table) == "[data] has no key 'mix_up'. Did you mean 'mixup'?"


def test_an_unknown_key_in_a_head_table(table):
    table["heads"] = {"age": {"sigam": 2.0}}
    assert refused(table) == "[heads.age] has no key 'sigam'. Did you mean 'sigma'?"


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
        ("heads", {"aeg": {}}, "no head is called 'aeg'. Did you mean 'age'?"),
        ("heads", [], "at least one head and one [[data]] table"),
        ("heads", {}, "at least one head and one [[data]] table"),
        ("heads", ["age", "age"], "heads must be named once each, got age, age"),
        ("heads", "age", "heads must be a list of names, or one [heads.NAME] table each"),
        ("heads", {"age": 3}, "'heads.age' must be a table: write [heads.age] on its own line"),
        ("data", [], "at least one head and one [[data]] table"),
        ("data", {"path": "a", "per_batch": 8}, "write [[data]] on its own line"),
        ("data", ["a"], "'data' must be a table"),
        ("data", [{"path": "a"}], "[data] needs the key 'per_batch'"),
        ("data", [{"path": "a", "per_batch": 0}], "[data]: per_batch must be at least 1, got 0"),
        ("data", [{"path": "a", "per_batch": 1, "mixup": -1}], "mixup must be at least 0, got -1"),
        ("data", [{"path": 3, "per_batch": 1}], "[data] path must be text, got 3"),
        ("train", {}, "[train] needs the key 'steps'"),
        ("train", 100, "'train' must be a table: write [train] on its own line"),
        ("network", 3, "'network' must be a table"),
        ("network", {"family": 3}, "[network] family must be text, got 3"),
        ("license", 3, "license must be text, got 3"),
        ("min_face_px", 2.5, "min_face_px must be a whole number, got 2.5"),
        ("min_face_px", 0, "min_face_px must be at least 1, got 0"),
        ("min_sharpness", "8", "min_sharpness must be a number, got '8'"),
        ("min_sharpness", -1, "min_sharpness must be at least 0, got -1"),
        ("input", {}, "[input] needs the key 'size'"),
        ("input", {"size": 48, "colour": "BGR", "mean": [0], "std": [1]}, "'grey' or 'RGB'"),
        ("input", {"size": 4.5, "colour": "grey", "mean": [0], "std": [1]}, "a whole number"),
        (
            "input",
            {"size": 48, "colour": "grey", "mean": 0.5, "std": [1]},
            "[input] mean must be a list of numbers, got 0.5",
        ),
        ("teacher", {"temperature": 0}, "temperature must be more than 0, got 0"),
        ("teacher", {"runs": "a"}, "[teacher] runs must be a list of text, got 'a'"),
        ("augment", {"noise": -0.1}, "[augment]: noise must be at least 0, got -0.1"),
        ("augment", {"erase": 2}, "[augment]: erase must lie between 0 and 1, got 2"),
        ("augment", {"flip": 1}, "[augment] flip must be true or false, got 1"),
    ],
)
def test_a_wrong_value(table, key, value, message):
    table[key] = value
    assert message in refused(table)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("steps", 0, "[train]: steps must be at least 1, got 0"),
        ("steps", "100", "[train] steps must be a whole number, got '100'"),
        ("steps", True, "[train] steps must be a whole number, got True"),
        ("evaluate_every", 0, "[train]: evaluate_every must be at least 1, got 0"),
        ("ema", 1.0, "[train]: ema must lie in [0, 1), got 1.0"),
        ("momentum", -0.1, "[train]: momentum must lie in [0, 1), got -0.1"),
        ("learning_rate", "fast", "[train] learning_rate must be a number, got 'fast'"),
        ("learning_rate", float("nan"), "[train] learning_rate must be a number, got nan"),
        ("learning_rate", 0, "[train]: learning_rate must be more than 0, got 0"),
        ("clip_norm", 0, "[train]: clip_norm must be more than 0, got 0"),
        ("weight_decay", -1, "[train]: weight_decay must be at least 0, got -1"),
        ("warmup", 1.5, "[train]: warmup must lie between 0 and 1, got 1.5"),
        ("factor", 1, "[train]: factor must lie between 0 and 1, got 1"),
        ("plateau", 0, "[train]: plateau must be at least 1, got 0"),
        ("patience", -1, "[train]: patience must be at least 0, got -1"),
        ("sam", -0.1, "[train]: sam must be at least 0, got -0.1"),
        ("sam_from", 2, "[train]: sam_from must lie between 0 and 1, got 2"),
        (
            "optimiser",
            "adamm",
            "[train]: optimiser must be one of sgd, adam, adamw, muon; got 'adamm'. "
            "Did you mean 'adam'?",
        ),
        (
            "schedule",
            "cosin",
            "[train]: schedule must be one of one-cycle, cosine, plateau, constant; "
            "got 'cosin'. Did you mean 'cosine'?",
        ),
        ("precision", "fp16", "[train]: precision must be one of bf16, fp32; got 'fp16'."),
    ],
)
def test_a_wrong_value_of_training(table, key, value, message):
    table["train"][key] = value
    assert refused(table).startswith(message)


def test_an_unknown_vote_filter_lists_the_known(table):
    table["data"][0]["filter"] = "majorty"
    message = refused(table)
    assert message.startswith("[data]: filter must be one of majority, arg-max, ")
    assert message.endswith("got 'majorty'. Did you mean 'majority'?")


def test_mixup_or_cutmix(table):
    table["data"][0]["cutmix"] = 1.0
    assert refused(table) == "[data]: a data set takes mixup or cutmix, not both"


@pytest.mark.parametrize(
    ("head", "values", "message"),
    [
        ("age", {"groups": ["0-12", "14+"]}, "leave a gap at 13"),
        ("age", {"groups": ["0-12", "12+"]}, "overlap at 12"),
        ("age", {"groups": ["1-12", "13+"]}, "leave a gap at 0"),
        ("age", {"groups": ["0-12", "13-59"]}, "write the last one as '13+'"),
        ("age", {"groups": ["13+", "0-12"]}, "must be written youngest first"),
        ("age", {"groups": ["young", "old"]}, "looks like '13-25' or '60+', got 'young'"),
        ("age", {"groups": "0-12"}, "[heads.age] groups must be a list of text"),
        ("emotion", {"groups": ["0-12", "13+"]}, "[heads.emotion]: only 'age' has groups"),
        ("age", {"labels": ["young", "old"]}, "Use 'groups' for age groups."),
        ("gender", {"labels": ["male", "female"]}, "only the labels of 'emotion' can be chosen"),
        ("emotion", {"labels": ["happiness"]}, "a head needs two or more different labels"),
        ("emotion", {"labels": ["a", "b", "a"]}, "a head needs two or more different labels"),
        ("emotion", {"labels": "happiness"}, "labels must be a list of text, got 'happiness'"),
        ("emotion", {"objective": {}}, "[heads.emotion] needs an objective"),
        ("emotion", {"objective": ["focal"]}, "objective must be a name or a table"),
        ("emotion", {"objective": {"focal": "1"}}, "the weight of objective 'focal' must be"),
        ("emotion", {"objective": {"focal": -1}}, "the weight of objective 'focal' must be"),
        ("emotion", {"objective": {"focal": True}}, "the weight of objective 'focal' must be"),
        ("emotion", {"objective": "distillation"}, "needs a [teacher] table with runs"),
        ("emotion", {"smoothing": 1.5}, "smoothing must lie between 0 and 1, got 1.5"),
        ("emotion", {"gamma": -1}, "gamma must be at least 0, got -1"),
        ("age", {"sigma": 0}, "sigma must be more than 0, got 0"),
        ("age", {"variance": -1}, "variance must be at least 0, got -1"),
    ],
)
def test_a_wrong_head(table, head, values, message):
    table["heads"] = {head: values}
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
        (b"name = 'x'\n[train]\nsteps = 1\n[input]\n", r"\[input\] needs the key 'size'"),
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
