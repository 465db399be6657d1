"""From tables to what the page shows: one pass, memory by people and not by rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.people import NO_TIME_S, FrameClock, Person, Sums
from mien.report.rows import Floats, Integers, Rows, read_rows
from mien.report.strip import Points, Ruler, Strip
from mien.report.tables import Labels, Table
from mien.results import Box, Distribution


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a person is seen best."""

    clear: float
    time_s: float
    index: int
    box: Box


@dataclass(slots=True)
class Track:
    """One person while the table is read."""

    strip: Strip
    sums: Sums = field(default_factory=Sums)
    best: Moment | None = None


@dataclass(slots=True)
class Clip:
    """One clip while its table is read, and after.

    Attributes:
        source: As in the table.
        table: Which table it is from.
        labels: What its answers choose from.
        width: Of the frames, in pixels.
        height: Of the frames.
        frames: How many were looked at.
        unreadable: How many could not be read.
        first_error: Why, for the first of them.
        unfollowed: Faces that no person has.
        start_s: Time of the first frame.
        end_s: When the last frame ends.
        tracks: By number, in the order in which they were first seen.
    """

    source: str
    table: Path
    labels: Labels
    width: int = 0
    height: int = 0
    frames: int = 0
    unreadable: int = 0
    first_error: str | None = None
    unfollowed: int = 0
    start_s: float = float("inf")
    end_s: float = float("-inf")
    tracks: dict[int, Track] = field(default_factory=dict)
    clock: FrameClock = field(default_factory=FrameClock)
    ruler: Ruler | None = None

    def people(self, *, with_balance: bool = False) -> list[Person]:
        """Summaries in the order in which they were first seen."""
        return [
            track.sums.person(self.source, number, with_balance=with_balance)
            for number, track in self.tracks.items()
        ]

    def points(self, track_id: int) -> Points:
        """Expressions of one person over time."""
        return self.tracks[track_id].strip.points()


@dataclass(slots=True)
class Stills:
    """All pictures together: counts by face.

    Attributes:
        images: How many were looked at.
        unreadable: How many could not be read.
        first_error: Why, for the first of them.
        faces: How many faces.
        groups: Faces by age group and gender.
        emotions: Faces by most probable expression.
    """

    images: int = 0
    unreadable: int = 0
    first_error: str | None = None
    faces: int = 0
    groups: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    emotions: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Contents:
    """Everything that the tables hold."""

    age_groups: tuple[str, ...]
    genders: tuple[str, ...]
    clips: list[Clip] = field(default_factory=list)
    stills: Stills = field(default_factory=Stills)


def collect(tables: Iterable[Table]) -> Contents:
    """Read all tables.

    A clip belongs to its table: two tables of one clip give two sections.
    """
    tables = list(tables)
    contents = Contents(
        age_groups=_joined(table.labels.age_groups for table in tables),
        genders=_joined(table.labels.genders for table in tables),
    )
    for table in tables:
        reader = _Reader(table, contents.stills)
        for batch in table.batches():
            reader.add(read_rows(batch, table.labels))
        contents.clips += reader.clips.values()
    return contents


def _joined(labels: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for some in labels for label in some))


class _Reader:
    """Takes the batches of one table."""

    def __init__(self, table: Table, stills: Stills) -> None:
        self.clips: dict[str, Clip] = {}
        self._table = table
        self._stills = stills
        self._last: tuple[object, ...] = ()

    def add(self, rows: Rows) -> None:
        """Take the next rows; a frame may go on from the rows before."""
        if not len(rows):
            return
        starts = _frame_starts(rows)
        frames = [(rows.source[k], rows.index[k], np.nan_to_num(rows.time_s[k])) for k in (0, -1)]
        starts[0] = frames[0] != self._last or rows.face[0] <= 0
        self._last = frames[1]
        codes = rows.source.codes
        borders = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(rows)]
        for begin, end in pairwise(borders):
            part = np.arange(begin, end)
            source = rows.source[begin] or ""
            timed = ~np.isnan(rows.time_s[part])
            if timed.any() and source not in self.clips:
                self.clips[source] = Clip(source, self._table.path, self._table.labels)
            if source in self.clips:
                _add_frames(self.clips[source], rows, part[timed], starts)
                _note_errors(self.clips[source], rows, part)
            else:
                _add_stills(self._stills, rows, part, starts, self._table.labels)
                _note_errors(self._stills, rows, part)


def _frame_starts(rows: Rows) -> npt.NDArray[np.bool_]:
    """Which rows begin a frame; the first one always does."""
    starts = np.ones(len(rows), bool)
    times = np.nan_to_num(rows.time_s, nan=-1.0)
    starts[1:] = rows.face[1:] <= rows.face[:-1]
    for column in (rows.source.codes, rows.index, times):
        starts[1:] |= column[1:] != column[:-1]
    return starts


def _note_errors(holder: Clip | Stills, rows: Rows, part: Integers) -> None:
    errors = part[rows.error.codes[part] >= 0]
    holder.unreadable += len(errors)
    if len(errors) and holder.first_error is None:
        holder.first_error = f"{rows.source[errors[0]]}: {rows.error[errors[0]]}"


