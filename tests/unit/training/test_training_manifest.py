"""Manifest entries: added, replaced, and read back as they were."""

import tomllib
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import InputError
from mien.models import HeadSpec, ModelSpec
from mien.training.manifest import manifest_entry, update_manifest, with_checksum

SPEC = ModelSpec(
    name="small",
    task="attributes",
    file="small.onnx",
    sha256="ab" * 32,
    license="MIT",
    source='quotes " and größe 😀',
    card="small.md",
    min_sharpness=4.5,
    heads={"gender": HeadSpec(decoder="softmax", labels=("female", "male"), temperature=1.25)},
)
OTHERS = """\
# Every file in weights/.

[yunet]
task = "detect"   # by hand
file = "yunet.onnx"

[yunet.more]
x = 1

# The next one is older.
[small-old]
task = "attributes"
"""


def manifest(tmp_path, text):
    path = tmp_path / "manifest.toml"
    path.write_text(text, "utf-8")
    return path


def read(path):
    table = tomllib.loads(path.read_text("utf-8"))
    return ModelSpec.from_mapping("small", table["small"])


def test_an_entry_is_read_back_as_it_was():
    table = tomllib.loads(manifest_entry(SPEC))
    assert list(table) == ["small"]
    assert ModelSpec.from_mapping("small", table["small"]) == SPEC


def test_the_checksum_is_added():
    spec = with_checksum(SPEC, "cd" * 32)
    assert spec == replace(SPEC, sha256="cd" * 32)


def test_an_entry_is_added_behind_the_others(tmp_path):
    path = manifest(tmp_path, OTHERS)
    update_manifest(path, SPEC)
    assert path.read_text("utf-8") == f"{OTHERS}\n{manifest_entry(SPEC)}"
    assert read(path) == SPEC
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_entry_is_replaced_and_the_others_stay(tmp_path, place):
    head, tail = OTHERS.split("# The next")
    tail = f"# The next{tail}"
    old = manifest_entry(replace(SPEC, version="0", license="other")) + "\n"
    texts = {
        "first": old + head + tail,
        "middle": head + old + tail,
        "last": head + tail + "\n" + old,
    }
    path = manifest(tmp_path, texts[place])
    update_manifest(path, SPEC)
    assert path.read_text("utf-8") == f"{OTHERS}\n{manifest_entry(SPEC)}"


def test_replacing_twice_changes_nothing(tmp_path):
    path = manifest(tmp_path, OTHERS)
    update_manifest(path, SPEC)
    once = path.read_bytes()
    update_manifest(path, SPEC)
    assert path.read_bytes() == once


def test_an_empty_manifest(tmp_path):
    path = manifest(tmp_path, "")
    update_manifest(path, SPEC)
    assert read(path) == SPEC


def test_a_missing_manifest(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.toml: cannot be read"):
        update_manifest(tmp_path / "manifest.toml", SPEC)
