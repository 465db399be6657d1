"""Figures without time: what age people look, and how many of which group there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.people import Person
from mien.report.figures import (
    BLUE,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PALE,
    PALE_BLUE,
    Drawing,
    axis,
    css,
    layout,
)
from mien.sinks.colours import expression_colours

GROUP_COLOURS = (ORANGE, BLUE, "#6b7c93", "#2f8f6b")
PATTERNS = ("", "/", ".", "x")
"""Told apart in black and white, too."""

UNANSWERED = "not answered"
FEW = 12
"""Up to so many people, each has a tall row."""


def ages(people: Sequence[Person], name: str, *, title: str) -> Drawing:
    """Apparent age of everybody: the whole distribution, its 80 % interval and its mean.

    Args:
        people: One row each.
        name: Of the file when it is downloaded.
        title: Above it then.
    """
    people = [person for person in people if person.age_years is not None]
    row_px = 54 if len(people) <= FEW else 20
    highest = max((max(person.age_distribution or (0.0,)) for person in people), default=0.0)
    data: list[dict[str, Any]] = []
    for row, person in enumerate(reversed(people)):
        if person.age_distribution is not None and highest > 0:
            heights = row + 0.82 * np.array(person.age_distribution) / highest
            data += _ridge(person, row, heights)
        data += _interval(person, row)
    height = 52 + row_px * len(people)
    names = [f"Person {person.track_id}" for person in reversed(people)]
    figure = {
        "data": data,
        "layout": layout(
            height,
            hovermode="closest",
            xaxis=axis(
                range=[0, 100],
                dtick=10,
                showgrid=True,
                gridcolor=GRID,
                showline=True,
                title={"text": "apparent age, years", "font": {"size": 12, "color": MUTED}},
                fixedrange=True,
            ),
            yaxis=axis(
                tickvals=list(range(len(people))),
                ticktext=names,
                range=[-0.35, len(people) - 0.05],
                ticks="",
                fixedrange=True,
            ),
        ),
    }
    words = "Apparent ages with 80 % intervals. " + "; ".join(
        f"person {person.track_id}: {person.age_years:.0f}{_span(person)} years"
        for person in people
    )
    return Drawing(name, title, words, height, figure)


def _span(person: Person) -> str:
    if person.age_low is None or person.age_high is None:
        return ""
    return f" ({person.age_low:.0f} to {person.age_high:.0f})"


def _ridge(person: Person, row: int, heights: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """The distribution as an area on its row, darker within the interval."""
    years = np.arange(len(heights), dtype=np.float64)
    parts: list[dict[str, Any]] = [_area(years, heights, row, PALE_BLUE + "80")]
    if person.age_low is not None and person.age_high is not None:
        # The interval ends between two whole years, where the curve is not sampled.
        ends = np.array([person.age_low, person.age_high])
        inside = years[(years > ends[0]) & (years < ends[1])]
        within = np.concatenate([ends[:1], inside, ends[1:]])
        parts.append(_area(within, np.interp(within, years, heights), row, BLUE + "73"))
    parts.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": years,
            "y": heights.astype(np.float32),
            "customdata": (100 * np.array(person.age_distribution)).astype(np.float32),
            "line": {"width": 1, "color": BLUE},
            "hovertemplate": f"Person {person.track_id}: %{{x}} years, "
            "%{customdata:.1f} %<extra></extra>",
        }
    )
    return parts


def _area(
    years: np.ndarray[Any, Any], heights: np.ndarray[Any, Any], row: int, colour: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "x": np.concatenate([years, years[::-1]]).astype(np.float32),
        "y": np.concatenate([heights, np.full(len(years), row)]).astype(np.float32),
        "line": {"width": 0},
        "fillcolor": colour,
        "hoverinfo": "skip",
    }


def _interval(person: Person, row: int) -> list[dict[str, Any]]:
    """A line from end to end of the interval, and a dot at the mean."""
    years = person.age_years
    parts: list[dict[str, Any]] = []
    if person.age_low is not None and person.age_high is not None:
        parts.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [person.age_low, person.age_high],
                "y": [row, row],
                "line": {"width": 3, "color": BLUE},
                "hoverinfo": "skip",
            }
        )
    group = "" if person.age_group is None else f", group {person.age_group}"
    parts.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [years],
            "y": [row],
            "marker": {"size": 9, "color": INK, "line": {"width": 1.5, "color": "#ffffff"}},
            "hovertemplate": f"Person {person.track_id}: {years:.1f}{_span(person)} years{group}"
            "<extra></extra>",
        }
    )
    return parts


def counts(
    found: Mapping[tuple[str | None, str | None], int],
    groups: Sequence[str],
    genders: Sequence[str],
    *,
    unit: str,
    name: str,
    title: str,
) -> Drawing:
    """How many there are in every age group, by gender.

    Args:
        found: Number by age group and gender; ``None`` is not answered.
        groups: Age groups in their order.
        genders: Labels in their order.
        unit: What is counted, e.g. ``"people"``.
        name: Of the file when it is downloaded.
        title: Above it then.
    """
    places: list[str | None] = [*groups]
    places += [None] * any(group is None and count for (group, _), count in found.items())
    kinds: list[str | None] = [*genders]
    kinds += [None] * any(gender is None and count for (_, gender), count in found.items())
    data = [
        _bars(k, gender, places, [found.get((group, gender), 0) for group in places], unit)
        for k, gender in enumerate(kinds)
    ]
    top = max(found.values(), default=1)
    figure = {
        "data": data,
        "layout": layout(
            250,
            barmode="group",
            bargap=0.3,
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            margin={"l": 44, "r": 26, "t": 30, "b": 30},
            xaxis=axis(
                type="category",
                showline=True,
                ticks="",
                fixedrange=True,
                title={"text": "apparent age group", "font": {"size": 12, "color": MUTED}},
            ),
            yaxis=axis(
                range=[0, 1.15 * max(1, top)],
                showgrid=True,
                gridcolor=GRID,
                ticks="",
                fixedrange=True,
                title={"text": unit, "font": {"size": 12, "color": MUTED}},
                **({"dtick": 1} if top <= 8 else {}),
            ),
        ),
    }
    words = f"Number of {unit} by age group and gender: " + "; ".join(
        f"{group or UNANSWERED}, {gender or UNANSWERED}: {count}"
        for (group, gender), count in found.items()
    )
    return Drawing(name, title, words, 250, figure)


def _bars(
    k: int, gender: str | None, places: Sequence[str | None], values: list[int], unit: str
) -> dict[str, Any]:
    """One bar an age group, for one gender."""
    label = gender or UNANSWERED
    colour = PALE if gender is None else GROUP_COLOURS[k % len(GROUP_COLOURS)]
    return {
        "type": "bar",
        "x": [group or UNANSWERED for group in places],
        "y": values,
        "name": label,
        "text": [f"{value:,}" if value else "" for value in values],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {
            "color": colour,
            "pattern": {
                "shape": PATTERNS[k % len(PATTERNS)],
                "bgcolor": colour,
                "fgcolor": "#ffffff",
                "size": 6,
                "solidity": 0.15,
            },
        },
        "hovertemplate": f"%{{x}}, {label}: %{{y}} {unit}<extra></extra>",
    }


def people_counts(people: Sequence[Person]) -> Counter[tuple[str | None, str | None]]:
    """How many people there are by age group and gender."""
    return Counter(
        (person.age_group, None if person.gender is None else person.gender.best)
        for person in people
    )


def expressions(found: Mapping[str, int], name: str) -> Drawing:
    """How many faces have which most probable expression."""
    pairs = sorted(found.items(), key=lambda pair: pair[1])
    colours = expression_colours(label for label, _ in pairs)
    height = 60 + 24 * len(pairs)
    figure = {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [label for label, _ in pairs],
                "x": [count for _, count in pairs],
                "text": [f"{count:,}" for _, count in pairs],
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": [css(colours[label]) for label, _ in pairs]},
                "hovertemplate": "%{y}: %{x} faces<extra></extra>",
            }
        ],
        "layout": layout(
            height,
            bargap=0.3,
            margin={"l": 44, "r": 50, "t": 8, "b": 30},
            xaxis=axis(
                showgrid=True,
                gridcolor=GRID,
                rangemode="tozero",
                fixedrange=True,
                title={"text": "faces", "font": {"size": 12, "color": MUTED}},
            ),
            yaxis=axis(type="category", ticks="", fixedrange=True),
        ),
    }
    words = "Faces by facial expression: " + "; ".join(f"{k}: {v}" for k, v in reversed(pairs))
    return Drawing(name, "Faces by facial expression", words, height, figure)
