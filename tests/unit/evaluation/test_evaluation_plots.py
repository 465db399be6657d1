"""Figures are PNG files with what they should show, and leave matplotlib's state alone."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mien.errors import MissingExtraError, OutputError
from mien.evaluation import canvas
from mien.evaluation.age_plots import coverage_png, errors_png
from mien.evaluation.bootstrap import Estimate
from mien.evaluation.curve_plots import curves_png
from mien.evaluation.curves import Curve, Level
from mien.evaluation.findings import Ages, Findings
from mien.evaluation.plots import calibration_png, confusion_png, figures, make_folder, save_figures

pytest.importorskip("matplotlib")


def pixels(png):
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def close_to(image, colour, reach=12):
    """How many pixels have nearly this colour."""
    return int((np.abs(image.astype(int) - colour).max(axis=2) <= reach).sum())


DARKEST = (8, 48, 107)  # of the colour map "Blues"


def test_a_sure_row_is_dark_and_an_empty_cell_is_not(make_confusion):
    labels = ("neutral", "fear")
    right = pixels(confusion_png(make_confusion([[50, 0], [0, 50]], labels)))
    even = pixels(confusion_png(make_confusion([[25, 25], [25, 25]], labels)))
    # Two of four cells, against no cell; the colour bar has a little of it in both.
    assert close_to(right, DARKEST) > 20 * close_to(even, DARKEST)


def test_a_larger_matrix_is_a_larger_figure(make_confusion):
    def size(classes):
        labels = tuple(f"a class with a very long name {k}" for k in range(classes))
        return pixels(confusion_png(make_confusion(np.eye(classes, dtype=int), labels))).shape

    assert size(3)[0] < size(8)[0] < size(20)[0]
    assert size(3)[1] < size(8)[1] < size(20)[1]


def test_a_class_that_nobody_has(make_confusion):
    assert pixels(confusion_png(make_confusion([[3, 0], [0, 0]], ("a", "b")))).ndim == 3


def test_calibration(report):
    [calibration] = report.findings.calibrations
    image = pixels(calibration_png(calibration))
    assert close_to(image, (43, 108, 176)) > 100  # points and line of what was observed
    assert close_to(image, (205, 120, 78), 25) > 500  # faces in two bins


def test_ages(report):
    [ages] = report.findings.ages
    for draw in (errors_png, coverage_png):
        assert close_to(pixels(draw(ages)), (43, 108, 176), 40) > 100


def a_curve(kind, metric, values):
    levels = tuple(
        Level(level, Estimate(value, 0.9 * value, 1.1 * value, 80))
        for level, value in values.items()
    )
    return Curve(kind=kind, metric=metric, protocol="utkface val", levels=levels)


def test_curves_have_a_panel_for_every_metric_and_kind():
    accuracy = {None: 0.9, 96: 0.9, 24: 0.8, 16: 0.5}
    one = [a_curve("size", "gender accuracy", accuracy)]
    blurred = a_curve("blur", "gender accuracy", {None: 0.9, 0.01: 0.9, 0.08: 0.5})
    ages = a_curve("size", "age MAE, years", {None: 5.0, 96: 5.0, 16: 9.0})
    small, wide, large = (pixels(curves_png(c)) for c in (one, [*one, blurred], [*one, ages]))
    assert wide.shape[1] > 1.5 * small.shape[1]
    assert large.shape[0] > 1.5 * small.shape[0]
    for image in (small, wide, large):
        assert close_to(image, (43, 108, 176)) > 100  # points and line
        assert close_to(image, (192, 86, 33)) > 100  # the picture as it is
    # A panel that nobody has stays white.
    four = pixels(curves_png([*one, blurred, ages]))
    empty = four[four.shape[0] // 2 : -60, four.shape[1] // 2 + 40 :]
    assert (empty == 255).all()


def test_worse_pictures_stand_to_the_right():
    """The last step is the worst, whether its number is the smallest or the largest."""
    for kind, levels in (("size", (96, 16)), ("blur", (0.01, 0.08)), ("jpeg", (95, 5))):
        high_then_low = a_curve(kind, "gender accuracy", dict(zip(levels, (0.9, 0.1), strict=True)))
        image = pixels(curves_png([high_then_low]))
        blue = np.argwhere((np.abs(image.astype(int) - (43, 108, 176)) <= 12).all(axis=2))
        left, right = blue[blue[:, 1].argmin()], blue[blue[:, 1].argmax()]
        assert left[0] < right[0]  # rows count downwards


def test_many_faces_are_drawn_as_density(report):
    random = np.random.default_rng(0)
    years = tuple(map(float, random.uniform(0, 116, 2000)))
    [few] = report.findings.ages
    many = Ages(protocol="p", labelled=years, answered=years, decades=few.decades)
    blues = close_to(pixels(errors_png(many)), DARKEST)
    assert blues > close_to(pixels(errors_png(few)), DARKEST)


def test_intervals_of_shares_stay_within_0_and_1():
    from mien.evaluation.plots import _reach

    share, counts = np.array([0.0, 0.5, 1.0]), np.array([4, 100, 4])
    down, up = _reach(share, counts)
    # Wilson for 0 of 4: z² / (n + z²) = 3.8416 / 7.8416.
    assert (down[0], up[0]) == pytest.approx((0, 0.48990))
    assert (down[2], up[2]) == pytest.approx((0.48990, 0))
    # For 50 of 100: about 1.96 * 0.05 = 0.098, a little less.
    assert (down[1], up[1]) == pytest.approx((0.0962, 0.0962), abs=1e-4)


def test_names(report, degraded, make_confusion, tmp_path):
    assert list(figures(report)) == ["confusion", "age", "age-coverage", "calibration-gender"]
    assert list(figures(degraded)) == [*figures(report), "robustness"]
    twice = replace(report.findings, confusions=report.findings.confusions * 2)
    assert "confusion-2" in figures(replace(report, findings=twice))
    only = replace(report, findings=Findings(confusions=report.findings.confusions))
    written = save_figures(tmp_path / "new" / "folder", [only, only, replace(only, split="val")])
    assert [path.name for path in written] == [
        "ferplus-test-confusion.png",
        "ferplus-test-confusion-2.png",
        "ferplus-val-confusion.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_nothing_to_draw(report, tmp_path):
    assert save_figures(tmp_path, [replace(report, findings=Findings())]) == []


def test_the_same_report_gives_the_same_files(report):
    assert figures(report) == figures(report)


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "plots").write_text("", "utf-8")
    with pytest.raises(OutputError, match="plots: is a file, not a folder"):
        make_folder(tmp_path / "plots")
    with pytest.raises(OutputError, match="is not a folder"):
        make_folder(tmp_path / "plots" / "deeper")


def test_a_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"drawing plots needs .* 'mien\[plots\]'"):
        canvas.new_figure(1, 1)


def test_the_state_of_matplotlib_is_left_alone():
    code = """
import sys
import matplotlib
state = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != "backend"}
before = state()
from mien.evaluation.canvas import dress, new_figure, to_png
figure = new_figure(2, 2)
dress(figure.subplots(), title="a", x="b", y="c")
assert to_png(figure).startswith(b"\\x89PNG")
assert state() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_figures_are_drawn_on_demand_only():
    code = """
import sys
import mien.evaluation.plots, mien.evaluation.page, mien.cli.evaluate
assert "matplotlib" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