def _add_stills(
    stills: Stills, rows: Rows, part: Integers, starts: npt.NDArray[np.bool_], labels: Labels
) -> None:
    """Count pictures and their faces."""
    stills.images += int(starts[part].sum())
    faces = part[rows.face[part] >= 0]
    stills.faces += len(faces)
    genders, emotions = rows.gender[faces], rows.emotion[faces]
    for row, gender in zip(faces, _best(genders, labels.genders), strict=True):
        stills.groups[rows.age_group[row], gender] += 1
    stills.emotions.update(name for name in _best(emotions, labels.emotions) if name is not None)


def _best(probabilities: Floats, labels: tuple[str, ...]) -> list[str | None]:
    """Most probable label of every row."""
    if not labels:
        return [None] * len(probabilities)
    there = np.isfinite(probabilities).all(axis=1)
    best = np.where(there, np.nan_to_num(probabilities).argmax(axis=1), -1)
    return [labels[k] if k >= 0 else None for k in best.tolist()]


def _add_frames(clip: Clip, rows: Rows, part: Integers, starts: npt.NDArray[np.bool_]) -> None:
    """Take frames of a clip, all with a time."""
    if not len(part):
        return
    begins = starts[part].copy()
    goes_on = not begins[0]
    begins[0] = True
    times = rows.time_s[part[begins]]
    durations = _durations(clip.clock, times.tolist(), goes_on=goes_on)[np.cumsum(begins) - 1]
    clip.frames += int(begins.sum()) - goes_on
    clip.width, clip.height = rows.size[part].max(axis=0).tolist()
    clip.start_s = min(clip.start_s, float(times.min()))
    clip.end_s = max(clip.end_s, float((rows.time_s[part] + durations).max()))
    if clip.ruler is None:
        clip.ruler = Ruler(clip.start_s)
    clip.ruler.reach(float(times.max()))
    tracks = rows.track[part]
    clip.unfollowed += int(((tracks < 0) & (rows.face[part] >= 0)).sum())
    numbers, firsts = np.unique(tracks, return_index=True)
    for number in numbers[np.argsort(firsts)].tolist():
        if number >= 0:
            mine = tracks == number
            if number not in clip.tracks:
                clip.tracks[number] = Track(Strip(len(clip.labels.emotions)))
            track = clip.tracks[number]
            _add_seen(track, clip, clip.ruler, rows, part[mine], durations[mine])
            _add_answers(track.sums, clip.labels, rows, part[mine])


def _durations(clock: FrameClock, times: list[float], *, goes_on: bool) -> Floats:
    """How long every frame stands for; the last one, whose end is not known yet, as usual.

    Args:
        clock: Of the clip.
        times: Of the frames.
        goes_on: Whether the clock has the first of them already.
    """
    passed = [clock.advance(time_s) for time_s in times[goes_on:]]
    return np.array([*passed[not goes_on :], clock.rest()])


def _add_seen(
    track: Track, clip: Clip, ruler: Ruler, rows: Rows, mine: Integers, durations: Floats
) -> None:
    """Add when a person is seen, and with which expressions."""
    times = rows.time_s[mine]
    span = float(times.min()), float(times.max())
    track.sums.add_frames(*span, float(durations.sum()), len(mine))
    shares = rows.emotion[mine]
    there = np.isfinite(shares).all(axis=1) & (shares.sum(axis=1) > 0)
    if clip.labels.emotions and there.any():
        weights = np.maximum(durations[there], NO_TIME_S)
        shares = shares[there] / shares[there].sum(axis=1, keepdims=True)
        totals = weights @ shares
        track.sums.add_expressions(zip(clip.labels.emotions, totals.tolist(), strict=True))
        track.strip.add(ruler, times[there], durations[there], weights, shares)
    best = int(rows.clear[mine].argmax())
    clear = float(rows.clear[mine][best])
    if clear > (0.0 if track.best is None else track.best.clear):
        row = mine[best]
        box = Box(*rows.box[row].tolist())
        track.best = Moment(clear, float(rows.time_s[row]), int(rows.index[row]), box)


def _add_answers(sums: Sums, labels: Labels, rows: Rows, mine: Integers) -> None:
    """Keep the last age and gender of a person."""
    aged = mine[np.isfinite(rows.age[mine, 0])]
    if len(aged):
        years, low, high = (None if np.isnan(x) else float(x) for x in rows.age[aged[-1]])
        sums.answer |= {"age_years": years, "age_low": low, "age_high": high}
        sums.answer["age_group"] = rows.age_group[aged[-1]]
        sums.answer["age_distribution"] = rows.age_distribution(int(aged[-1]))
    answered = mine[np.isfinite(rows.gender[mine]).all(axis=1)]
    if len(answered) and labels.genders:
        values = tuple(rows.gender[answered[-1]].tolist())
        sums.answer["gender"] = Distribution(labels.genders, values)
