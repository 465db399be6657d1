"""The parts of the window besides the picture: people, timeline, status, help."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.live.history import CELL_S, SPAN_S, History, Person
from mien.live.layout import MOST_SHOWN, Layout
from mien.live.meters import Reading
from mien.live.sheet import (
    DARK,
    GROUND,
    INK,
    LINE,
    MUTED,
    RED,
    SOFT,
    Sheet,
    first_fitting,
    wide,
)
from mien.results import Distribution
from mien.sinks.colours import Colour, expression_colours
from mien.sinks.draw import PALETTE
from mien.sinks.labels import CALM_PERCENT, SEPARATOR, answers, face_lines, percent, steady
from mien.sinks.layout import Rect

KEYS = (
    ("SPACE", "pause and go on"),
    ("S", "save a picture, with and without labels"),
    ("R", "record: begin and end"),
    ("B", "blur the faces"),
    ("M", "mirror"),
    ("F", "full screen"),
    ("H", "this help"),
    ("Q", "quit"),
)
"""Keys and what they do."""

ROW, HIGHEST = 4.6, 7.0
"""Height of a band of the timeline when all have room, and at most, in units."""


@dataclass(frozen=True, slots=True)
class State:
    """What the status line tells.

    Attributes:
        is_paused: Whether the picture stands still.
        is_blurred: Whether faces are hidden.
        is_mirrored: Whether left and right are exchanged.
        recording_s: Length of the recording under way; ``None`` without one.
        reading: What the meters show.
    """

    is_paused: bool = False
    is_blurred: bool = False
    is_mirrored: bool = False
    recording_s: float | None = None
    reading: Reading = Reading()  # noqa: RUF009  # frozen


def draw_people(sheet: Sheet, layout: Layout, history: History) -> None:
    """Answers and bars of the most important people."""
    room, unit = layout.people, layout.unit
    people = [person for person in history.leading(layout.count) if history.is_here(person)]
    if not people:
        middle = (room.left + room.right) / 2, room.top + 2.0 * unit
        sheet.text(middle, "nobody in the picture", unit, MUTED, anchor="m")
        return
    height = (room.bottom - room.top) / layout.count
    for number, person in enumerate(people):
        top = round(room.top + number * height)
        _draw_person(sheet, Rect(room.left, top, room.right, round(top + height)), unit, person)


def _draw_person(sheet: Sheet, room: Rect, unit: int, person: Person) -> None:
    _draw_name(sheet, room, unit, person)
    known = answers(person.face)
    if known is None or known.emotion is None:
        return
    top = room.top + 1.8 * unit
    pitch = min(1.5 * unit, (room.bottom - 0.5 * unit - top) / len(known.emotion.labels))
    bars = Rect(room.left, round(top), room.right, room.bottom)
    _draw_bars(sheet, bars, unit, pitch, known.emotion, person.shown)


def _draw_name(sheet: Sheet, room: Rect, unit: int, person: Person) -> None:
    """Number, age and gender; the chip has the colour of the box in the picture."""
    number, *lines = face_lines(person.face, person.shown)
    known = answers(person.face)
    if known is not None and known.emotion is not None:
        lines.pop()  # the bars say it
    middle = room.top + 0.85 * unit
    left = draw_chip(sheet, (room.left, middle), unit, person.track_id, number)
    left += 0.6 * unit
    options = [SEPARATOR.join(lines[:count]) for count in range(len(lines), 0, -1)] or [""]
    text = first_fitting(options, unit, room.right - left)
    sheet.text((left, middle), text, unit, INK if known is not None else MUTED)


def draw_chip(sheet: Sheet, at: tuple[float, float], unit: int, track_id: int, text: str) -> float:
    """The number of a person in the colour of the box; returns where it ends."""
    colour = PALETTE[track_id % len(PALETTE)]
    size = max(9, round(0.85 * unit))
    left, width, half = round(at[0]), wide(text, size) + round(0.8 * unit), round(0.65 * unit)
    top = round(at[1]) - half
    sheet.pill(Rect(left, top, left + width, top + 2 * half), colour, half)
    ink = DARK if _luma(colour) > 110 else GROUND
    sheet.text((left + width / 2, at[1]), text, size, ink, anchor="m")
    return left + width


def _draw_bars(
    sheet: Sheet, room: Rect, unit: int, pitch: float, emotion: Distribution, shown: dict[str, int]
) -> None:
    """One bar an expression, in the order of the model, so that each keeps its place."""
    size = max(9, min(round(0.95 * unit), round(0.92 * pitch)))
    names = max(wide(label, size) for label in emotion.labels)
    left = room.left + names + round(0.6 * unit)
    right = room.right - wide(">99 %", size) - round(0.4 * unit)
    colours = expression_colours(emotion.labels)
    half = max(2, round(0.31 * pitch))
    for number, (label, share) in enumerate(
        zip(emotion.labels, emotion.probabilities, strict=True)
    ):
        middle = room.top + (number + 0.5) * pitch
        is_best = label == emotion.best
        ink = INK if is_best else MUTED
        sheet.text((room.left, middle), label, size, ink)
        track = Rect(left, round(middle) - half, right, round(middle) + half)
        sheet.fill(track, SOFT)
        bar = track._replace(right=left + max(1, round(share * (right - left))))
        sheet.fill(bar, colours[label])
        if bar.right - bar.left > 2:
            sheet.frame(bar, _darker(colours[label]))
        key = f"bar {label}"
        shown[key] = steady(100 * share, shown.get(key), CALM_PERCENT)
        sheet.text((room.right, middle), percent(shown[key] / 100), size, ink, anchor="r")


def draw_timeline(sheet: Sheet, layout: Layout, history: History) -> None:
    """Expressions of the last seconds: for everybody a band in which shares are heights."""
    room, unit = layout.timeline, layout.unit
    size = max(9, round(0.85 * unit))
    people = history.leading(MOST_SHOWN)
    chips = round(2.6 * unit)
    bottom = min(room.bottom - round(1.5 * unit), room.top + round(MOST_SHOWN * ROW * unit))
    plot = Rect(room.left + chips, room.top, room.right, bottom)
    _draw_axis(sheet, plot, unit, size)
    gap = round(0.35 * unit)
    height = min(round(HIGHEST * unit), (plot.bottom - plot.top) // max(1, len(people)))
    for number, person in enumerate(people):
        top = plot.top + number * height
        row = Rect(plot.left, top, plot.right, top + height - gap)
        middle = (row.top + row.bottom) / 2
        draw_chip(sheet, (room.left, middle), unit, person.track_id, f"#{person.track_id}")
        sheet.fill(row, SOFT)
        _draw_bands(sheet, row, person, history.now_s)
        sheet.frame(row, LINE)


def _draw_axis(sheet: Sheet, plot: Rect, unit: int, size: int) -> None:
    step = 5 if plot.right - plot.left > 30 * unit else 10
    for ago in range(0, round(SPAN_S) + 1, step):
        x = plot.right - ago / SPAN_S * (plot.right - plot.left)
        text = "now" if ago == 0 else f"-{ago} s"
        anchor = "r" if ago == 0 else "l" if ago == SPAN_S else "m"
        sheet.text((x, plot.bottom + 0.65 * unit), text, size, MUTED, anchor=anchor)


def _draw_bands(sheet: Sheet, row: Rect, person: Person, now_s: float) -> None:
    known = answers(person.face)
    if known is None or known.emotion is None:
        return
    colours = np.array(list(expression_colours(known.emotion.labels).values()), np.uint8)
    scale = (row.right - row.left) / SPAN_S
    for times, shares in person.runs():
        if shares.shape[1] != len(colours):
            continue
        # Every mean stands for its cell: the band reaches from the first edge to the last.
        first = row.right - (now_s - times[0] + CELL_S / 2) * scale
        last = row.right - (now_s - times[-1] - CELL_S / 2) * scale
        x = np.arange(max(row.left, round(first)), max(min(row.right, round(last)), row.left))
        if len(x):
            when = now_s - (row.right - x - 0.5) / scale
            columns = np.stack([np.interp(when, times, share) for share in shares.T], axis=1)
            sheet.bands(row, int(x[0]), columns, colours)


def draw_status(sheet: Sheet, layout: Layout, state: State) -> None:
    """What is switched on, how fast and how late everything is, and where help is."""
    room, unit = layout.status, layout.unit
    sheet.fill(room, SOFT)
    size = max(9, round(0.9 * unit))
    middle = (room.top + room.bottom) / 2
    left = float(room.left + round(0.8 * unit))
    for text, colour in _flags(state):
        left = _draw_flag(sheet, (left, middle), size, text, colour) + 0.5 * unit
    right = room.right - round(0.8 * unit)
    text = first_fitting(_figures(state.reading), size, right - left)
    sheet.text((right, middle), text, size, INK, anchor="r")


def _flags(state: State) -> list[tuple[str, Colour]]:
    flags: list[tuple[str, Colour]] = []
    if state.recording_s is not None:
        minutes, seconds = divmod(int(state.recording_s), 60)
        flags.append((f"REC {minutes}:{seconds:02d}", RED))
    if state.is_paused:
        flags.append(("PAUSED", INK))
    if state.is_blurred:
        flags.append(("BLUR", MUTED))
    if state.is_mirrored:
        flags.append(("MIRROR", MUTED))
    return flags


def _draw_flag(
    sheet: Sheet, at: tuple[float, float], size: int, text: str, colour: Colour
) -> float:
    left, width, half = round(at[0]), wide(text, size) + round(1.0 * size), round(0.75 * size)
    top = round(at[1]) - half
    sheet.pill(Rect(left, top, left + width, top + 2 * half), colour, half)
    sheet.text((left + width / 2, at[1]), text, size, GROUND, anchor="m")
    return left + width


def _figures(reading: Reading) -> list[str]:
    """The figures of the status line, from long to short."""
    rates = [
        (name, value)
        for name, value in (
            ("capture", reading.capture),
            ("inference", reading.inference),
            ("screen", reading.screen),
        )
        if value is not None
    ]
    long = [f"{name} {value:.0f}" for name, value in rates]
    fps = [f"{SEPARATOR.join(long)} fps"] if long else []
    shown = [f"{rates[-1][1]:.0f} fps"] if rates else []
    late, brief = [], []
    if reading.median_s is not None and reading.p95_s is not None:
        median, p95 = 1000 * reading.median_s, 1000 * reading.p95_s
        late = [f"delay {median:.0f} ms, 95 % below {p95:.0f} ms"]
        brief = [f"delay {median:.0f} / {p95:.0f} ms"]
    parts = ([*fps, *late], [*fps, *brief], [*shown, *brief])
    options = ["   ".join([*part, "H help"]) for part in parts]
    return [*options, "H help"]


def draw_notice(sheet: Sheet, room: Rect, unit: int, text: str) -> None:
    """One line at the top of the picture: labels are mostly below the faces."""
    size = unit
    text = first_fitting([text], size, room.right - room.left - 3 * unit)
    width, height = wide(text, size) + 2 * unit, 2 * unit
    left = (room.left + room.right - width) // 2
    top = room.top + unit
    rim = max(1, unit // 8)
    sheet.pill(Rect(left - rim, top - rim, left + width + rim, top + height + rim), GROUND, unit)
    sheet.pill(Rect(left, top, left + width, top + height), DARK, unit)
    sheet.text((left + width / 2, top + height / 2), text, size, GROUND, anchor="m")


def draw_help(sheet: Sheet, room: Rect, unit: int) -> None:
    """All keys, on a card over the picture."""
    size = unit
    keys = max(wide(key, size) for key, _ in KEYS) + 2 * unit
    width = keys + max(wide(text, size) for _, text in KEYS) + round(3.5 * unit)
    pitch = min(2.1 * unit, (room.bottom - room.top - 1.5 * unit) / len(KEYS))
    height = round(pitch * len(KEYS) + 1.2 * unit)
    left = (room.left + room.right - width) // 2
    top = max(room.top, (room.top + room.bottom - height) // 2)
    card = Rect(left, top, left + width, top + height)
    sheet.dim(room, 0.6)
    sheet.pill(card, LINE, unit)
    sheet.pill(Rect(left + 1, top + 1, card.right - 1, card.bottom - 1), GROUND, unit - 1)
    for number, (key, text) in enumerate(KEYS):
        middle = top + 0.6 * unit + (number + 0.5) * pitch
        half = round(0.38 * pitch)
        cap = Rect(left + unit, round(middle) - half, left + keys, round(middle) + half)
        sheet.pill(cap, SOFT, round(0.4 * unit))
        sheet.text(((cap.left + cap.right) / 2, middle), key, size, INK, anchor="m")
        sheet.text((left + keys + unit, middle), text, size, INK)


def draw_waiting(sheet: Sheet, room: Rect, unit: int, text: str) -> None:
    """A quiet field where the picture will be."""
    sheet.fill(room, SOFT)
    middle = (room.left + room.right) / 2, (room.top + room.bottom) / 2
    text = first_fitting([text], unit, room.right - room.left - 2 * unit)
    sheet.text(middle, text, unit, MUTED, anchor="m")


def _luma(colour: Colour) -> float:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _darker(colour: Colour) -> Colour:
    red, green, blue = (round(0.8 * part) for part in colour)
    return red, green, blue
