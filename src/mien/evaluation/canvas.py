"""An empty figure and its PNG, without touching matplotlib's global state."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from mien.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, PALE, GRID = "#1f2933", "#5f6c7b", "#9aa5b1", "#e3e8ee"
BLUE, ORANGE = "#2b6cb0", "#c05621"
"""Told apart by the colour-blind and in print."""

DPI = 130


def require_plots(what: str = "drawing plots") -> None:
    """Refuse early when the library that draws is not installed.

    Args:
        what: The feature, as the start of a sentence.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError(what, "plots")


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure that draws without a screen.

    Args:
        width: Inches.
        height: Inches.

    Raises:
        MissingExtraError: The library that draws is not installed.
    """
    require_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(
    axes: Axes,
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    grid: Literal["x", "y", "both"] | None = "y",
) -> None:
    """Give axes the look that all our figures share.

    Args:
        axes: What to change.
        title: One line, left above.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        grid: Lines across this axis, across both, or none.
    """
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=MUTED, length=3)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(MUTED)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)


def caption(figure: Figure, text: str) -> None:
    """Write the protocol in small letters below the figure, broken where it is too long."""
    from textwrap import fill

    characters = int(figure.get_figwidth() * 17)
    figure.supxlabel(fill(text, characters), fontsize=7.5, color=MUTED, x=0.01, ha="left")


def to_png(figure: Figure) -> bytes:
    """Draw the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
