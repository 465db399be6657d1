"""Model files: found, checked, and never used when they are not the right ones."""

import hashlib

import pytest

from mien.errors import ChecksumError, ModelError
from mien.models import ModelSpec, bundled_path, card_text, file_sha256, store, verified_path

CONTENT = b"weights"


def make_spec(**changes):
    values = {
        "name": "small",
        "task": "attributes",
        "file": "small.onnx",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "license": "MIT",
        "card": "small.md",
        "heads": {},
    }
    return ModelSpec(**(values | changes))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package folder with one model and its card."""
    for folder in ("weights", "cards"):
        (tmp_path / folder).mkdir()
    (tmp_path / "weights" / "small.onnx").write_bytes(CONTENT)
    (tmp_path / "cards" / "small.md").write_text("# small: über alles", "utf-8")
    monkeypatch.setattr(store, "files", lambda name: tmp_path)
    return tmp_path


def test_checksum_of_a_known_text(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # the example of FIPS 180-2
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_good_file_is_found(package):
    expected = package / "weights" / "small.onnx"
    assert bundled_path(make_spec()) == verified_path(make_spec()) == expected


def test_a_damaged_file_names_itself_and_both_checksums(package):
    path = package / "weights" / "small.onnx"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ChecksumError) as caught:
        verified_path(make_spec())
    message = str(caught.value)
    found = hashlib.sha256(CONTENT[:-1]).hexdigest()
    assert str(path) in message
    assert f"SHA-256 is {found}" in message
    assert f"the manifest says {make_spec().sha256}" in message
    assert "reinstall" in message
    assert "\n" not in message


def test_an_empty_checksum_never_matches(package):
    with pytest.raises(ChecksumError):
        verified_path(make_spec(sha256=""))


def test_a_missing_file_names_itself_and_the_expected_checksum(package):
    path = package / "weights" / "small.onnx"
    path.unlink()
    for find in (bundled_path, verified_path):
        with pytest.raises(ModelError) as caught:
            find(make_spec())
        message = str(caught.value)
        assert not isinstance(caught.value, ChecksumError)
        assert str(path) in message
        assert f"expected SHA-256 {make_spec().sha256}" in message
        assert "Reinstall" in message


def test_a_folder_is_not_a_file(package):
    (package / "weights" / "folder.onnx").mkdir()
    with pytest.raises(ModelError, match=r"folder\.onnx.* is missing"):
        bundled_path(make_spec(file="folder.onnx"))


def test_an_unreadable_file_says_why(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read: No such file"):
        file_sha256(tmp_path / "gone.onnx")


def test_the_card_is_read(package):
    assert card_text(make_spec()) == "# small: über alles"


@pytest.mark.parametrize("card", ["other.md", ""])
def test_a_missing_card_names_the_model(package, card):
    with pytest.raises(ModelError, match="the card of model 'small' is missing"):
        card_text(make_spec(card=card))
