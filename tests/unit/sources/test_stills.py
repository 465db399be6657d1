"""From what a user may point at to frames, in order, one bad one never stopping the others."""

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.errors import ConfigError, InputError
from mien.sources import StillItem, open_source, readers

RED, BLUE = (200, 30, 40), (30, 60, 220)


def png(colour=RED, size=(4, 3)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, data=None):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png() if data is None else data)
    return path


def names(source):
    return [item.name for item in source.items()]


def outcomes(source):
    return [(frame.source, frame.error) for frame in source]


def error_of(source, **options):
    (frame,) = open_source(source, **options)
    assert frame.image is None
    return frame.error


# --- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
def test_one_path(here, kind):
    write("a.png")
    (frame,) = open_source(kind("a.png"))
    assert (frame.source, frame.index, frame.time_s, frame.error) == ("a.png", 0, None, None)
    assert frame.image.shape == (3, 4, 3)
    assert tuple(frame.image[0, 0]) == RED


def test_the_content_counts_not_the_ending(here):
    write("a.dat")
    write("b.mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 64)
    write("c.txt", b"some words about a picture, longer than the first sixty-four bytes of a file")
    assert outcomes(open_source(["a.dat", "b.mp4", "c.txt"])) == [
        ("a.dat", None),
        ("b.mp4", "not an image in a known format; it looks like an MP4 or QuickTime video"),
        ("c.txt", "not an image in a known format"),
    ]


def test_paths_are_kept_as_given_twice_too(here):
    write("x/a.png")
    given = ["./x/a.png", "x/../x/a.png", "x//a.png", "x/a.png", "x/a.png"]
    assert outcomes(open_source(given)) == [(name, None) for name in given]


def test_one_bad_file_does_not_stop_the_others(here):
    write("good.png")
    write("empty.jpg", b"")
    write("cut.png", png()[:40])
    assert outcomes(open_source(["missing.png", "empty.jpg", "cut.png", "good.png"])) == [
        ("missing.png", "no such file or folder"),
        ("empty.jpg", "the file is empty"),
        ("cut.png", "the PNG file is truncated"),
        ("good.png", None),
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "the path is empty"),
        ("a.png/b.png", "no such file or folder"),
        ("x" * 300 + ".png", "the path is too long"),
        ("x" * 300 + "*.png", "no image file matches this pattern"),
        ("nul\0.png", "the path holds a NUL character"),
        ("nul\0*.png", "the path holds a NUL character"),
        (Path("nul\0.png"), "the path holds a NUL character"),
        ("rtsp://camera/1", "only http:// and https:// addresses and paths are read"),
        ("file:///etc/passwd", "only http:// and https:// addresses and paths are read"),
        ("\ud800.png", "the path is not valid on this system"),
        ("\ud800/*.png", "no image file matches this pattern"),
    ],
)
def test_paths_that_lead_nowhere(here, path, reason):
    write("a.png")
    assert error_of(path) == reason


def test_a_path_without_permission(here, monkeypatch):
    # Root may read everything, so that the refusal is played.
    write("a.png")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "a.png")

    monkeypatch.setattr(Path, "open", refuse)
    assert error_of("a.png") == "permission denied"


def test_the_system_s_own_words_for_a_rare_failure():
    assert readers.os_reason(OSError(5, "Input/output error")) == "Input/output error"
    assert readers.os_reason(OSError("odd\nmessage")) == "odd message"
    assert readers.os_reason(OSError()) == "OSError"


def test_a_name_that_is_not_utf_8_can_be_printed(here):
    raw = b"caf\xe9.png"
    try:
        write(os.fsdecode(raw))
    except OSError:
        pytest.skip("this file system allows UTF-8 names only")
    (frame,) = open_source(".")
    assert frame.error is None
    assert frame.source.encode("utf-8") == b"./caf?.png"


def test_a_file_far_too_large_is_not_read_to_its_end(here):
    with write("huge.png").open("r+b") as file:
        file.truncate(70_000_000)
    assert error_of("huge.png", max_pixels=100) == (
        "the file is larger than 64 MB, more than an image of 0.0001 megapixels needs; "
        "raise max_pixels (--max-pixels) to read it"
    )


