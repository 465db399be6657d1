"""Promises of every data set that is registered: a new one is tested without new test code."""

import inspect

import pytest
from typer.testing import CliRunner

from mien.cli.main import app
from mien.datasets import datasets, open_dataset
from mien.errors import ConfigError, InputError

NAMES = {
    "adience",
    "appa-real",
    "csv",
    "facial-age",
    "fairface",
    "fer2013",
    "fer2013-folders",
    "ferplus",
    "folder",
    "imdb",
    "utkface",
    "wiki",
}


@pytest.fixture(params=list(datasets))
def name(request):
    return request.param


def test_all_are_there():
    assert set(datasets) >= NAMES


def test_a_name_is_the_one_it_is_registered_by(name):
    assert datasets[name].name == name


def test_the_first_line_of_its_text_says_what_it_is(name):
    first, _, rest = inspect.getdoc(datasets[name]).partition("\n")
    assert first.endswith(".")
    assert len(first.split()) >= 5
    assert not rest or rest.startswith("\n")  # the sentence ends where the line does


def test_the_list_has_the_name_first():
    result = CliRunner().invoke(app, ["prepare", "--list"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(datasets)
    for line in lines:
        name, _, note = line.partition(" ")
        first = inspect.getdoc(datasets[name]).partition("\n")[0]
        assert note.strip() == first.replace("``", "")  # a terminal shows no markup


def test_every_option_is_described(name):
    options = [key for key in inspect.signature(datasets[name]).parameters if key != "path"]
    text = " ".join(
        inspect.getdoc(base) or "" for base in datasets[name].__mro__ if base is not object
    )
    assert all(f" {option}: " in text for option in options)


def test_every_option_has_a_default(name):
    for key, option in inspect.signature(datasets[name]).parameters.items():
        assert (option.default is inspect.Parameter.empty) == (key == "path")


def test_an_unknown_option(name, tmp_path):
    with pytest.raises(ConfigError, match=f"data set {name!r} has no option 'colour'"):
        open_dataset(name, tmp_path, {"colour": "red"})


def test_what_is_not_there_is_one_line(name, tmp_path):
    with pytest.raises(InputError, match="nowhere") as caught:
        list(open_dataset(name, tmp_path / "nowhere").records())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "option", "value", "wanted"),
    [
        ("adience", "test_fold", 2.5, "a whole number"),
        ("adience", "test_fold", True, "a whole number"),
        ("imdb", "min_face_score", "high", "a number"),
        ("imdb", "min_face_score", False, "a number"),
        ("imdb", "require_gender", 1, "true or false"),
        ("appa-real", "images", 3, "text"),
        ("csv", "columns", ["path"], "a table of text"),
        ("csv", "columns", {"path": 3}, "a table of text"),
    ],
)
def test_an_option_of_another_kind(tmp_path, name, option, value, wanted):
    with pytest.raises(ConfigError, match=f"option {option!r} must be {wanted}, got "):
        open_dataset(name, tmp_path, {option: value})
