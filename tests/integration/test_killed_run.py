"""A run that is killed, not asked to stop, leaves tables that can be read."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import itertools, sys, time
from mien.interfaces import Frame
from mien.results import Age, Box, Distribution, Face, FrameResult
from mien.sinks import open_sinks, parquet

parquet.ROWS_PER_GROUP, parquet.SECONDS_PER_COPY = 64, float(sys.argv[1])
groups = Distribution(("0-12", "13-25", "26-59", "60+"), (0.0, 0.25, 0.75, 0.0))
age = Age(years=31.5, low=26.0, high=37.0, group="26-59", groups=groups,
          distribution=(0.5,) * 2 + (0.0,) * 99)
face = Face(box=Box(1.5, 2.0, 30.0, 40.0), score=0.75, age=age, track_id=0)
with open_sinks(sys.argv[2:]) as sinks:
    for index in itertools.count():
        result = FrameResult(source="a.mp4", index=index, time_s=index / 30, faces=(face,))
        sinks.write(Frame(source="a.mp4"), result)
        print(index, time.monotonic(), flush=True)
        time.sleep(0.001)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_9_leaves_readable_tables(tmp_path):
    read_table = pytest.importorskip("pyarrow.parquet", reason="needs [parquet]").read_table
    wait_s = 0.25
    names = [str(tmp_path / "a.jsonl"), str(tmp_path / "a.parquet")]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(wait_s), *names], stdout=subprocess.PIPE, text=True
    ) as run:
        lines = [run.stdout.readline()]  # the first row, when all is imported
        until = time.monotonic() + 4 * wait_s
        while time.monotonic() < until:
            lines.append(run.stdout.readline())
        os.kill(run.pid, signal.SIGKILL)
        lines += run.stdout.readlines()
    assert run.returncode == -signal.SIGKILL
    written = [(int(index), float(at)) for index, at in map(str.split, lines)]

    [json_lines] = tmp_path.glob(".a.jsonl.*.part")
    *whole, _cut = json_lines.read_text("utf-8").split("\n")
    assert [json.loads(line)["index"] for line in whole][: len(written)] == [i for i, _ in written]

    [folder] = tmp_path.glob(".a.parquet.*.part")
    indices = read_table(folder)["index"].to_pylist()
    safe = [index for index, at in written if at < written[-2][1] - wait_s]
    assert indices == list(range(len(indices)))
    assert len(indices) >= len(safe) > 0
    assert len(list(folder.glob("*.parquet"))) > 1
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
