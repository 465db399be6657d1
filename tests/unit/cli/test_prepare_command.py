"""`mien prepare`: a data set in, packed chips out."""

import io
from importlib.util import find_spec

import pytest
from PIL import Image

from mien.datasets import Record, datasets
from mien.training import data_card
from mien.training.duplicates import DISTANCE
from mien.training.packed import Packed, read_meta


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def faces(photo, tmp_path):
    """A small UTKFace folder with one good name, one odd name and one broken file."""
    folder = tmp_path / "utkface"
    folder.mkdir()
    data = png(photo[10:290, 90:360])
    (folder / "41_1_0_20170104222949455.png").write_bytes(data)
    (folder / "odd.png").write_bytes(data)
    (folder / "30_0_0_20170104222949456.png").write_bytes(b"broken")
    return folder


@pytest.fixture
def copies(faces):
    """The good image twice, in train and in test."""
    (faces / "30_0_0_20170104222949456.png").unlink()
    good = faces / "41_1_0_20170104222949455.png"
    (faces / "42_1_0_20170104222949457.png").write_bytes(good.read_bytes())
    (faces / "utkface-split.csv").write_text(
        "file,split\n41_1_0_20170104222949455.png,train\n42_1_0_20170104222949457.png,test\n"
    )
    return faces


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"""\
name = "ages"
heads = ["age"]
input = {{ size = 56, colour = "grey", mean = [0.5], std = [0.25] }}
train = {{ steps = 1 }}

[[data]]
path = "{tmp_path / "packed"}"
dataset = "utkface"
per_batch = 8
""",
        "utf-8",
    )
    return path


def test_faces_are_packed_and_counted(cli, faces, tmp_path):
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", faces, "--out", out, "--threads", 1)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"utkface: 1 of 2 faces packed in {out}; in 0 images no face was found and 1 could not be "
        "read: these are left out of training",
        "  1 entries left out: name without age, gender and race",
        f"  data card: {out / 'card.md'}",
    ]
    packed = Packed.load(out)
    assert packed.chips.shape == (2, 128, 128, 3)  # 112 px and a border of a fourteenth
    assert packed.align.size == 112


def test_another_size(cli, faces, tmp_path):
    out = tmp_path / "packed"
    assert cli("prepare", "utkface", faces, "--out", out, "--size", 56).exit_code == 0
    assert Packed.load(out).chips.shape == (2, 64, 64, 3)


def test_every_image_as_it_is(cli, faces, tmp_path):
    out = tmp_path / "packed"
    assert cli("prepare", "utkface", faces, "--out", out, "--detector", "whole").exit_code == 0
    assert read_meta(out)["detector"] == "whole"
    assert "| Detector | `whole`" in (out / "card.md").read_text("utf-8")


def test_without_the_library_one_line_says_how_to_get_plots(cli, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(
        data_card, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name)
    )
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", faces, "--out", out)
    assert result.stdout.splitlines()[-1] == (
        f"  data card: {out / 'card.md'}; for its plots run: pip install 'mien[plots]'"
    )
    assert not list(out.glob("*.png"))


# --- leaks ------------------------------------------------------------------------------------


def test_copies_are_reported(cli, copies, tmp_path):
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", copies, "--out", out)
    assert (
        f"  same photo in different splits: 1 pairs, see {out / 'duplicates.csv'}; "
        "--drop-duplicates leaves them out"
    ) in result.stdout.splitlines()
    assert Packed.load(out).found.tolist() == [True, True]


def test_copies_are_left_out(cli, copies, tmp_path):
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", copies, "--out", out, "--drop-duplicates")
    assert "duplicates.csv'}; left out: 1".replace("'}", "") in result.stdout
    packed = Packed.load(out)
    assert [record.split for record in packed.records] == ["train", "test"]
    assert packed.found.tolist() == [False, True]


def test_nobody_looks_for_copies(cli, copies, tmp_path):
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", copies, "--out", out, "--no-check-duplicates")
    assert "same photo" not in result.stdout
    assert read_meta(out)["duplicates"] is None


class Leaky:
    """A published split that has one person twice."""

    name = "leaky"

    def __init__(self, path):
        self.dropped = {}
        self.data = path.read_bytes()

    def records(self):
        for split in ("train", "test"):
            yield Record(name=split, split=split, gender="male", person="p")

    def read(self, name):
        return self.data


def test_people_in_several_splits_are_a_warning(cli, photo_path, tmp_path, monkeypatch):
    monkeypatch.setitem(datasets._entries, "leaky", Leaky)
    result = cli("prepare", "leaky", photo_path, "--out", tmp_path / "packed")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: 1 people are in more than one split; see the data card"
    ]
    card = (tmp_path / "packed" / "card.md").read_text("utf-8")
    assert "**1 person is in more than one split**" in card


