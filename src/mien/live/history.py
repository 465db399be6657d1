"""What everybody's face did in the last seconds, in bounded memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mien.results import Distribution, Face, FrameResult
from mien.sinks.labels import answers

SPAN_S = 20.0
"""How far back the timeline goes."""

CELL_S = 0.1
"""Expressions are kept as means of so many seconds."""

GAP_S = 0.5
"""A person who is missing for less is drawn as if never away."""

KEPT = 1.5
"""Somebody else must be so much larger to take the place of who is shown."""

MOST_PEOPLE = 24
"""More are not remembered; who was seen last stays."""


@dataclass(slots=True)
class _Cell:
    """Sums over the frames of one cell; `begins`: the person was not there before."""

    number: int
    begins: bool
    count: int
    sums: npt.NDArray[np.float64]


@dataclass(slots=True)
class Person:
    """One person in the window.

    Attributes:
        track_id: The number on the label.
        face: As seen last.
        seen_s: When that was, on the clock of the screen.
        shown: Numbers on the panel, which keep still; see `mien.sinks.labels.steady`.
    """

    track_id: int
    face: Face
    seen_s: float
    shown: dict[str, int] = field(default_factory=dict)
    _cells: deque[_Cell] = field(default_factory=deque)

    def add(self, time_s: float, emotion: Distribution, *, begins: bool) -> None:
        """Note an expression; `begins` when the person was not there before."""
        number = int(time_s / CELL_S)
        shares = np.array(emotion.probabilities)
        if not self._cells or self._cells[-1].number != number:
            self._cells.append(_Cell(number, begins, 0, np.zeros_like(shares)))
        cell = self._cells[-1]
        cell.count += 1
        cell.sums += shares

    def forget(self, before_s: float) -> None:
        """Drop what happened earlier."""
        while self._cells and (self._cells[0].number + 1) * CELL_S < before_s:
            self._cells.popleft()

    def runs(self) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Times ``(n,)`` and shares ``(n, labels)`` of every stretch without a gap."""
        if not self._cells:
            return []
        times = (np.array([cell.number for cell in self._cells]) + 0.5) * CELL_S
        shares = np.array([cell.sums / cell.count for cell in self._cells])
        borders = [k for k, cell in enumerate(self._cells) if cell.begins and k]
        return list(zip(np.split(times, borders), np.split(shares, borders), strict=True))


class History:
    """Everybody who was seen within the last `SPAN_S`.

    Its clock is that of the screen, and stands still in a pause.
    """

    def __init__(self) -> None:
        self._people: dict[int, Person] = {}
        self._now_s = 0.0
        self._places: dict[int, list[int]] = {}  # who is shown, by how many there are

    @property
    def now_s(self) -> float:
        """Time of the newest frame."""
        return self._now_s

    def add(self, result: FrameResult, now_s: float) -> None:
        """Take the people of the newest frame."""
        before_s, self._now_s = self._now_s, now_s
        for face in result.faces:
            if face.track_id is None:
                continue
            known = self._people.get(face.track_id)
            if known is None:
                known = self._people[face.track_id] = Person(face.track_id, face, now_s)
            # However few frames there are: who was in the last one has not been away.
            begins = known.seen_s < min(before_s, now_s - GAP_S)
            known.face, known.seen_s = face, now_s
            known_of = answers(face)
            if known_of is not None and known_of.emotion is not None:
                known.add(now_s, known_of.emotion, begins=begins)
        for person in list(self._people.values()):
            person.forget(now_s - SPAN_S)
            if person.seen_s < now_s - SPAN_S:
                del self._people[person.track_id]
        for person in sorted(self._people.values(), key=_last_seen)[:-MOST_PEOPLE]:
            del self._people[person.track_id]

    def is_here(self, person: Person) -> bool:
        """Whether somebody was seen just now."""
        return person.seen_s >= self._now_s - GAP_S

    def leading(self, count: int) -> list[Person]:
        """The people to show: the largest now, then those who left last, in a steady order.

        Who is shown keeps the place as long as possible, so that panels do not jump.
        """
        places = self._places.get(count, [])

        def importance(person: Person) -> tuple[float, float]:
            box = person.face.box
            area = box.width * box.height * (KEPT if person.track_id in places else 1)
            return (self._now_s if self.is_here(person) else person.seen_s), area

        ranked = sorted(self._people.values(), key=importance, reverse=True)[:count]
        wanted = [person.track_id for person in ranked]
        kept = [number for number in places if number in wanted]
        self._places[count] = kept + [number for number in wanted if number not in kept]
        return [self._people[number] for number in self._places[count]]


def _last_seen(person: Person) -> float:
    return person.seen_s
