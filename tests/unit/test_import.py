"""Importing mien is cheap: nothing heavy is loaded before it is needed."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "onnxruntime",
    "pandas",
    "polars",
    "pyarrow",
    "matplotlib",
    "fastapi",
    "scipy",
    "sklearn",
    "supervision",
    "tensorboard",
)
CHECK = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


def heavy_modules_after(*names):
    """Heavy modules that a fresh interpreter has loaded after one import."""
    run = subprocess.run(
        [sys.executable, "-c", CHECK, *names], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("module", ["mien", "mien.cli.main", "mien.adapters"])
def test_import_loads_nothing_heavy(module):
    assert heavy_modules_after(module, *HEAVY) == "[]"


COMMAND = """
import sys
from mien.cli.main import run
heavy, sys.argv = sys.argv[1].split(","), ["mien", *sys.argv[2:]]
try:
    run()
except SystemExit as done:
    assert not done.code, done.code
print(sorted(set(heavy) & set(sys.modules)))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["prepare", "--list"]])
def test_commands_that_only_tell_load_nothing_heavy(arguments):
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, ",".join(HEAVY), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "[]"


def test_the_check_itself_notices():
    assert heavy_modules_after("json", "json", "torch") == "['json']"
