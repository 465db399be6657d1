"""The ending picks the format; several outputs take the same results."""

import io
import json
import subprocess
import sys

import pytest

from mien.errors import ConfigError, OutputError
from mien.interfaces import Frame
from mien.results import FrameResult
from mien.rows import TableColumns
from mien.sinks import CsvSink, JsonSink, MultiSink, open_sink, open_sinks

FRAME = Frame(source="unused")


def test_the_ending_picks_the_sink_in_any_case(tmp_path):
    with open_sink(tmp_path / "a.JSON") as sink:
        assert isinstance(sink, JsonSink)
    with open_sink(str(tmp_path / "a.b.csv")) as sink:
        assert isinstance(sink, CsvSink)


def test_columns_reach_the_sink(tmp_path):
    columns = TableColumns(emotions=("calm", "joy"))
    open_sink(tmp_path / "a.csv", columns=columns).close()
    assert b",emotion_calm,emotion_joy," in (tmp_path / "a.csv").read_bytes()


@pytest.mark.parametrize("name", ["a.xlsx", "a", "csv"])
def test_an_unknown_ending_lists_the_known_ones(tmp_path, name):
    with pytest.raises(ConfigError, match=r"Known: \.csv, \.json, \.jsonl, \.parquet\.$"):
        open_sink(tmp_path / name)


def test_a_picture_is_sent_to_the_right_option(tmp_path):
    with pytest.raises(ConfigError, match="Pictures are written with --draw or --blur"):
        open_sink(tmp_path / "a.PNG")


def test_a_dash_is_standard_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with open_sink("-") as sink:
        sink.write(FRAME, FrameResult(source="a.jpg"))
    assert json.loads(sys.stdout.getvalue())["source"] == "a.jpg"


def test_several_outputs_take_the_same_results(tmp_path):
    with open_sinks([tmp_path / "a.jsonl", tmp_path / "b.json"]) as sink:
        sink.write(FRAME, FrameResult(source="a.jpg"))
    line = json.loads((tmp_path / "a.jsonl").read_text("utf-8"))
    assert json.loads((tmp_path / "b.json").read_text("utf-8")) == [line]


def test_an_output_that_cannot_be_opened_leaves_the_others_untouched(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"of an older run")
    with pytest.raises(OutputError, match="does not exist"):
        open_sinks([tmp_path / "a.csv", tmp_path / "no" / "b.json"])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"of an older run"]


def test_one_file_cannot_be_two_outputs(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.csv is named twice as an output"):
        open_sinks([tmp_path / "a.csv", tmp_path / "." / "a.csv"])
    assert list(tmp_path.iterdir()) == []


class Recorder:
    """A sink that notes what happens to it, and fails when told to."""

    def __init__(self, log, name, fails=""):
        self.log, self.name, self.fails = log, name, fails

    def write(self, frame, result):
        self.log.append(f"{self.name} write")
        if self.fails == "write":
            raise OutputError("write failed")

    def close(self):
        self.log.append(f"{self.name} close")
        if self.fails == "close":
            raise OutputError("close failed")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.log.append(f"{self.name} exit {kind and kind.__name__}")
        if self.fails == "close":
            raise OutputError("close failed")


def use(sink):
    with sink:
        sink.write(FRAME, FrameResult(source="a"))


def test_all_outputs_are_finished_when_one_fails_to_write():
    log = []
    sink = MultiSink([Recorder(log, "a", "write"), Recorder(log, "b")])
    with pytest.raises(OutputError, match="write failed"):
        use(sink)
    assert log == ["a write", "b exit OutputError", "a exit OutputError"]


def test_all_outputs_are_finished_when_one_fails_to_finish():
    log = []
    sink = MultiSink([Recorder(log, "a"), Recorder(log, "b", "close")])
    with pytest.raises(OutputError, match="close failed"):
        use(sink)
    assert log[2:] == ["b exit None", "a exit None"]
    log.clear()
    with pytest.raises(OutputError, match="close failed"):
        sink.close()
    assert log == ["b close", "a close"]


def test_importing_the_sinks_loads_no_library_of_a_single_format():
    code = "import mien.sinks, sys; print({'pyarrow', 'PIL', 'rich', 'pandas'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
