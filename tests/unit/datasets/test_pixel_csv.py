"""Pictures as numbers in a CSV file: found by name, read where they lie."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.datasets.pixel_csv import LINE_LIMIT_BYTES, PixelCsv, find_pixel_csv
from mien.errors import InputError, UnreadableMediaError
from mien.images import decode


def grey(level):
    return " ".join([str(level)] * 48 * 48)


@pytest.fixture
def write(tmp_path):
    def write_lines(*lines, end="\n"):
        path = tmp_path / "fer2013.csv"
        path.write_bytes(end.join(lines).encode())
        return path

    return write_lines


def level_of(table, name):
    return int(decode(table.read(name))[0, 0, 0])


def test_a_picture_keeps_every_pixel(write):
    pixels = np.random.default_rng(5).integers(0, 256, (48, 48))
    table = PixelCsv(write("pixels", " ".join(map(str, pixels.ravel()))), ())
    picture = decode(table.read("row0000000"))
    assert picture.shape == (48, 48, 3)
    assert (picture == pixels[:, :, None]).all()
    assert table.read("row0000000").startswith(b"\x89PNG")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_are_named_and_placed_in_order(write, end):
    table = PixelCsv(write("a,pixels", f"x,{grey(1)}", "", f"y,{grey(2)}", "", end=end), ("a",))
    rows = list(table.rows())
    assert [(row.name, row.cells) for row in rows] == [
        ("row0000000", {"a": "x"}),
        ("row0000001", {"a": "y"}),
    ]
    # An empty line is no picture, but it counts where somebody looks for a row.
    assert [row.where.rsplit(", ")[1] for row in rows] == ["row 2", "row 4"]
    assert [level_of(table, row.name) for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("emotion,pixels,Usage", "3,{},Training"),
        ("emotion, Usage, pixels", "3,Training,{}"),
        ("\ufeffemotion,pixels,Usage", "3,{},Training"),
        ('"emotion","pixels","Usage"', '"3","{}","Training"'),
    ],
)
def test_columns_are_found_by_name(write, header, row):
    table = PixelCsv(write(header, row.format(grey(7))), ("emotion", "Usage"))
    assert [r.cells for r in table.rows()] == [{"emotion": "3", "Usage": "Training"}]
    assert level_of(table, "row0000000") == 7


def test_a_picture_can_be_read_before_the_rows(write):
    table = PixelCsv(write("pixels", *map(grey, range(5))), ())
    assert level_of(table, "row0000003") == 3
    assert table.count() == 5


def test_many_threads_read_at_once(write):
    path = write("pixels", *map(grey, range(40)))
    names = [f"row{number:07d}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            table = PixelCsv(path, ())
            levels = pool.map(lambda name, table=table: level_of(table, name), names * 3)
            assert list(levels) == list(range(40)) * 3


@pytest.mark.parametrize("name", ["row0000001", "row-000001", "row0", "fer0000000", "0000000", ""])
def test_a_picture_that_is_not_there(write, name):
    with pytest.raises(InputError, match=rf"fer2013\.csv: holds no picture {name}$"):
        PixelCsv(write("pixels", grey(1)), ()).read(name)


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (grey(1)[:-2], "expected 2304 pixels, got 2303"),
        (grey(1) + " 1", "expected 2304 pixels, got 2305"),
        ("", "expected 2304 pixels, got 0"),
        (grey(256), "a pixel is no number from 0 to 255"),
        (grey(-1), "a pixel is no number from 0 to 255"),
        (grey("1.5"), "a pixel is no number from 0 to 255: .*'1.5'"),
        (grey("x"), "a pixel is no number from 0 to 255: .*'x'"),
    ],
)
def test_wrong_pixels_spoil_only_their_picture(write, pixels, problem):
    table = PixelCsv(write("pixels,b", f"{grey(5)},0", f"{pixels},0", f"{grey(6)},0"), ())
    assert len(list(table.rows())) == 3
    with pytest.raises(UnreadableMediaError, match=rf"fer2013\.csv, row 3: {problem}") as caught:
        table.read("row0000001")
    assert "\n" not in str(caught.value)
    assert [level_of(table, name) for name in ("row0000000", "row0000002")] == [5, 6]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (("emotion,Usage", "3,Training"), "row 1: column 'pixels' is missing"),
        (("pixel,Usage", "3,Training"), "row 1: column 'pixels' is missing"),
        (("pixels,usage", "3,Training"), "row 1: column 'Usage' is missing"),
        (("",), "row 1: column 'Usage' is missing"),
    ],
)
def test_a_missing_column_stops_at_once(write, lines, problem):
    with pytest.raises(InputError, match=rf"fer2013\.csv, {problem}"):
        PixelCsv(write(*lines), ("Usage",))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 2 3", "expected 2 cells, got 1"),
        ("1 2 3,Training,4", "expected 2 cells, got 3"),
        ('"1 2 3,Training', "expected 2 cells, got 1"),
        ("1" * LINE_LIMIT_BYTES, "is longer than any row of pixels"),
    ],
)
def test_a_wrong_row_is_named(write, line, problem):
    table = PixelCsv(write("pixels,Usage", f"{grey(1)},Training", line), ("Usage",))
    with pytest.raises(InputError, match=rf"fer2013\.csv, row 3: {problem}") as caught:
        list(table.rows())
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(InputError, match=r"row 1: is not CSV in UTF-8"):
        PixelCsv(path, ())


def test_a_file_cut_short_after_the_pass(write):
    path = write("pixels,b", f"{grey(1)},0", f"{grey(2)},0")
    table = PixelCsv(path, ())
    assert table.count() == 2
    path.write_bytes(b"pixels,b\n")
    with pytest.raises(UnreadableMediaError, match="row 3: the file was changed"):
        table.read("row0000001")


def test_the_file_is_found(tmp_path, write):
    assert find_pixel_csv(tmp_path) is None
    inside = tmp_path / "fer2013" / "icml_face_data.csv"
    inside.parent.mkdir()
    inside.write_text("pixels\n")
    assert find_pixel_csv(tmp_path) == inside
    path = write("pixels")
    assert find_pixel_csv(tmp_path) == find_pixel_csv(path) == path


def test_a_path_that_cannot_be_it(tmp_path, lay_out):
    with pytest.raises(InputError, match="no such file or folder"):
        find_pixel_csv(tmp_path / "nowhere")


@pytest.mark.parametrize("lay_out", ["one zip"], indirect=True)
def test_an_archive_must_be_unpacked(lay_out):
    with pytest.raises(InputError, match="is a zip archive; unpack it"):
        find_pixel_csv(lay_out("fer2013", {"fer2013.csv": b"pixels\n"}))
