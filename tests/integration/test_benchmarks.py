"""Benchmarks are run by hand and seldom: that they still run is seen here."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_training_is_measured(tmp_path):
    pytest.importorskip("torch", reason="training needs the extra [train]")
    out = tmp_path / "training.csv"
    flags = ["--quick", "--threads", "1", "--steps", "2", "--rounds", "1", "--out", str(out)]
    command = [sys.executable, str(BENCHMARKS / "bench_training.py"), *flags]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    with out.open(newline="", encoding="utf-8") as file:
        rows = {row["figure"]: row for row in csv.DictReader(file)}
    assert rows["whole loop"]["network"] == "dlib-resnet, 32 px"
    assert float(rows["whole loop"]["value"]) > 0
    assert float(rows["whole loop / plain loop"]["value"]) > 0
