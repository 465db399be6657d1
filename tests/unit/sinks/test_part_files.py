"""A file is there as a whole or not at all, whatever happens while it is written."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.errors import OutputError
from mien.sinks.files import PartFile, StreamFile, output_error, write_whole


class Broken:
    """A raw file that takes some bytes and then fails once, as a disk or Ctrl-C would."""

    def __init__(self, raw, error, after=3):
        self.raw, self.error, self.after = raw, error, after

    def write(self, data):
        if self.error is not None:
            self.raw.write(data[: self.after])
            error, self.error = self.error, None
            raise error
        return self.raw.write(data)

    def __getattr__(self, name):
        return getattr(self.raw, name)


def parts(folder):
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


def test_the_name_appears_on_commit(tmp_path):
    file = PartFile(tmp_path / "a.txt")
    file.append(b"one\n")
    assert [path.name.startswith(".a.txt.") for path in tmp_path.iterdir()] == [True]
    file.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"one\n"


def test_the_tail_is_behind_the_last_row_at_any_time(tmp_path):
    file = PartFile(tmp_path / "a.txt")
    for data, expected in ((b"[", b"[\n]"), (b"1", b"[1\n]"), (b",22", b"[1,22\n]")):
        file.append(data, b"\n]")
        assert file.part.read_bytes() == expected
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_takes_the_half_row_back(tmp_path):
    file = PartFile(tmp_path / "a.txt")
    file.append(b"[1", b"]")
    file._raw = Broken(file._raw, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OutputError, match=r"a\.txt: the disk is full\. Free some space"):
        file.append(b",a long second row", b"]")
    file.commit()
    assert (tmp_path / "a.txt").read_bytes() == b"[1]"


def test_ctrl_c_finishes_the_row(tmp_path):
    file = PartFile(tmp_path / "a.txt")
    file.append(b"[1", b"]")
    file._raw = Broken(file._raw, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        file.append(b",22222", b"]")
    assert file.rows == 2
    file.append(b",3", b"]")
    file.commit()
    assert (tmp_path / "a.txt").read_bytes() == b"[1,22222,3]"


def test_a_disk_that_takes_a_few_bytes_at_a_time(tmp_path):
    class Slow(Broken):
        def write(self, data):
            return self.raw.write(data[:2])

    file = PartFile(tmp_path / "a.txt")
    file._raw = Slow(file._raw, None)
    file.append(b"abcdefg", b"!")
    file.commit()
    assert (tmp_path / "a.txt").read_bytes() == b"abcdefg!"


def test_an_older_file_stays_until_commit_and_after_discard(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    file = PartFile(path)
    file.append(b"new")
    assert path.read_bytes() == b"old"
    file.discard()
    assert path.read_bytes() == b"old"
    write_whole(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert parts(tmp_path) == []


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_bytes(b"old")
    link = tmp_path / "link.txt"
    link.symlink_to("real.txt")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_bytes() == b"new"


def test_two_writers_of_one_name_do_not_mix(tmp_path):
    first, second = PartFile(tmp_path / "a.txt"), PartFile(tmp_path / "a.txt")
    first.append(b"first")
    second.append(b"second")
    second.commit()
    first.commit()
    assert (tmp_path / "a.txt").read_bytes() == b"first"


def test_the_longest_name_has_room_for_the_temporary_one(tmp_path):
    path = tmp_path / ("n" * 251 + ".csv")
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match=r"no/a\.txt: the folder '.*no' does not exist\. Create"):
        PartFile(tmp_path / "no" / "a.txt")


def test_a_folder_has_the_name(tmp_path):
    with pytest.raises(OutputError, match=r"is a folder\. Give the name of a file in it"):
        PartFile(tmp_path)


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"is not a folder\. Choose another path"):
        PartFile(tmp_path / "file" / "a.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is a device or a pipe"):
        PartFile(tmp_path / "pipe")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission to write in"):
        PartFile(tmp_path / "a.txt")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "a.csv: no permission to write in 'out'. Choose another folder or change"),
        (errno.ENOSPC, "a.csv: the disk is full. Free some space or choose another disk."),
        (errno.EROFS, "a.csv: the disk can only be read. Choose another one."),
        (errno.EIO, "a.csv: cannot be written: Input/output error."),
    ],
)
def test_every_failure_is_one_line_that_names_the_file(number, text):
    message = str(output_error("out/a.csv", OSError(number, os.strerror(number))))
    assert message.startswith(f"out/{text}")
    assert "\n" not in message


def test_a_failed_rename_says_where_the_data_are(tmp_path):
    file = PartFile(tmp_path / "a.txt")
    file.append(b"row")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(
        OutputError, match=r"a\.txt: cannot be replaced: .* The results are in "
    ) as e:
        file.commit()
    assert str(file.part) in str(e.value)
    assert file.part.read_bytes() == b"row"


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def refuse(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartFile, "_write", refuse)
    with pytest.raises(OutputError, match="the disk is full"):
        write_whole(tmp_path / "a.png", b"data")
    assert list(tmp_path.iterdir()) == []


def test_stream_rows_are_flushed_at_once():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", newline="")
    file = StreamFile(stream)
    file.append("é\n".encode())
    assert raw.getvalue() == "é\n".encode()
    assert (file.rows, file.ascii_only) == (1, False)
    file.commit()
    assert not stream.closed


def test_a_broken_pipe_is_for_the_caller():
    class Gone(io.StringIO):
        def flush(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        StreamFile(Gone()).append(b"row\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output():
    code = (
        "import sys\n"
        "from mien.sinks.files import StreamFile\n"
        "try:\n    StreamFile(sys.stdout).append(b'row')\n"
        "except OSError as error:\n    print(type(error).__name__, error, file=sys.stderr)\n"
    )
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "OutputError <stdout>: the disk is full. Free some space" in run.stderr
