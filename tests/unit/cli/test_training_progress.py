"""The live line of a training run: on a terminal one line that changes, elsewhere rows."""

import io
import os

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from rich import console as rich_console

from mien.cli.training_progress import is_first_process, training_progress
from mien.training.progress import Progress
from mien.training.recipe import Recipe


@pytest.fixture
def recipe(recipe_table):
    recipe_table["train"] |= {"steps": 400, "select": "age_mae"}
    return Recipe.from_mapping(recipe_table)  # 32 faces a batch


@pytest.fixture
def terminal(monkeypatch):
    """Standard error is a terminal of 120 columns; returns what stands there."""
    screen, kind = io.StringIO(), rich_console.Console

    def fake(**_):
        return kind(file=screen, force_terminal=True, width=120, color_system=None)

    monkeypatch.setattr(rich_console, "Console", fake)
    return screen


def now(step, **metrics):
    return Progress(
        step=step,
        steps=400,
        loss=1.23456,
        images_per_s=320.4,
        seconds_left=125.4,
        metrics=metrics,
    )


ROW = {"step": 100.0, "images_per_s": 80.0, "age/l1": 0.51234, "age_mae": 6.25}


def test_the_line_says_loss_metric_speed_and_time_left(recipe, terminal):
    with training_progress(recipe) as (_, report):
        report(now(100, age_mae=6.78912, score=0.1))
    text = terminal.getvalue()
    assert "100/400" in text
    assert "loss 1.2346  age_mae 6.7891  320 images/s  2:05 left" in text
    assert "score" not in text  # the metric that picks the best is enough


def test_before_the_first_evaluation_there_is_no_metric(recipe, terminal):
    with training_progress(recipe) as (_, report):
        report(now(10))
    assert "loss 1.2346  320 images/s  2:05 left" in terminal.getvalue()


def test_rows_stay_above_the_line(recipe, terminal, capsys):
    with training_progress(recipe) as (log, report):
        report(now(100))
        log(ROW)
    text = terminal.getvalue()
    # 300 steps of 32 faces at 80 a second are two minutes.
    row = "step 100/400  images_per_s 80  age/l1 0.5123  age_mae 6.25  2 min left"
    assert text.count(row) == 1
    assert capsys.readouterr().out == ""


def test_elsewhere_rows_alone_are_printed(recipe, capsys):
    with training_progress(recipe) as (log, report):
        report(now(100))
        log(ROW)
        report(now(101))
    captured = capsys.readouterr()
    row = "step 100/400  images_per_s 80  age/l1 0.5123  age_mae 6.25  2 min left\n"
    assert captured.out == row
    assert captured.err == ""


def test_several_processes_are_done_sooner(recipe, capsys, monkeypatch):
    """Speed counts the faces of all of them, and so do the steps that are left."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    with training_progress(recipe) as (log, _):
        log({**ROW, "images_per_s": 320.0})
    assert capsys.readouterr().out.endswith("  2 min left\n")


def test_the_others_draw_nothing(recipe, terminal, monkeypatch):
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()
    with training_progress(recipe):
        pass
    assert terminal.getvalue() == ""


def test_these_tests_run_in_one_process():
    assert "WORLD_SIZE" not in os.environ
