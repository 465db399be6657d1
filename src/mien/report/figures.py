"""What all figures of the page share: look, axes, and how they become JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.report.collect import Clip
from mien.report.strip import Floats

INK, MUTED, GRID = "#1f2933", "#5f6c7b", "#e3e8ee"
BLUE, PALE_BLUE, ORANGE, PALE = "#2b6cb0", "#a9c7e6", "#c05621", "#9aa5b1"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'

EPOCH_MS = 86_400_000
"""Where clips begin on the time axis, a date axis: it takes numbers below 10,000 for years."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure and what the page says about it.

    Attributes:
        name: Of the file when it is downloaded, without an ending.
        title: Above it when it is downloaded; the page has its own headings.
        words: What it shows, for those who do not see it.
        height: In pixels.
        figure: ``data`` and ``layout`` of plotly.
        readout: Whether the script of the page tells what is under the pointer, for a box of
            plotly with many lines does not fit into a low figure.
    """

    name: str
    title: str
    words: str
    height: int
    figure: dict[str, Any]
    readout: bool = False


def css(colour: tuple[int, int, int]) -> str:
    """``"#d3dae1"``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def milliseconds(seconds: Floats) -> npt.NDArray[np.int64]:
    """What the time axis counts in."""
    return np.rint(1000 * np.asarray(seconds)).astype(np.int64) + EPOCH_MS


def layout(height: int, **changes: Any) -> dict[str, Any]:
    """What all figures share."""
    return {
        "height": height,
        "template": "none",
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 44, "r": 26, "t": 8, "b": 30},
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": "#ffffff",
            "bordercolor": PALE,
            "font": {"family": FONT, "size": 12, "color": INK},
        },
        **changes,
    }


def axis(**changes: Any) -> dict[str, Any]:
    """An axis without ornaments."""
    return {
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": PALE,
        "linecolor": PALE,
        "tickfont": {"color": MUTED},
        "automargin": True,
        **changes,
    }


def time_axis(clip: Clip) -> dict[str, Any]:
    """From the first to the last frame of the clip; a date axis, for it has round minutes."""
    start, end = milliseconds(np.array([clip.start_s, max(clip.end_s, clip.start_s + 0.001)]))
    span = [int(start), int(end)]
    clock = "%-H:%M:%S" if clip.end_s >= 3600 else "%-M:%S"
    return axis(
        type="date",
        range=span,
        minallowed=span[0],
        maxallowed=span[1],
        showline=True,
        hoverformat=f"{clock}.%1f",
        tickformatstops=[
            {"dtickrange": [None, 999], "value": f"{clock}.%1f"},
            {"dtickrange": [1000, None], "value": clock},
        ],
    )


def to_json(drawing: Drawing) -> str:
    """The figure for the script of the page; numbers are packed, and no tag can end it early."""
    from plotly.io import to_json as plotly_json

    text: str = plotly_json(drawing.figure, validate=True, engine="json")
    return text.replace("<", "\\u003c")


def short(source: str) -> str:
    """The last part of a path or address, printable."""
    name = re.split(r"[/\\]", source.rstrip("/\\"))[-1] or source
    return "".join(c if c.isprintable() else "?" for c in name) or "clip"


def slug(source: str) -> str:
    """The same as the beginning of a file name."""
    stem = re.sub(r"\.\w{1,5}$", "", short(source))
    return re.sub(r"[^\w-]+", "-", stem).strip("-")[:60] or "clip"
