"""While a Parquet file grows, what it will hold lies beside it as files that can be read."""

import errno
import os

import pytest

from mien.errors import OutputError
from mien.interfaces import Frame
from mien.results import Box, Face, FrameResult
from mien.sinks import ParquetSink, parquet

FRAME = Frame(source="unused")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 4)


def write(sink, indices):
    for index in indices:
        faces = (Face(box=Box(0.0, 0.0, 9.0, 9.0), score=0.5, skipped="blurred"),) * (index % 3)
        sink.write(FRAME, FrameResult(source="a.mp4", index=index, faces=faces))


def rows_of(index):
    return [index] * max(1, index % 3)


def read(path):
    from pyarrow.parquet import read_table

    return read_table(path)["index"].to_pylist()


def part(folder):
    (path,) = folder.glob(".a.parquet.*.part")
    return path


def test_the_folder_holds_every_row_at_any_time(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "SECONDS_PER_COPY", 0)
    expected = []
    with ParquetSink(tmp_path / "a.parquet") as sink:
        for index in range(12):
            write(sink, [index])
            expected += rows_of(index)
            assert read(part(tmp_path)) == expected
    assert read(tmp_path / "a.parquet") == expected
    assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet"]


def test_between_pauses_only_row_groups_are_copied_and_the_first_row(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "SECONDS_PER_COPY", 1e9)
    with ParquetSink(tmp_path / "a.parquet") as sink:
        write(sink, range(2))
        assert read(part(tmp_path)) == [0]
        write(sink, range(2, 5))  # two rows complete the group, two wait for the next
        assert read(part(tmp_path)) == [0, 1, 2, 2]
        assert len(list(part(tmp_path).glob("*.parquet"))) == 1


def test_copies_have_the_columns_and_the_version_of_the_whole(tmp_path):
    from pyarrow.parquet import read_schema

    with ParquetSink(tmp_path / "a.parquet") as sink:
        write(sink, range(3))
        copy = read_schema(part(tmp_path) / "000000.parquet")
    assert copy.equals(read_schema(tmp_path / "a.parquet"), check_metadata=True)


def test_copies_go_with_a_run_that_fails_before_its_first_result(tmp_path):
    with pytest.raises(ZeroDivisionError), ParquetSink(tmp_path / "a.parquet"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_given_leaves_the_whole_file(tmp_path):
    path = tmp_path / "a.parquet"
    sink = ParquetSink(path)
    write(sink, range(9))
    path.mkdir()
    with pytest.raises(OutputError, match=r"cannot be replaced: .* The results are in ") as caught:
        sink.close()
    whole = part(tmp_path) / ".whole"
    assert str(whole) in str(caught.value)
    assert len(read(whole)) == sum(len(rows_of(index)) for index in range(9))


def test_a_disk_without_room_for_the_copy_is_one_clear_line(tmp_path, monkeypatch):
    sink = ParquetSink(tmp_path / "a.parquet")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(self, target):
        raise full

    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    with pytest.raises(OutputError, match=r"the disk is full\. .* The file was given up\."):
        write(sink, range(9))
    assert list(tmp_path.iterdir()) == []
