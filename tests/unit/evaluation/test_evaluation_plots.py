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


def test_names(report, make_confusion, tmp_path):
    assert list(figures(report)) == ["confusion", "age", "age-coverage", "calibration-gender"]
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
