"""Figures of a report as PNG: confusion, calibration, ages, curves over worse pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mien.errors import OutputError
from mien.evaluation.age_plots import coverage_png, errors_png
from mien.evaluation.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PALE,
    caption,
    dress,
    new_figure,
    to_png,
)
from mien.evaluation.curve_plots import curves_png
from mien.evaluation.findings import Calibration, Confusion, Report
from mien.sinks.files import output_error, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_WRITTEN = 16
"""With more classes than this, the cells of a confusion matrix are too small for text."""


def figures(report: Report) -> dict[str, bytes]:
    """Everything that can be drawn of a report: PNG files by name, e.g. ``"confusion"``.

    Raises:
        MissingExtraError: The library that draws is not installed.
    """
    found = report.findings
    calibrations = [(c.what, calibration_png(c)) for c in found.calibrations]
    drawn = [("confusion", confusion_png(confusion)) for confusion in found.confusions]
    drawn += [("calibration-expression", png) for what, png in calibrations if what == "expression"]
    for ages in found.ages:
        drawn += [("age", errors_png(ages)), ("age-coverage", coverage_png(ages))]
    drawn += [("calibration-gender", png) for what, png in calibrations if what == "gender"]
    if found.curves:
        drawn.append(("robustness", curves_png(found.curves)))
    return _numbered(drawn)


def save_figures(folder: Path, reports: Sequence[Report]) -> list[Path]:
    """Write the figures of all reports as ``<data set>-<split>-<figure>.png``.

    Args:
        folder: Made when it does not exist.
        reports: One a data set.

    Returns:
        What was written.

    Raises:
        MissingExtraError: The library that draws is not installed.
        OutputError: The folder or a file cannot be written.
    """
    make_folder(folder)
    drawn = _numbered(
        (f"{report.dataset}-{report.split}-{name}", png)
        for report in reports
        for name, png in figures(report).items()
    )
    paths = []
    for name, png in drawn.items():
        path = folder / f"{name}.png"
        write_whole(path, png)
        paths.append(path)
    return paths


def make_folder(folder: Path) -> None:
    """Make a folder for figures; it may be there already.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder}: is a file, not a folder. Choose another name.") from error
    except OSError as error:
        raise output_error(folder, error) from error


def _numbered(drawn: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """By name; a second one of the same name gets a number."""
    named: dict[str, bytes] = {}
    for name, png in drawn:
        free, number = name, 1
        while free in named:
            number += 1
            free = f"{name}-{number}"
        named[free] = png
    return named


def confusion_png(confusion: Confusion) -> bytes:
    """Counts in every cell; the colour is the share of the labelled faces of that row."""
    counts = np.array(confusion.counts)
    share = counts / counts.sum(axis=1, keepdims=True).clip(1)
    size = len(confusion.labels)
    figure = new_figure(2.6 + 0.56 * size, 1.9 + 0.47 * size)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [name if len(name) <= 18 else f"{name[:17]}…" for name in confusion.labels]
    axes.set_xticks(range(size), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(size), [f"{name} ({n})" for name, n in zip(names, counts.sum(axis=1), strict=True)]
    )
    dress(axes, title="Confusion", x="predicted", y="labelled (faces)", grid=None)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if size <= MAX_WRITTEN:
        _write_cells(axes, counts, share)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("share of the row", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, colors=MUTED)
    bar.outline.set_visible(False)
    caption(figure, f"{confusion.protocol}, n = {confusion.n}")
    return to_png(figure)


def _write_cells(axes: Axes, counts: npt.NDArray[np.int64], share: npt.NDArray[np.float64]) -> None:
    """Count and per cent in every cell, light on dark cells."""
    for (row, column), count in np.ndenumerate(counts):
        part = 100 * share[row, column]
        text = f"{count}" if not count else f"{count}\n{f'{part:.0f}' if part >= 1 else '<1'} %"
        colour = PALE if not count else "white" if part > 65 else INK
        axes.text(
            column, row, text, ha="center", va="center", fontsize=7.5, color=colour, linespacing=1.1
        )


def calibration_png(calibration: Calibration) -> bytes:
    """Reliability diagram: how often answers are right, over how sure the model was."""
    counts = np.array(calibration.counts)
    bins = len(counts)
    there = counts > 0
    confidence, right = np.array(calibration.confidence), np.array(calibration.right)
    figure = new_figure(4.6, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="perfect")
    middles = (np.arange(bins) + 0.5) / bins
    upper.bar(middles[there], right[there], 0.92 / bins, color=BLUE, alpha=0.25)
    upper.errorbar(
        confidence[there],
        right[there],
        _reach(right[there], counts[there]),
        fmt="o-",
        color=BLUE,
        markersize=4,
        linewidth=1.4,
        elinewidth=1,
        capsize=2,
        label="observed, 95 % interval",
    )
    upper.set(xlim=(0, 1), ylim=(0, 1.03))
    dress(
        upper,
        title=f"Calibration of {calibration.what}: error {calibration.error:.4f}",
        y="share of right answers",
        grid="both",
    )
    upper.legend(fontsize=8, frameon=False, loc="lower right")
    lower.bar(middles, counts, 0.92 / bins, color=ORANGE, alpha=0.8)
    dress(lower, x="confidence of the answer", y="faces")
    caption(figure, f"{calibration.protocol}, n = {calibration.n}, {bins} bins")
    return to_png(figure)


def _reach(
    share: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """How far 95 % intervals of shares reach down and up, shape ``(2, n)``.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.
    """
    z = 1.96
    middle = (share + z * z / (2 * counts)) / (1 + z * z / counts)
    half = np.sqrt(share * (1 - share) / counts + (z / (2 * counts)) ** 2) * z
    half = half / (1 + z * z / counts)
    return np.array([share - (middle - half), middle + half - share]).clip(0)
