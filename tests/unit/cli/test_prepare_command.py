"""`mien prepare`: a data set in, packed chips out."""

import io

import pytest
from PIL import Image

from mien.datasets import datasets
from mien.training.packed import Packed


@pytest.fixture
def faces(photo, tmp_path):
    """A small UTKFace folder with one good name, one odd name and one broken file."""
    folder = tmp_path / "utkface"
    folder.mkdir()
    buffer = io.BytesIO()
    Image.fromarray(photo[10:290, 90:360]).save(buffer, "PNG")
    (folder / "41_1_0_20170104222949455.png").write_bytes(buffer.getvalue())
    (folder / "odd.png").write_bytes(buffer.getvalue())
    (folder / "30_0_0_20170104222949456.png").write_bytes(b"broken")
    return folder


def test_faces_are_packed_and_counted(cli, faces, tmp_path):
    out = tmp_path / "packed"
    result = cli("prepare", "utkface", faces, "--out", out, "--threads", 1)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"utkface: 1 of 2 faces packed in {out}; in 0 images no face was found and 1 could not be "
        "read: these are left out of training",
        "  1 entries left out: name without age, gender and race",
    ]
    packed = Packed.load(out)
    assert packed.chips.shape == (2, 128, 128, 3)  # 112 px and a border of a fourteenth
    assert packed.align.size == 112


def test_another_size(cli, faces, tmp_path):
    out = tmp_path / "packed"
    assert cli("prepare", "utkface", faces, "--out", out, "--size", 56).exit_code == 0
    assert Packed.load(out).chips.shape == (2, 64, 64, 3)


def test_the_list_names_every_data_set_with_a_note(cli):
    lines = cli("prepare", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(datasets)
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("arguments", [(), ("utkface",), ("utkface", "data")])
def test_missing_arguments_are_a_usage_error(cli, arguments):
    result = cli("prepare", *arguments)
    assert result.exit_code == 2
    assert "DATASET, PATH and --out are needed" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("utkfase", ".", "error: no data set is called 'utkfase'. Did you mean 'utkface'?"),
        ("utkface", "nowhere", "error: nowhere: no such file or folder"),
    ],
)
def test_what_is_not_there_is_one_line(cli, tmp_path, name, path, message):
    result = cli("prepare", name, path, "--out", tmp_path / "packed")
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1
