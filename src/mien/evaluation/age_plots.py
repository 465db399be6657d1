"""Figures of ages as PNG: answered against labelled, error and interval by decade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien.evaluation.bootstrap import Estimate
from mien.evaluation.canvas import BLUE, INK, MUTED, ORANGE, caption, dress, new_figure, to_png
from mien.evaluation.findings import Ages, Decade

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DENSE = 1500
"""With more faces than this, single points would hide each other."""

NOMINAL = 80
"""Per cent of faces that the interval is made to cover."""


def errors_png(ages: Ages) -> bytes:
    """Answered over labelled age, and the mean absolute error by decade."""
    figure = new_figure(10.4, 4.3)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _against_label(left, ages)
    dress(left, title="Answered and labelled age", x="labelled, years", y="answered, years")
    left.grid(visible=False)
    starts = np.arange(len(ages.decades))
    errors = [decade.error for decade in ages.decades]
    values = [error.value for error in errors]
    right.bar(starts, values, 0.72, color=BLUE, alpha=0.85)
    right.errorbar(
        starts, values, _reach(errors), fmt="none", ecolor=INK, elinewidth=1, capsize=2.5
    )
    dress(right, title="Mean absolute error by decade", y="years")
    _name_decades(right, ages.decades)
    caption(figure, f"{ages.protocol}, n = {len(ages.labelled)}; bars with 95 % intervals")
    return to_png(figure)


def coverage_png(ages: Ages) -> bytes:
    """How many faces of every decade lie inside the interval."""
    figure = new_figure(6.2, 4.2)
    axes = figure.subplots()
    covered = [decade.covered for decade in ages.decades]
    axes.axhline(NOMINAL, color=ORANGE, linewidth=1.4, linestyle="--", label=f"aim, {NOMINAL} %")
    axes.errorbar(
        range(len(covered)),
        [100 * share.value for share in covered],
        100 * _reach(covered),
        fmt="o",
        color=BLUE,
        markersize=5,
        elinewidth=1.2,
        capsize=2.5,
        label="covered, 95 % interval",
    )
    axes.set_ylim(0, 104)
    dress(axes, title="Coverage of the age interval by decade", y="faces, %")
    _name_decades(axes, ages.decades)
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    caption(figure, f"{ages.protocol}, n = {len(ages.labelled)}")
    return to_png(figure)


def _against_label(axes: Axes, ages: Ages) -> None:
    """Points of single faces, or where very many lie."""
    top = max(100.0, *ages.labelled)
    if len(ages.labelled) > DENSE:
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        # The lightest blue is nearly white: a cell with one face would not be seen.
        blues = ListedColormap(colormaps["Blues"](np.linspace(0.2, 1, 256)))
        drawn = axes.hexbin(
            ages.labelled, ages.answered, gridsize=42, extent=(0, top, 0, top), cmap=blues,
            bins="log", mincnt=1, linewidths=0.1,
        )  # fmt: skip
        bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.045, pad=0.02)
        bar.set_label("faces", fontsize=8, color=INK)
        bar.ax.tick_params(labelsize=7, colors=MUTED)
        bar.outline.set_visible(False)
    else:
        axes.scatter(ages.labelled, ages.answered, 14, color=BLUE, alpha=0.5, linewidths=0)
    axes.plot([0, top], [0, top], color=ORANGE, linewidth=1.2, linestyle="--")
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")


def _reach(estimates: Sequence[Estimate]) -> np.ndarray:
    """How far the intervals reach down and up from the values, shape ``(2, n)``."""
    pairs = [(e.value - e.low, e.high - e.value) for e in estimates]
    return np.array(pairs).T.clip(0)


def _name_decades(axes: Axes, decades: Sequence[Decade]) -> None:
    """Decades with their number of faces below the axis."""
    names = [f"{d.start}-{d.start + 9}\n{d.error.n}" for d in decades]
    axes.set_xticks(range(len(decades)), names, fontsize=6 if len(decades) > 8 else 7.5)
    axes.set_xlim(-0.7, max(len(decades), 6) - 0.3)  # two bars need not fill the figure
    axes.set_xlabel("labelled, years; below, faces", fontsize=9, color=INK)
