"""A tree of files reads the same from a folder, a zip file and several zip files."""

import zipfile

import pytest

from mien.datasets.files import FileTree, csv_cells, csv_rows, csv_table
from mien.errors import InputError, UnreadableMediaError

FILES = {"a/1.png": b"one", "a/2.PNG": b"two", "b/label.csv": b"x,y\n", "notes.txt": b"!"}


def test_every_file_is_read_from_every_layout(lay_out):
    tree = FileTree(lay_out("faces", FILES), "faces")
    found = {name.removeprefix("faces/"): tree.read(name) for name in tree.names()}
    assert found == FILES


def test_names_are_sorted_and_chosen_by_ending_in_any_case(lay_out):
    tree = FileTree(lay_out("faces", FILES), "faces")
    assert [name.removeprefix("faces/") for name in tree.names(".png")] == ["a/1.png", "a/2.PNG"]
    assert len(tree.names((".csv", ".txt"))) == 2
    assert tree.names(".jpg") == []


def test_archives_win_over_unpacked_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("faces/a.png", b"packed")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.png").write_bytes(b"unpacked")
    tree = FileTree(tmp_path, "faces")
    assert tree.names() == ["faces/a.png"]  # not twice
    assert tree.read("faces/a.png") == b"packed"


def test_other_archives_are_left_alone(tmp_path):
    for name in ("faces.zip", "faces-0.zip", "faces2.zip", "other.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(f"in {name}", b"")
    assert FileTree(tmp_path, "faces").names() == ["in faces-0.zip", "in faces.zip"]


def test_a_missing_path(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        FileTree(tmp_path / "nowhere", "faces")


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"found neither files nor faces\*\.zip"):
        FileTree(tmp_path, "faces")


def test_a_file_that_is_no_archive(tmp_path):
    path = tmp_path / "faces.zip"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match=r"faces\.zip: cannot be read as a zip archive"):
        FileTree(path, "faces")


def test_an_unknown_name(lay_out):
    tree = FileTree(lay_out("faces", FILES), "faces")
    with pytest.raises(InputError, match=r"holds no file a/3\.png"):
        tree.read("a/3.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_unreadable_and_the_others_are_not(tmp_path, method):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("bad.png", bytes(range(256)) * 20)
        archive.writestr("good.png", b"good")
    data = bytearray(path.read_bytes())
    data[60:100] = b"\xff" * 40  # within the first member
    path.write_bytes(data)
    tree = FileTree(path, "faces")
    with pytest.raises(UnreadableMediaError, match=r"faces\.zip: bad\.png cannot be read"):
        tree.read("bad.png")
    assert tree.read("good.png") == b"good"


def test_a_locked_member_is_unreadable(tmp_path):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"secret")
    data = bytearray(path.read_bytes())
    # The flag "encrypted" in the member's own header and in the list at the end of the archive.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableMediaError, match=r"a\.png cannot be read: .*password"):
        FileTree(path, "faces").read("a.png")


# --- label files ------------------------------------------------------------------------------


def test_rows_carry_their_place():
    data = '\ufefffirst,"a, b"\r\nsecond,c\r\n'.encode()
    assert list(csv_rows(data, "l.csv")) == [
        ("l.csv, row 1", ["first", "a, b"]),
        ("l.csv, row 2", ["second", "c"]),
    ]


def test_rows_that_are_not_text():
    with pytest.raises(InputError, match=r"^l\.csv is not UTF-8 text"):
        list(csv_rows(b"a,b\n\xff\xfe\n", "l.csv"))


def test_a_quote_without_end_names_the_row():
    with pytest.raises(InputError, match=r"^l\.csv, row 2: "):
        list(csv_rows(b'a,b\n"' + b"c" * 200_000, "l.csv"))


def table(tmp_path, text):
    path = tmp_path / "l.csv"
    path.write_text(text, "utf-8")
    return list(csv_table(path, ("file", "age")))


def test_a_table_is_read_by_column(tmp_path):
    rows = table(tmp_path, "age,extra,file\n30,x,a.png\n\n31,y,b.png\n")
    path = tmp_path / "l.csv"
    assert rows == [
        (f"{path}, row 2", {"age": "30", "extra": "x", "file": "a.png"}),
        (f"{path}, row 4", {"age": "31", "extra": "y", "file": "b.png"}),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,years\na,3\n", r"l\.csv: column 'age' is missing"),
        ("", r"l\.csv: column 'file' is missing"),
        ("file,age\na.png,3\nb.png\n", r"l\.csv, row 3: expected 2 cells, got 1"),
        ("file,age\na.png,3,4\n", r"l\.csv, row 2: expected 2 cells, got 3"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_place(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem) as caught:
        table(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"l\.csv: cannot be read: No such file"):
        list(csv_table(tmp_path / "l.csv", ()))


def test_cells_may_be_apart_by_tabs():
    rows = list(csv_cells(b"file\tage\na b.png\t(25, 32)\n", "l.txt", ("age",), "\t"))
    assert rows == [("l.txt, row 2", {"file": "a b.png", "age": "(25, 32)"})]


# --- finding files ----------------------------------------------------------------------------


def test_images_are_visible_pictures(lay_out):
    files = [
        "a/1.png",
        "a/2.JPEG",
        "3.webp",
        "a/._1.png",
        ".cache/4.png",
        "__MACOSX/a/1.png",
        "5.md",
    ]
    tree = FileTree(lay_out("faces", dict.fromkeys(files, b"")), "faces")
    found = [name.removeprefix("faces/") for name in tree.images()]
    assert sorted(found) == ["3.webp", "a/1.png", "a/2.JPEG"]


def test_a_name_is_in_the_tree_or_not(lay_out):
    tree = FileTree(lay_out("faces", FILES), "faces")
    assert all(name in tree for name in tree.names())
    assert "a/3.png" not in tree


def test_one_file_is_found_in_any_folder(lay_out):
    tree = FileTree(lay_out("faces", FILES), "faces")
    assert tree.find("label.csv").removeprefix("faces/") == "b/label.csv"
    with pytest.raises(InputError, match=r"bel\.csv is missing"):
        tree.find("bel.csv")


def test_two_files_of_the_same_name_are_named(lay_out):
    tree = FileTree(lay_out("faces", FILES | {"a/label.csv": b""}), "faces")
    with pytest.raises(InputError, match=r"more than one label\.csv: .*a/label\.csv, .*b/label"):
        tree.find("label.csv")