# --- recipes ----------------------------------------------------------------------------------


def test_a_recipe_says_it_all_but_the_path(cli, recipe, faces, tmp_path):
    result = cli("prepare", "--recipe", recipe, "--source", faces)
    assert result.exit_code == 0, result.stderr
    assert Packed.load(tmp_path / "packed").chips.shape == (2, 64, 64, 3)
    assert result.stdout.startswith(f"utkface: 1 of 2 faces packed in {tmp_path / 'packed'};")


def test_what_is_complete_is_skipped(cli, recipe, faces, tmp_path):
    cli("prepare", "--recipe", recipe, "--source", f"utkface={faces}")
    result = cli("prepare", "--recipe", recipe)  # nobody needs the path any more
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'packed'}: complete already, skipped\n"


def test_a_recipe_without_a_path_is_one_line(cli, recipe):
    result = cli("prepare", "--recipe", recipe)
    assert result.exit_code == 2
    assert "Add --source utkface=PATH" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("utkface",), ("--out", "x"), ("--size", 64), ("--option", "a=1")]
)
def test_a_recipe_says_these_itself(cli, recipe, arguments):
    result = cli("prepare", *arguments, "--recipe", recipe)
    assert result.exit_code == 2
    assert "--recipe says data set, --out, --size and --option itself" in " ".join(
        result.stderr.split()
    )


def test_the_last_data_set_is_looked_for_before_the_first_is_packed(cli, recipe, faces, tmp_path):
    table = '\n[[data]]\npath = "elsewhere"\ndataset = "fairface"\nper_batch = 8\n'
    recipe.write_text(recipe.read_text() + table)
    sources = ("--source", f"utkface={faces}", "--source", f"fairface={tmp_path / 'nowhere'}")
    result = cli("prepare", "--recipe", recipe, *sources)
    assert result.exit_code == 2
    assert "nowhere: no such file or folder" in result.stderr
    assert not (tmp_path / "packed").exists()


# --- wrong usage ------------------------------------------------------------------------------


def test_the_list_names_every_data_set_with_a_note(cli):
    lines = cli("prepare", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(datasets)
    assert all(len(line.split()) > 2 for line in lines)


def test_help_has_the_real_default(cli):
    text = " ".join(cli("prepare", "--help").stdout.split())
    assert f"[default: {DISTANCE}]" in text


@pytest.mark.parametrize("arguments", [(), ("utkface",), ("utkface", "data")])
def test_missing_arguments_are_a_usage_error(cli, arguments):
    result = cli("prepare", *arguments)
    assert result.exit_code == 2
    assert "DATASET, PATH and --out, or --recipe, are needed" in " ".join(result.stderr.split())


def test_a_source_without_a_recipe(cli):
    result = cli("prepare", "utkface", "data", "--out", "x", "--source", "data")
    assert result.exit_code == 2
    assert "--source goes with --recipe" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("utkfase", "."), "no data set is called 'utkfase'. Did you mean 'utkface'?"),
        (("utkface", "nowhere"), "nowhere: no such file or folder"),
        (("utkface", ".", "--limit", 0), "limit must be at least 1, got 0"),
        (("utkface", ".", "--size", 8), "chip size must be at least 16 px, got 8"),
        (("utkface", ".", "--detector", "yunet"), "faces of a data set are found by crop or"),
        (("utkface", ".", "--option", "fold"), "--option looks like test_fold=2, got 'fold'"),
        (("adience", ".", "--option", "test_fold=x"), "data set 'adience': option 'test_fold' "),
        (("utkface", ".", "--option", "a=1"), "data set 'utkface' has no option 'a'"),
    ],
)
def test_what_cannot_be_is_one_line(cli, tmp_path, arguments, message):
    result = cli("prepare", *arguments, "--out", tmp_path / "packed")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "packed").exists()


def test_a_file_in_the_way_is_one_line(cli, faces, tmp_path):
    (tmp_path / "packed").write_text("mine")
    result = cli("prepare", "utkface", faces, "--out", tmp_path / "packed")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {tmp_path / 'packed'}: is a file, not a folder. Choose another name.\n"
    )


def test_an_empty_data_set_is_one_line(cli, faces, tmp_path):
    for file in faces.iterdir():
        if file.name != "odd.png":
            file.unlink()
    result = cli("prepare", "utkface", faces, "--out", tmp_path / "packed")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: utkface: no usable records; left out: 1 (name without age, gender and race)\n"
    )
    assert not (tmp_path / "packed").exists()
