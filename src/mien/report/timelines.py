"""Figures with time along them: who is seen when, and with which facial expression."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.people import NEGATIVE, POSITIVE, Person
from mien.report.collect import Clip
from mien.report.figures import (
    GRID,
    INK,
    MUTED,
    Drawing,
    axis,
    css,
    layout,
    milliseconds,
    short,
    time_axis,
)
from mien.report.strip import Floats, Points
from mien.sinks.colours import expression_colours

Percents = npt.NDArray[np.uint8]

NOT_SEEN = "not seen"
ROW_PX, LOW_ROW_PX, FEW = 26, 17, 20
"""Of a person in the overview, of one of many, and how many people have tall rows."""

CELLS = 12_000
"""Most cells of an overview, all people together."""


def overview(clip: Clip, people: Sequence[Person], name: str) -> Drawing:
    """Who is seen when: one line a person, coloured by the most probable expression."""
    labels = clip.labels.emotions
    colours = expression_colours(labels)
    columns = max(120, min(600, CELLS // max(1, len(people))))
    edges = np.linspace(clip.start_s, max(clip.end_s, clip.start_s + 0.001), columns + 1)
    bars: dict[int, list[tuple[int, float, float, float]]] = {k: [] for k in range(len(labels))}
    for row, person in enumerate(people):
        for best, begin, end, share in _blocks(clip.points(person.track_id), edges):
            bars[best].append((row, begin, end, share))
    data = [_bars(bars[k], label, css(colours[label])) for k, label in enumerate(labels) if bars[k]]
    names = [f"Person {person.track_id}" for person in people]
    rows = axis(
        tickvals=list(range(len(people))),
        ticktext=names,
        range=[len(people) - 0.5, -0.5],
        fixedrange=True,
        ticks="",
    )
    height = 44 + (ROW_PX if len(people) <= FEW else LOW_ROW_PX) * len(people)
    figure = {
        "data": data,
        "layout": layout(
            height,
            barmode="overlay",
            hovermode="closest",
            xaxis=time_axis(clip),
            yaxis=rows,
        ),
    }
    words = f"When each of {len(people)} people is seen, coloured by facial expression."
    title = f"{short(clip.source)}: who is seen when, most probable facial expression"
    return Drawing(name, title, words, height, figure)


def _bars(blocks: list[tuple[int, float, float, float]], name: str, colour: str) -> dict[str, Any]:
    rows, begins, ends, shares = (np.array(column) for column in zip(*blocks, strict=True))
    return {
        "type": "bar",
        "orientation": "h",
        "y": rows.astype(np.int64),
        "width": 0.72,
        "base": milliseconds(begins),
        "x": milliseconds(ends) - milliseconds(begins),
        "customdata": np.rint(100 * shares).astype(np.uint8),
        "name": name,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"%{{y}}: {name} %{{customdata}} %<br>%{{base}} to %{{x}}<extra></extra>",
    }


def _blocks(points: Points, edges: Floats) -> list[tuple[int, float, float, float]]:
    """Neighbouring cells with the same most probable expression, joined.

    Returns:
        Number of the expression, begin and end in seconds, and its mean probability.
    """
    if not len(points.first_s):
        return []
    last = np.searchsorted(points.first_s, edges[1:], side="left") - 1
    seen = (last >= 0) & (points.end_s[last] > edges[:-1])
    best = np.where(seen, points.shares[last].argmax(axis=1), -1)
    borders = [0, *(np.flatnonzero(best[1:] != best[:-1]) + 1).tolist(), len(best)]
    blocks = []
    for begin, end in pairwise(borders):
        if best[begin] >= 0:
            share = float(points.shares[last[begin:end], best[begin]].mean())
            blocks.append((int(best[begin]), float(edges[begin]), float(edges[end]), share))
    return blocks


SPIKE = {
    "showspikes": True,
    "spikemode": "across",
    "spikesnap": "hovered data",
    "spikethickness": 1,
    "spikedash": "solid",
    "spikecolor": INK,
}
"""A line through the moment that the pointer is at."""


def timeline(clip: Clip, person: Person, name: str, *, with_balance: bool = False) -> Drawing:
    """Facial expressions of one person over time: areas that fill 100 %, gaps where nobody is.

    Args:
        clip: Where the person is seen.
        person: Who.
        name: Of the file when it is downloaded.
        with_balance: With a line below, see `mien.people.balance`.
    """
    points = clip.points(person.track_id)
    times, shares, seen = stacked(points)
    labels = clip.labels.emotions
    colours = expression_colours(labels)
    data = [
        _area(times, shares[:, k], label, css(colours[label])) for k, label in enumerate(labels)
    ]
    # An area of its own, so that pointing into a gap says so instead of naming eight zeros.
    data.append(_area(times, np.where(seen, 0, 100).astype(np.uint8), NOT_SEEN, "#ffffff"))
    words = f"Facial expressions of person {person.track_id} over time."
    if person.emotion is not None:
        pairs = zip(person.emotion.labels, person.emotion.probabilities, strict=True)
        words += " Mean: " + ", ".join(
            f"{label} {100 * share:.0f} %" for label, share in pairs if share >= 0.005
        )
    height = 168
    shape = layout(
        height,
        hovermode="x",
        xaxis=time_axis(clip) | SPIKE,
        yaxis=axis(
            range=[0, 100],
            tickvals=[0, 50, 100],
            ticktext=["0", "50 %", "100 %"],
            fixedrange=True,
        ),
    )
    if with_balance and person.balance is not None:
        data.append(_balance_line(points, labels))
        height = 236
        shape |= {"height": height}
        shape["xaxis"] |= {"anchor": "y2"}
        shape["yaxis"] |= {"domain": [0.36, 1]}
        shape["yaxis2"] = axis(
            range=[-1.1, 1.1],
            tickvals=[-1, 0, 1],
            domain=[0, 0.26],
            fixedrange=True,
            showgrid=True,
            gridcolor=GRID,
            title={"text": "balance", "font": {"size": 11, "color": MUTED}},
        )
    title = f"{short(clip.source)}, person {person.track_id}: facial expressions over time"
    return Drawing(name, title, words, height, {"data": data, "layout": shape}, readout=True)


def _balance_line(points: Points, labels: Sequence[str]) -> dict[str, Any]:
    """Positive minus negative expressions; the line breaks where the person is not seen."""
    times: list[Floats] = []
    values: list[Floats] = []
    signs = np.array([float((name in POSITIVE) - (name in NEGATIVE)) for name in labels])
    for run in points.runs():
        times += [points.time_s[run], points.end_s[run][-1:]]
        values += [points.shares[run] @ signs, np.array([np.nan])]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": milliseconds(np.concatenate(times)),
        "y": np.concatenate(values).astype(np.float32),
        "yaxis": "y2",
        "name": "balance",
        "line": {"width": 1.4, "color": INK},
        "hoverinfo": "none",
    }


def _area(
    times: npt.NDArray[np.int64], values: npt.NDArray[np.uint8], name: str, colour: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "stackgroup": "one",
        "x": times,
        "y": values,
        "name": name,
        "line": {"width": 0, "color": colour},
        "fillcolor": colour,
        "hoverinfo": "none",
    }


def stacked(
    points: Points,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Corners of areas in whole per cent that add up to 100 wherever the person is seen.

    Returns:
        Times in milliseconds, shares of shape ``(n, labels)``, and whether the person is seen.
        Every run of frames begins and ends with a point of no height, so that gaps stay empty.
    """
    times: list[Floats] = []
    shares: list[Floats] = []
    seen: list[npt.NDArray[np.bool_]] = []
    for run in points.runs():
        first, end = points.first_s[run][:1], points.end_s[run][-1:]
        inside = points.shares[run]
        none = np.zeros((1, inside.shape[1]))
        times += [first - 0.001, first, points.time_s[run], end, end + 0.001]
        shares += [none, inside[:1], inside, inside[-1:], none]
        seen += [np.array([False, *[True] * (len(inside) + 2), False])]
    if not times:
        return milliseconds(np.zeros(0)), np.zeros((0, 0), np.uint8), np.zeros(0, bool)
    flags = np.concatenate(seen)
    return milliseconds(np.concatenate(times)), _percents(np.concatenate(shares)), flags


def _percents(shares: Floats) -> npt.NDArray[np.uint8]:
    """Whole per cent with the same sum: the largest rests are rounded up."""
    scaled = 100 * shares
    floors = np.floor(scaled)
    lacking = np.rint(scaled.sum(axis=1) - floors.sum(axis=1)).astype(int)
    ranks = (floors - scaled).argsort(axis=1, kind="stable").argsort(axis=1)
    return np.asarray(floors + (ranks < lacking[:, None]), np.uint8)