def test_a_film_is_refused_by_its_first_bytes():
    class Film(io.RawIOBase):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            return b"\0\0\0\x20ftypisom" + b"\0" * 52 if self.reads == 1 else b"\0" * size

    film = Film()
    assert "MP4" in error_of(film)
    assert film.reads == 1


def test_the_pixel_limit_is_passed_on(here):
    write("a.png")
    assert open_source("a.png", max_pixels=12)
    assert error_of("a.png", max_pixels=11).startswith("4x3 px is more than the limit")


# --- folders ------------------------------------------------------------------------------------


@pytest.fixture
def tree(here):
    for name in ("b.png", "a.JPG", "sub/deep/d.webp", "sub/c.tiff", "zoo/e.gif", ".hidden/x.png"):
        write(f"photos/{name}")
    for name in (".f.png", "notes.txt", "sub/film.mp4", "README"):
        write(f"photos/{name}", b"")
    return here


def test_folder(tree):
    source = open_source("photos")
    assert names(source) == [
        "photos/a.JPG",
        "photos/b.png",
        "photos/sub/c.tiff",
        "photos/sub/deep/d.webp",
        "photos/zoo/e.gif",
    ]
    assert source.skipped_files == 3
    assert len(source) == 5
    assert all(frame.image is not None for frame in source)
    assert source.skipped_files == 3  # counted anew, not on top


def test_folder_without_the_folders_below(tree):
    source = open_source("photos/", recursive=False)
    assert names(source) == ["photos/a.JPG", "photos/b.png"]
    assert source.skipped_files == 2


def test_a_folder_called_dot_is_not_hidden(tree, monkeypatch):
    monkeypatch.chdir("photos/sub")
    assert names(open_source(".")) == ["./c.tiff", "./deep/d.webp"]
    assert names(open_source(Path())) == ["./c.tiff", "./deep/d.webp"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "no image file in this folder"),
        ([".hidden.png"], "no image file in this folder"),
        (["a.txt"], "no image file in this folder (1 other file)"),
        (["a.txt", "b/c.mp4"], "no image file in this folder (2 other files)"),
    ],
)
def test_folder_without_images(here, files, reason):
    Path("photos").mkdir()
    for name in files:
        write(f"photos/{name}")
    assert outcomes(open_source("photos")) == [("photos", reason)]
    assert len(open_source("photos")) == 1


