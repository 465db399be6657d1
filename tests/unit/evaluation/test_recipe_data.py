"""Options of readers in a recipe."""

import pytest

from mien.errors import ConfigError
from mien.evaluation.recipe_data import reader_options

RECIPE = """
name = "own"

[[data]]
path = "work/packed"
per_batch = 3

[[data]]
dataset = "csv"
source = "faces.csv"
[data.options]
image = "file"
expression = "mood"

[[data]]
dataset = "utkface"
source = "data"
"""

TWO = """
[[data]]
dataset = "csv"
source = "a.csv"
options = { image = "one" }
[[data]]
dataset = "csv"
source = "b.csv"
options = { image = "two" }
"""


@pytest.fixture
def recipe(tmp_path):
    """Function that writes a recipe."""

    def write(text):
        path = tmp_path / "own.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_options_by_name(recipe):
    path = recipe(RECIPE)
    assert reader_options(path, "csv") == {"image": "file", "expression": "mood"}
    assert reader_options(path, "csv", "other.csv") == {"image": "file", "expression": "mood"}
    assert reader_options(path, "utkface") == {}
    assert reader_options(path, "ferplus") == {}
    assert reader_options(recipe("name = 'none'"), "csv") == {}


def test_the_path_decides_between_tables(recipe):
    path = recipe(TWO)
    assert reader_options(path, "csv", "a.csv") == {"image": "one"}
    assert reader_options(path, "csv", "b.csv") == {"image": "two"}
    assert reader_options(recipe(TWO.replace("two", "one")), "csv") == {"image": "one"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO, "several [[data]] tables of 'csv' have different options"),
        ("data = 3", "'data' must be a list of tables: write [[data]] on its own line"),
        ("data = [3]", "'data' must be a list of tables"),
        (
            '[[data]]\ndataset = "csv"\noptions = 3',
            "the 'options' of data set 'csv' must be a table",
        ),
        ("[[data]", "cannot be read as TOML"),
    ],
    ids=["two", "number", "numbers", "options", "toml"],
)
def test_a_wrong_recipe_is_one_line(recipe, text, message):
    with pytest.raises(ConfigError) as caught:
        reader_options(recipe(text), "csv", "c.csv")
    assert message in str(caught.value)
    assert "own.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.toml: cannot be read"):
        reader_options(tmp_path / "no.toml", "csv")
