"""What a run leaves behind: rows in a file, scalars for TensorBoard, curves, the live report."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import MissingExtraError
from mien.images import decode
from mien.training import loop, progress
from mien.training.curves import draw_curves
from mien.training.loop import Trainer, train
from mien.training.progress import Log, read_log
from mien.training.recipe import Recipe


class Killed(BaseException):
    pass


@pytest.fixture
def recipe(recipe_table):
    return Recipe.from_mapping(recipe_table)


def write(folder, *rows, first=0):
    with Log(folder, first) as log:
        for row in rows:
            log.write(row)


def row(step, value=0.0):
    return {"step": float(step), "images_per_s": 10.0, "age/l1": 1.0 / step, "score": value}


# --- rows ---------------------------------------------------------------------------------------


def test_rows_come_back(tmp_path):
    write(tmp_path, row(4, 0.5), row(8, 0.75))
    assert read_log(tmp_path) == [row(4, 0.5), row(8, 0.75)]
    lines = (tmp_path / "log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8]


def test_a_step_that_was_done_twice_counts_once(tmp_path):
    write(tmp_path, row(4, 0.5), row(8, 0.1))
    write(tmp_path, row(8, 0.75), row(12, 0.8), first=4)  # killed before checkpoint 8
    assert read_log(tmp_path) == [row(4, 0.5), row(8, 0.75), row(12, 0.8)]


def test_no_log_has_no_rows(tmp_path):
    assert read_log(tmp_path) == []


# --- TensorBoard --------------------------------------------------------------------------------


def scalars(folder):
    """``{name: [(step, value)]}`` as TensorBoard shows them."""
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    accumulator = events.EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return {
        name: [(event.step, event.value) for event in accumulator.Scalars(name)]
        for name in accumulator.Tags()["scalars"]
    }


def as_scalars(rows):
    return {
        name: [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]
        for name in rows[0]
        if name != "step"
    }


def test_tensorboard_shows_the_log(recipe, tmp_path):
    train(recipe, tmp_path, threads=1)
    rows = read_log(tmp_path)
    found = scalars(tmp_path)
    assert found == as_scalars(rows)
    assert {"age/expectation", "emotion_accuracy", "score", "learning_rate"} <= set(found)


@pytest.mark.parametrize("place", ["before the checkpoint", "after the checkpoint"])
def test_tensorboard_shows_a_resumed_run_as_one(recipe, tmp_path, monkeypatch, place):
    with monkeypatch.context() as patch:
        if place == "before the checkpoint":  # step 8 is in the log, and done again
            calls, save = [], loop.save_run

            def stopping(*arguments, **names):
                calls.append(1)
                if len(calls) == 2:
                    raise Killed
                save(*arguments, **names)

            patch.setattr(loop, "save_run", stopping)
        else:  # step 4 is in the log, and not done again
            update = Trainer.update

            def stopping(trainer, *batch):
                if trainer.run.step == 6:
                    raise Killed
                return update(trainer, *batch)

            patch.setattr(Trainer, "update", stopping)
        with pytest.raises(Killed):
            train(recipe, tmp_path, threads=1)
    train(recipe, tmp_path, threads=1, resume=True)
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == [4, 8]
    assert scalars(tmp_path) == as_scalars(rows)


def test_training_goes_without_tensorboard(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    train(recipe, tmp_path, threads=1)
    assert [row["step"] for row in read_log(tmp_path)] == [4, 8]
    assert not (tmp_path / "tensorboard").exists()


# --- the live report ----------------------------------------------------------------------------


def test_reports_by_hand(recipe, tmp_path, monkeypatch):
    """A clock that says one second more whenever it is asked: at the start and at every report."""
    table = recipe.to_mapping()
    table["train"] |= {"steps": 5, "evaluate_every": 4}
    ticks = iter(range(100))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(loop, "LOOK_EVERY", 2)
    monkeypatch.setattr(
        loop, "multi_task_loss", lambda tasks: {"a": torch.tensor(1.5, requires_grad=True)}
    )
    reports = []
    train(Recipe.from_mapping(table), tmp_path, threads=1, report=reports.append)
    assert [(r.step, r.steps) for r in reports] == [(2, 5), (4, 5), (5, 5)]
    assert [r.loss for r in reports] == [1.5] * 3
    # 32 faces a step: 64 after one second, 128 after two, 160 after three.
    assert [r.images_per_s for r in reports] == pytest.approx([64, 64, 160 / 3])
    assert [r.seconds_left for r in reports] == pytest.approx([3 * 32 / 64, 0.5, 0])
    assert reports[0].metrics == {}
    assert "score" in reports[1].metrics


# --- curves -------------------------------------------------------------------------------------


def test_curves_are_drawn(tiny_run, tmp_path):
    (tmp_path / "log.jsonl").write_bytes((tiny_run / "log.jsonl").read_bytes())
    path = draw_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    picture = decode(path.read_bytes())
    height, width, _ = picture.shape
    assert min(height, width) > 300
    # One panel for the losses, one for shares, three for the rest: none is empty.
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    thirds = [picture[:, k * width // 3 : (k + 1) * width // 3] for k in range(3)]
    assert all((part < 128).any() for part in thirds)


def test_every_curve_gets_a_panel_with_its_points(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn, titles = {}, []
    plot, title = Axes.plot, Axes.set_title

    def noted(axis, x, y, **style):
        drawn[style["label"]] = list(zip(x, y, strict=True))
        return plot(axis, x, y, **style)

    def titled(axis, text, **style):
        titles.append(text)
        return title(axis, text, **style)

    monkeypatch.setattr(Axes, "plot", noted)
    monkeypatch.setattr(Axes, "set_title", titled)
    write(
        tmp_path,
        {**row(1, 0.25), "age_mae": 9.0, "emotion_accuracy": 0.5, "emotion_f1": 0.4},
        {**row(2, 0.5), "emotion_accuracy": 0.75, "emotion_f1": 0.5},
    )
    draw_curves(tmp_path)
    assert titles == ["loss", "share of faces", "score", "age mae"]
    assert drawn == {
        "age/l1": [(1, 1.0), (2, 0.5)],
        "emotion_accuracy": [(1, 0.5), (2, 0.75)],
        "emotion_f1": [(1, 0.4), (2, 0.5)],
        "score": [(1, 0.25), (2, 0.5)],
        "age_mae": [(1, 9.0)],  # where it was measured
    }


def test_a_run_without_rows_draws_an_empty_picture(tmp_path):
    assert decode(draw_curves(tmp_path).read_bytes()).shape[2] == 3


def test_places_without_a_curve_stay_empty(tmp_path):
    """Five panels in two rows of three: nothing, no axes either, stands in the last place."""
    metrics = {"emotion/focal": 1.0, "emotion_f1": 0.5, "emotion_mae": 0.1, "score": 0.5}
    rows = [{"step": float(k), **metrics, "learning_rate": 0.1} for k in (10, 20)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture = decode(draw_curves(tmp_path).read_bytes())
    height, width = picture.shape[:2]
    last = picture[height // 2 + 20 :, 2 * width // 3 + 20 :]
    assert (last == 255).all()
    assert not (picture[height // 2 + 20 :, : width // 3] == 255).all()


def test_curves_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[plots\]'"):
        draw_curves(tmp_path)