def test_links_in_a_circle_end_and_no_folder_is_read_twice(tree):
    Path("photos/sub/up").symlink_to("..", target_is_directory=True)
    Path("photos/again").symlink_to("sub", target_is_directory=True)
    Path("photos/same.png").symlink_to("b.png")
    Path("photos/broken.png").symlink_to("nowhere.png")
    Path("photos/circle.png").symlink_to("circle.png")
    found = outcomes(open_source("photos"))
    assert found == [
        ("photos/a.JPG", None),
        ("photos/again/c.tiff", None),
        ("photos/again/deep/d.webp", None),
        ("photos/b.png", None),
        ("photos/broken.png", "no such file or folder"),
        ("photos/circle.png", "the link leads in a circle"),
        ("photos/same.png", None),
        ("photos/zoo/e.gif", None),
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_in_a_folder_are_passed_over_and_do_not_block(here):
    write("photos/a.png")
    os.mkfifo("photos/pipe.png")
    source = open_source("photos")
    assert outcomes(source) == [("photos/a.png", None)]
    assert source.skipped_files == 1


def test_a_folder_that_cannot_be_listed_is_reported(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if "sub" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert outcomes(open_source("photos")) == [
        ("photos/a.JPG", None),
        ("photos/b.png", None),
        ("photos/sub", "permission denied"),
        ("photos/zoo/e.gif", None),
    ]
    assert outcomes(open_source("photos/sub")) == [("photos/sub", "permission denied")]


def test_a_deep_tree_needs_no_deep_stack(here):
    path = Path("d" + "/d" * 400)
    path.mkdir(parents=True)
    write(path / "a.png")
    frame = sys._getframe()
    used = 0
    while frame := frame.f_back:
        used += 1
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(used + 200)
    try:
        assert names(open_source("d")) == [f"{path}/a.png"]
    finally:
        sys.setrecursionlimit(limit)


def test_files_are_opened_only_when_their_turn_comes(tree, monkeypatch):
    opened = []
    real = Path.open

    def spy(self, *args, **kwargs):
        opened.append(str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", spy)
    source = open_source("photos")
    assert len(source) == 5
    frames = iter(source)
    assert opened == []
    next(frames)
    assert opened == ["photos/a.JPG"]
    next(frames)
    assert opened == ["photos/a.JPG", "photos/b.png"]


# --- patterns -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected", "skipped"),
    [
        ("photos/*.png", ["photos/b.png"], 0),
        ("photos/*", ["photos/a.JPG", "photos/b.png"], 2),
        ("photos/?.*", ["photos/a.JPG", "photos/b.png"], 0),
        ("photos/[bc].png", ["photos/b.png"], 0),
        ("photos/**/*.[gw]*", ["photos/sub/deep/d.webp", "photos/zoo/e.gif"], 0),
        ("photos/s*/*.t*", ["photos/sub/c.tiff"], 0),
    ],
)
def test_patterns(tree, pattern, expected, skipped):
    source = open_source(pattern)
    assert names(source) == expected
    assert source.skipped_files == skipped
    assert len(source) == len(expected)
    absolute = open_source(str(tree / pattern))
    assert names(absolute) == [str(tree / name) for name in expected]


def test_a_pattern_that_spells_its_ending_out_finds_any_file(here):
    write("a.dat")
    write("b.dat", b"no image")
    assert outcomes(open_source("*.dat")) == [
        ("a.dat", None),
        ("b.dat", "not an image in a known format"),
    ]


def test_a_pattern_without_a_match(tree):
    assert outcomes(open_source("photos/*.bmp")) == [
        ("photos/*.bmp", "no image file matches this pattern")
    ]


def test_recursive_concerns_folders_not_patterns(tree):
    assert names(open_source("photos/**/*.tiff", recursive=False)) == ["photos/sub/c.tiff"]


def test_a_file_whose_name_looks_like_a_pattern(here):
    write("photo[1].png")
    write("photo1.png", png(BLUE))
    (frame,) = open_source("photo[1].png")
    assert frame.source == "photo[1].png"
    assert tuple(frame.image[0, 0]) == RED


# --- bytes, files, standard input ---------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind):
    (frame,) = open_source(kind(png()))
    assert frame.source == "<bytes>"
    assert tuple(frame.image[0, 0]) == RED
    assert error_of(kind(b"")) == "the file is empty"


def test_file_objects(here):
    with write("a.png").open("rb") as named:
        buffer = io.BytesIO(b"junk" + png(BLUE))
        buffer.seek(4)  # read from where it stands
        first, second = open_source([named, buffer])
        again = open_source([named, buffer])
        assert [frame.error for frame in again] == [
            "the file object has nothing left to read; seek(0) first?"
        ] * 2
    assert (first.source, tuple(first.image[0, 0])) == ("a.png", RED)
    assert (second.source, tuple(second.image[0, 0])) == ("<file 1>", BLUE)
    assert error_of(named) == "the file object cannot be read: read of closed file"


def test_a_file_object_in_text_mode(here):
    assert error_of(io.StringIO("text")) == (
        "the file object yields text; open it in binary mode ('rb')"
    )
    with write("a.png").open(encoding="latin-1") as text:
        assert "binary mode" in error_of(text)


def test_a_file_object_in_small_pieces():
    class Drops(io.RawIOBase):
        left = png()

        def read(self, size=-1):
            piece, self.left = self.left[:5], self.left[5:]
            return piece

    (frame,) = open_source(Drops())
    assert frame.source == "<file>"
    assert tuple(frame.image[0, 0]) == RED


def test_a_file_object_that_fails():
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    assert error_of(Broken()) == "Input/output error"


class Stdin:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(png()))
    source = open_source("-")
    assert sys.stdin.buffer.tell() == 0
    (frame,) = source
    assert frame.source == "<stdin>"
    assert tuple(frame.image[0, 0]) == RED


def test_standard_input_that_is_empty_or_missing(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    assert error_of("-") == "the file is empty"
    monkeypatch.setattr(sys, "stdin", None)
    assert error_of("-") == "there is no standard input to read bytes from"


def test_a_file_called_dash(here):
    write("-")
    assert outcomes(open_source(["./-", Path("-")])) == [("./-", None), ("-", None)]


# --- arrays and PIL images ----------------------------------------------------------------------


def test_arrays():
    rgb = np.full((3, 4, 3), RED, np.uint8)
    (frame,) = open_source(rgb)
    assert frame.source == "<array 0>"
    assert frame.image is rgb
    (frame,) = open_source(rgb[..., ::-1], colour="BGR")
    assert tuple(frame.image[0, 0]) == RED
    one, two = open_source([np.zeros((2, 2), bool), np.full((2, 2), 300.0)])
    assert (one.source, one.image.shape) == ("<array 0>", (2, 2, 3))
    assert two.source == "<array 1>"
    assert two.error.startswith("floating-point samples must lie between 0")


def test_pil_images(here):
    write("a.png", png(BLUE))
    with Image.open("a.png") as opened:
        made, read = open_source([Image.new("L", (4, 3), 9), opened])
    assert (made.source, tuple(made.image[0, 0])) == ("<image 0>", (9, 9, 9))
    assert (read.source, tuple(read.image[0, 0])) == ("a.png", BLUE)


def test_colour_concerns_arrays_only(here):
    write("a.png")
    (frame,) = open_source("a.png", colour="BGR")
    assert tuple(frame.image[0, 0]) == RED


# --- several ------------------------------------------------------------------------------------


def test_a_mixed_list(tree):
    source = open_source(["photos/zoo", png(), Path("photos/b.png"), np.zeros((2, 2, 3), np.uint8)])
    assert outcomes(source) == [
        ("photos/zoo/e.gif", None),
        ("<bytes 1>", None),
        ("photos/b.png", None),
        ("<array 3>", None),
    ]
    assert len(source) == 4


def test_nothing():
    assert list(open_source([])) == []
    assert len(open_source([])) == 0


def test_an_iterator_is_taken_one_by_one_and_has_no_length():
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield png()

    source = open_source(endless())
    assert taken == []
    with pytest.raises(TypeError, match="not known before an iterator has ended"):
        len(source)
    frames = iter(source)
    assert next(frames).source == "<bytes 0>"
    assert next(frames).source == "<bytes 1>"
    assert taken == [0, 1]


@pytest.mark.parametrize("source", [3, None, 2.5, [None], [3, "a.png"], ("a.png", object())])
def test_types_that_hold_no_image(source):
    with pytest.raises(InputError, match=r"cannot read images from .*expected a path"):
        open_source(source)


def test_a_wrong_type_in_an_iterator_is_told_when_its_turn_comes():
    frames = iter(open_source(iter([png(), 3])))
    assert next(frames).error is None
    with pytest.raises(InputError, match="cannot read images from int"):
        next(frames)


@pytest.mark.parametrize("options", [{"colour": "GRB"}, {"max_pixels": 0}])
def test_settings_out_of_range(options):
    with pytest.raises(ConfigError):
        open_source("a.png", **options)


def test_items_load_in_any_thread_and_order(here):
    colours = [(i * 5, 100, 50) for i in range(40)]
    for i, colour in enumerate(colours):
        write(f"photos/{i:02}.png", png(colour))
    write("photos/13.png", b"broken")
    items = list(open_source("photos").items())
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(StillItem.load, reversed(items)))[::-1]
    assert [frame.source for frame in frames] == [f"photos/{i:02}.png" for i in range(40)]
    assert frames[13].error == "not an image in a known format"
    read = {
        i: tuple(int(v) for v in f.image[0, 0]) for i, f in enumerate(frames) if f.image is not None
    }
    assert read == {i: colour for i, colour in enumerate(colours) if i != 13}


def test_a_bug_is_not_taken_for_a_bad_file():
    def bug():
        raise KeyError("oops")

    with pytest.raises(KeyError):
        StillItem("a.png", bug).load()
