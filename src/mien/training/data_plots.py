"""Pictures of a data card: classes, ages and groups by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from mien.config import MAX_AGE
from mien.datasets import Record
from mien.datasets.summary import LabelCounts
from mien.evaluation.canvas import BLUE, INK, ORANGE, PALE, caption, dress, new_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Mapping[str, str] = MappingProxyType({"train": BLUE, "val": PALE, "test": ORANGE})
MAX_BARS = 30
"""A picture with more classes than this shows the largest ones."""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "expression": "Facial expression",
        "gender": "Gender",
        "age range": "Age range, years",
        "group": "Group, as the data set labels it",
    }
)


def data_pictures(
    dataset: str, counts: Sequence[LabelCounts], records: Sequence[Record]
) -> dict[str, bytes]:
    """PNG files by name: ``classes.png``, ``ages.png`` and ``groups.png``, as labels allow.

    Args:
        dataset: Name for the captions.
        counts: Labels of the records.
        records: Faces that are used.

    Raises:
        MissingExtraError: The library that draws is not installed.
    """
    by_key = {part.key: part for part in counts}
    note = f"{dataset}, n = {len(records):,} faces"
    plans = {
        "classes.png": [by_key[key] for key in ("expression", "gender") if key in by_key],
        "groups.png": [by_key[key] for key in ("group",) if key in by_key],
    }
    drawn = {name: to_png(bars_figure(parts, note)) for name, parts in plans.items() if parts}
    if "age" in by_key or "age range" in by_key:
        drawn["ages.png"] = to_png(ages_figure(records, by_key.get("age range"), note))
    return drawn


def bars_figure(parts: Sequence[LabelCounts], note: str) -> Figure:
    """One panel a label below each other, one bar a value, stacked by split."""
    heights = [min(len(part.rows), MAX_BARS) for part in parts]
    figure = new_figure(7.2, 0.9 + sum(0.62 + 0.3 * height for height in heights))
    panels = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, part in zip(panels, parts, strict=True):
        _bars(axes, part)
    _legend(panels[0])
    caption(figure, note)
    return figure


def _bars(axes: Axes, part: LabelCounts) -> None:
    """Horizontal bars with count and share behind each."""
    names = list(part.rows)
    everything = sum(part.total(name) for name in names)
    title = NAMES[part.key]
    if len(names) > MAX_BARS:
        names = sorted(names, key=part.total, reverse=True)[:MAX_BARS]
        title += f": the {MAX_BARS} largest of {len(part.rows)}"
    places = np.arange(len(names))
    left = np.zeros(len(names))
    for split, colour in COLOURS.items():
        width = np.array([part.rows[name].get(split, 0) for name in names])
        if not width.any():
            continue
        axes.barh(places, width, left=left, height=0.72, color=colour, label=split)
        left += width
    for place, total in zip(places, left, strict=True):
        axes.annotate(
            f"{total:,.0f} · {100 * total / everything:.1f} %",
            (total, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
    axes.set_yticks(places, [_tick(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, left.max() * 1.2)  # room for the numbers
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", integer=True, nbins=6)
    dress(axes, title=title, x="faces", grid="x")
    axes.tick_params(axis="y", length=0)


def _tick(name: str) -> str:
    """A name as it can stand beside a bar: short, and a dollar begins no formula."""
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")


def ages_figure(records: Sequence[Record], ranges: LabelCounts | None, note: str) -> Figure:
    """Faces of every year of age, stacked by split; or of every range, or both."""
    years = [record for record in records if record.age_years is not None]
    bars = min(len(ranges.rows), MAX_BARS) if ranges else 0
    heights = [2.3] * bool(years) + [0.62 + 0.3 * bars] * bool(bars)
    figure = new_figure(7.2, 0.9 + sum(heights))
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    if ranges:
        _bars(panels[-1], ranges)
    if years:
        _years(panels[0], years)
    _legend(panels[0])
    caption(figure, note)
    return figure


def _years(axes: Axes, records: Sequence[Record]) -> None:
    edges = np.arange(MAX_AGE + 2) - 0.5
    splits = [split for split in COLOURS if any(record.split == split for record in records)]
    axes.hist(
        [
            [min(int(r.age_years or 0), MAX_AGE) for r in records if r.split == split]
            for split in splits
        ],
        bins=list(edges),
        stacked=True,
        color=[COLOURS[split] for split in splits],
        label=splits,
    )
    middle = float(np.median([record.age_years or 0.0 for record in records]))
    axes.axvline(middle, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        f"median {middle:.0f}",
        (middle, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=INK,
    )
    axes.set_xlim(-1, MAX_AGE + 1)
    axes.set_xticks(range(0, MAX_AGE + 1, 10))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="y", integer=True)
    dress(axes, title="Age, years", x=f"years; the last bar is {MAX_AGE} and older", y="faces")


def _legend(axes: Axes) -> None:
    """Name the splits, right above the panel, where no bar is."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        fontsize=8,
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.0,
        columnspacing=1.2,
        labelcolor=INK,
    )
