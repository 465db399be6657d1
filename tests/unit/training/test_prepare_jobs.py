"""What `mien prepare` is to do: from a recipe, from options; done already, or refused early."""

from pathlib import Path

import pytest

from mien.align import AlignSpec
from mien.errors import ConfigError, InputError, OutputError, UnknownModelError
from mien.training.packed import write_meta
from mien.training.prepare import PrepareSettings, identity_of
from mien.training.prepare_jobs import BORDER, Job, jobs_of_recipe, parse_options

SETTINGS = PrepareSettings(align=AlignSpec(size=112, border=BORDER), threads=1)
RECIPE = """\
name = "two"
heads = ["age"]

[input]
size = 48
colour = "grey"
mean = [0.5]
std = [0.25]

[train]
steps = 1
"""
ADIENCE = """
[[data]]
path = "work/adience"
dataset = "adience"
source = "data/adience"
per_batch = 8
options = { test_fold = 3 }
"""
UTKFACE = """
[[data]]
path = "work/utkface"
dataset = "utkface"
per_batch = 8
"""
PACKED = """
[[data]]
path = "work/packed-elsewhere"
per_batch = 8
"""


@pytest.fixture
def write(tmp_path):
    def write_recipe(*tables):
        path = tmp_path / "recipe.toml"
        path.write_text(RECIPE + "".join(tables), "utf-8")
        return path

    return write_recipe


def test_a_job_for_every_table_that_names_a_data_set(write):
    adience, utkface = jobs_of_recipe(write(ADIENCE, PACKED, UTKFACE), [], SETTINGS)
    assert (adience.dataset, adience.source) == ("adience", Path("data/adience"))
    assert adience.out == Path("work/adience")
    assert adience.settings.options == {"test_fold": 3}
    assert adience.settings.align == AlignSpec(size=48, border=BORDER)
    assert adience.settings.threads == 1
    assert (utkface.dataset, utkface.source, utkface.settings.options) == ("utkface", None, {})


@pytest.mark.parametrize(
    ("sources", "adience", "utkface"),
    [
        (["elsewhere"], "elsewhere", "elsewhere"),
        (["utkface=here"], "data/adience", "here"),
        (["there", "utkface=here"], "there", "here"),
        (["a=b"], "a=b", "a=b"),  # no data set is called so: a path
    ],
)
def test_sources_of_the_command_line_come_first(write, sources, adience, utkface):
    jobs = jobs_of_recipe(write(ADIENCE, UTKFACE), sources, SETTINGS)
    assert [str(job.source) for job in jobs] == [adience, utkface]


def test_a_source_of_a_data_set_that_is_not_used(write):
    with pytest.raises(ConfigError, match=r"uses no data set 'fairface', only adience, utkface"):
        jobs_of_recipe(write(ADIENCE, UTKFACE), ["fairface=x"], SETTINGS)


def test_nothing_to_prepare(write):
    with pytest.raises(ConfigError, match=r"no \[\[data\]\] table has the key 'dataset'"):
        jobs_of_recipe(write(PACKED), [], SETTINGS)


def test_one_folder_is_packed_once(write):
    assert len(jobs_of_recipe(write(UTKFACE, UTKFACE), [], SETTINGS)) == 1


def test_one_folder_cannot_hold_two_data_sets(write):
    other = UTKFACE.replace('"utkface"', '"fairface"')
    with pytest.raises(ConfigError, match="want different chips in work/utkface"):
        jobs_of_recipe(write(UTKFACE, other), [], SETTINGS)


# --- opening ----------------------------------------------------------------------------------


def job(tmp_path, **changes):
    usual = {"dataset": "utkface", "source": tmp_path, "out": tmp_path / "out"}
    return Job(**usual | {"settings": SETTINGS} | changes)


def test_a_path_that_nobody_named(tmp_path):
    with pytest.raises(ConfigError, match="Add --source utkface=PATH, or the key 'source'"):
        job(tmp_path, source=None).open()


def test_an_unknown_data_set_comes_first(tmp_path):
    with pytest.raises(UnknownModelError, match="Did you mean 'utkface'"):
        job(tmp_path, dataset="utkfase", source=None).open()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        job(tmp_path).open()


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        job(tmp_path, source=tmp_path / "nowhere").open()


def test_options_reach_the_reader(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    settings = PrepareSettings(align=SETTINGS.align, options={"colour": "red"})
    with pytest.raises(ConfigError, match="'utkface' has no option 'colour'"):
        job(tmp_path, settings=settings).open()


# --- done -------------------------------------------------------------------------------------


def test_no_folder_is_not_done(tmp_path):
    assert not job(tmp_path).is_done()


@pytest.mark.parametrize(
    ("change", "done"),
    [
        ({}, True),
        ({"complete": False}, False),
        ({"dataset": "fairface"}, False),
        ({"align": {"size": 48, "template": "five-points-36", "border": BORDER}}, False),
        ({"detector": "whole"}, False),
        ({"options": {"a": 1}}, False),
        ({"limit": 5}, False),
        ({"drop_duplicates": True}, False),
    ],
)
def test_done_means_the_same_chips(tmp_path, change, done):
    (tmp_path / "out").mkdir()
    meta = identity_of("utkface", SETTINGS) | {"complete": True, "drop_duplicates": False}
    write_meta(tmp_path / "out", meta | change)
    assert job(tmp_path).is_done() is done


def test_a_folder_of_the_first_version_is_done(tmp_path):
    (tmp_path / "out").mkdir()
    meta = identity_of("utkface", SETTINGS)
    old = {key: meta[key] for key in ("dataset", "align")}
    write_meta(tmp_path / "out", old | {"complete": True})
    assert job(tmp_path).is_done()


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=2", 2),
        ("a=2.5", 2.5),
        ("a=true", True),
        ("a=text", "text"),
        ('a="2"', "2"),
        ("a=b=c", "b=c"),
        ("a=", ""),
        ('a={ path = "file" }', {"path": "file"}),
        (" a =2", 2),
    ],
)
def test_values_are_toml_or_text(text, value):
    assert parse_options([text]) == {"a": value}


def test_no_options():
    assert parse_options([]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a"], "--option looks like test_fold=2, got 'a'"),
        (["=2"], "got '=2'"),
        (["a=1", "a=2"], "--option a is given twice"),
    ],
)
def test_what_is_no_option(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_options(texts)
