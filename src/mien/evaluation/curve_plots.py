"""Figure of metrics over steps of worse pictures as PNG: the worst to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien.evaluation.canvas import BLUE, MUTED, ORANGE, caption, dress, new_figure, to_png
from mien.evaluation.curves import Curve
from mien.evaluation.degrade import Kind, kinds
from mien.evaluation.report import is_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves_png(curves: Sequence[Curve]) -> bytes:
    """One panel for every metric and way to make pictures worse.

    Args:
        curves: Of one data set, at least one.
    """
    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    names = list(dict.fromkeys(curve.kind for curve in curves))
    figure = new_figure(0.7 + 3.2 * len(names), 0.9 + 1.9 * len(metrics))
    grid = figure.subplots(len(metrics), len(names), sharey="row", sharex="col", squeeze=False)
    for curve in curves:
        row, column = metrics.index(curve.metric), names.index(curve.kind)
        axes, kind = grid[row, column], kinds[curve.kind]
        _draw(axes, curve, kind)
        dress(
            axes,
            title="" if row else kind.heading[:1].upper() + kind.heading[1:],
            x=kind.axis if row == len(metrics) - 1 else "",
            y="" if column else _label(curve.metric),
        )
    for axes in grid.flat:
        axes.set_visible(axes.has_data())
    # Above the panels: inside of one, some curve would run through it.
    found = grid[0, 0].get_legend_handles_labels()
    figure.legend(*found, fontsize=7.5, frameon=False, loc="outside upper right", ncols=2)
    protocols = "; ".join(dict.fromkeys(curve.protocol for curve in curves))
    caption(figure, f"{protocols}; with 95 % intervals; worse pictures to the right")
    return to_png(figure)


def _draw(axes: Axes, curve: Curve, kind: Kind) -> None:
    """Points with intervals over the steps, and a dashed line for the picture as it is."""
    scale = 100 if is_share(curve) else 1
    steps = [(s.level, s.estimate) for s in curve.levels if s.level is not None]
    untouched = [s.estimate.value for s in curve.levels if s.level is None]
    for value in untouched:
        axes.axhline(
            scale * value, color=ORANGE, linewidth=1.2, linestyle="--", label="picture as it is"
        )
    x = [level for level, _ in steps]
    y = np.array([found.value for _, found in steps])
    ends = np.array([(found.low, found.high) for _, found in steps]).T
    reach = np.array([y - ends[0], ends[1] - y]).clip(0)
    axes.errorbar(
        x,
        scale * y,
        scale * reach,
        fmt="o-",
        color=BLUE,
        markersize=4,
        linewidth=1.4,
        elinewidth=1,
        capsize=2,
        label="made worse",
    )
    n = curve.levels[0].estimate.n
    axes.set_title(f"n = {n}", loc="right", fontsize=7.5, color=MUTED)
    axes.set_xscale(kind.scale)
    axes.set_xticks(x, [kind.short.format(level) for level in x])
    axes.minorticks_off()
    if x[0] > x[-1]:
        axes.set_xlim(*sorted(axes.get_xlim(), reverse=True))


def _label(metric: str) -> str:
    """Name of a metric with its unit, in two lines where it is long."""
    from textwrap import fill

    name, _, unit = metric.partition(", ")
    return fill(f"{name},\N{NO-BREAK SPACE}{unit or '%'}", 20)
