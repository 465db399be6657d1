"""Whatever cannot be trained is refused before the first step, in one line that names it."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.errors import ConfigError, InputError, MienError, ModelError, UnknownModelError
from mien.training.loop import Trainer, train
from mien.training.packed import read_records, write_records
from mien.training.recipe import Recipe
from mien.training.teachers import Teachers


@pytest.fixture(autouse=True)
def no_step(monkeypatch):
    def started(*_):
        raise AssertionError("a step was trained")

    monkeypatch.setattr(Trainer, "update", started)


@pytest.fixture
def refused(recipe_table, tmp_path):
    """A function that trains `recipe_table` and returns the error, which must be one line."""

    def refuse(kind=ConfigError):
        with pytest.raises(MienError) as caught:
            train(Recipe.from_mapping(recipe_table), tmp_path / "run", threads=1)
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
        return str(caught.value)

    return refuse


@pytest.fixture
def relabel(recipe_table, tmp_path):
    """A function that replaces the records of one data set; returns its new folder."""

    def change(number, edit):
        folder = tmp_path / f"relabelled{number}"
        shutil.copytree(recipe_table["data"][number]["path"], folder)
        records, found = read_records(folder / "records.csv")
        write_records(folder / "records.csv", [edit(record) for record in records], found)
        recipe_table["data"][number]["path"] = str(folder)
        return folder

    return change


def edited(record, **changes):
    values = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    return Record(**{**values, **changes})


def test_what_is_not_changed_would_train(recipe_table, tmp_path):
    with pytest.raises(AssertionError, match="a step was trained"):
        train(Recipe.from_mapping(recipe_table), tmp_path, threads=1)


# --- data ---------------------------------------------------------------------------------------


def test_a_missing_folder(recipe_table, refused, tmp_path):
    recipe_table["data"][0]["path"] = str(tmp_path / "nowhere")
    expected = f"{tmp_path / 'nowhere'}: not a folder written by `mien prepare`"
    assert refused(InputError).startswith(expected)


def test_chips_of_another_size(recipe_table, refused):
    recipe_table["input"]["size"] = 48
    message = refused(InputError)
    assert message.startswith(recipe_table["data"][0]["path"])
    assert "chips are 32 px, the recipe wants 48 px" in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split(relabel, refused, split):
    folder = relabel(1, lambda r: edited(r, split="test" if r.split == split else r.split))
    assert refused(InputError) == f"{folder}: the split {split!r} is empty"


def test_a_class_without_a_face(relabel, refused, recipe_table):
    folder = relabel(1, lambda r: edited(r, gender="male"))
    assert refused() == (
        "[heads.gender]: no training face is labelled 'female' in "
        f"{recipe_table['data'][0]['path']}, {folder}"
    )


def test_a_head_without_labels(relabel, refused, recipe_table):
    folder = relabel(1, lambda r: edited(r, gender=None))
    assert refused() == (
        "[heads.gender]: no training face has a label for it in "
        f"{recipe_table['data'][0]['path']}, {folder}"
    )


def test_an_age_group_without_a_face(recipe_table, refused):
    groups = {"groups": ["0-12", "13-59", "60+"], "objective": "cross-entropy"}
    recipe_table["heads"] = {"age": groups, "emotion": {}}
    assert "[heads.age]: no training face is labelled '0-12' in" in refused()


def test_ages_that_the_objective_cannot_use(recipe_table, refused):
    recipe_table["heads"] = {"age": {"objective": "bin-likelihood"}, "emotion": {}}
    assert "has ages as years, from which bin-likelihood cannot learn" in refused()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_ages_are_not_blended(recipe_table, refused, kind):
    recipe_table["data"][1][kind] = 0.2
    assert "mixup and cutmix blend class shares; ages has ages. Set both to 0." in refused()


def test_votes_on_labels_of_a_users_own(recipe_table, refused):
    recipe_table["heads"] = {"emotion": {"labels": ["grin", "frown"]}}
    recipe_table["data"] = recipe_table["data"][:1]
    assert refused().startswith("FER+ has no class 'grin'.")


def test_an_unknown_filter(recipe_table):
    recipe_table["data"][0]["filter"] = "sfot"
    with pytest.raises(ConfigError, match=r"\[data\]: filter must be one of .*'sfot'\. Did you"):
        Recipe.from_mapping(recipe_table)


# --- the recipe ---------------------------------------------------------------------------------


def test_an_unknown_metric_lists_the_known(recipe_table, refused):
    recipe_table["train"]["select"] = "emotion_acuracy"
    assert refused() == (
        "[train] select: no metric is called 'emotion_acuracy'. Did you mean 'emotion_accuracy'? "
        "Known here: emotion_accuracy, emotion_f1, emotion_mae, gender_accuracy, age_mae, score."
    )


def test_a_metric_that_the_labels_do_not_allow(recipe_table, refused):
    """There is such a metric, but nobody voted on these faces."""
    recipe_table["train"]["select"] = "emotion_mae"
    recipe_table["data"] = recipe_table["data"][1:]
    recipe_table["heads"] = ["age", "gender"]
    assert refused().endswith("Known here: gender_accuracy, age_mae, score.")


def test_age_groups_have_a_metric_of_their_own(recipe_table, tmp_path):
    groups = {"groups": ["0-30", "31+"], "objective": "cross-entropy"}
    recipe_table["heads"] = {"age": groups, "emotion": {}}
    recipe_table["train"]["select"] = "age_group_accuracy"
    with pytest.raises(AssertionError, match="a step was trained"):
        train(Recipe.from_mapping(recipe_table), tmp_path, threads=1)


def test_an_unknown_objective(recipe_table, refused):
    recipe_table["heads"] = {"emotion": {"objective": "focl"}, "gender": {}}
    message = refused(UnknownModelError)
    assert message.startswith("no objective is called 'focl'. Did you mean 'focal'? Known: ")


def test_objectives_that_do_not_go_together(recipe_table, refused):
    recipe_table["heads"] = {"age": {"objective": {"l1": 1, "focal": 1}}, "emotion": {}}
    assert refused() == (
        "[heads.age]: the objectives l1 and focal cannot share one head: "
        "they need different columns"
    )


def test_an_unknown_network(recipe_table, refused):
    recipe_table["network"]["family"] = "multihed"
    assert "no network family is called 'multihed'. Did you mean" in refused(UnknownModelError)


def test_an_unknown_option_of_the_network(recipe_table, refused):
    recipe_table["network"]["dropuot"] = 0.1
    assert refused() == "[network] has no key 'dropuot'. Did you mean 'dropout'?"


# --- earlier runs -------------------------------------------------------------------------------


def test_a_start_that_is_not_there(recipe_table, refused, tmp_path):
    recipe_table["train"]["start"] = str(tmp_path / "nowhere")
    expected = f"{tmp_path / 'nowhere'}: no such folder; [train] start names a run, an .onnx or"
    assert refused(InputError).startswith(expected)
    recipe_table["train"]["start"] = "mien-mm"
    assert refused(UnknownModelError).startswith("no run folder or shipped model is called 'mien-m")
    (tmp_path / "empty").mkdir()
    recipe_table["train"]["start"] = str(tmp_path / "empty")
    expected = f"{tmp_path / 'empty'}: checkpoint 'best' cannot be read"
    assert refused(InputError).startswith(expected)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ({"widths": [8, 24], "blocks": [1, 1], "stem": 8}, "network."),
        ({"widths": [8, 16, 16], "blocks": [1, 1, 1], "stem": 8}, "network."),
        ({"widths": [8], "blocks": [1], "stem": 8}, "network."),
        ({"family": "cnn-small", "widths": [8, 16], "dense": 64}, "network."),
    ],
    ids=["wider", "deeper", "shorter", "another family"],
)
def test_a_start_with_another_network(recipe_table, refused, tiny_run, network, named):
    recipe_table["train"]["start"] = str(tiny_run)
    recipe_table["network"] = network
    message = refused(InputError)
    assert message.startswith(f"{tiny_run}: its network is another one: ")
    assert named in message


def with_teacher(recipe_table, run):
    recipe_table["teacher"] = {"runs": [str(run)]}
    recipe_table["heads"] = {"gender": {"objective": {"cross-entropy": 1, "distillation": 1}}}
    recipe_table["data"] = recipe_table["data"][1:]


def test_a_teacher_that_is_not_there(recipe_table, refused, tmp_path):
    with_teacher(recipe_table, tmp_path / "nowhere")
    expected = f"{tmp_path / 'nowhere'}: no such folder; [teacher] runs names a run, an .onnx or a"
    assert refused(InputError).startswith(expected)
    (tmp_path / "empty").mkdir()
    recipe_table["teacher"] = {"runs": [str(tmp_path / "empty")]}
    expected = f"{tmp_path / 'empty'}: checkpoint 'best' cannot be read"
    assert refused(InputError).startswith(expected)
    recipe_table["teacher"] = {"runs": [str(tmp_path / "nowhere.onnx")]}
    assert refused(ModelError) == f"{tmp_path / 'nowhere.onnx'}: no such model file"
    recipe_table["teacher"] = {"runs": ["mien-mm"]}
    assert refused(UnknownModelError).startswith("no run folder or shipped model is called 'mien-m")


def test_a_teacher_that_sees_larger_faces(recipe_table, tiny_run):
    with_teacher(recipe_table, tiny_run)
    recipe_table["input"]["size"] = 48
    with pytest.raises(ConfigError) as caught:
        Teachers(Recipe.from_mapping(recipe_table))
    assert str(caught.value) == f"[teacher] {tiny_run}: sees 32 px, the student 48 px"


def test_a_teacher_with_other_labels(recipe_table, refused, tiny_run):
    recipe_table["teacher"] = {"runs": [str(tiny_run)]}
    head = {"labels": ["neutral", "happiness"], "objective": "distillation"}
    recipe_table["heads"] = {"emotion": head}
    recipe_table["data"] = recipe_table["data"][:1]
    assert refused() == f"[teacher] {tiny_run}: has other labels for 'emotion'"


def test_a_teacher_without_the_head(recipe_table, refused, tiny_run, tmp_path):
    """The run's own note says that it answers expressions alone."""
    from mien.training.checkpoint import load_checkpoint, save_checkpoint

    tensors, meta = load_checkpoint(tiny_run, "best")
    meta["recipe"]["heads"] = {"emotion": meta["recipe"]["heads"]["emotion"]}
    kept = {k: v for k, v in tensors.items() if ".heads.age" not in k and ".heads.gender" not in k}
    save_checkpoint(tmp_path / "teacher", "best", kept, meta)
    with_teacher(recipe_table, tmp_path / "teacher")
    assert refused() == "[heads.gender]: no teacher answers it"


def test_a_folder_that_holds_something_else(recipe_table, tmp_path):
    """A damaged checkpoint is named, not overwritten."""
    (tmp_path / "last.json").write_text(json.dumps({}), "utf-8")
    with pytest.raises(InputError, match="holds a run already"):
        train(Recipe.from_mapping(recipe_table), tmp_path, threads=1)
    with pytest.raises(InputError, match="checkpoint 'last' cannot be read"):
        train(Recipe.from_mapping(recipe_table), tmp_path, threads=1, resume=True)
