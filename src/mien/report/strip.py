"""The expressions of one person over time, in bounded memory however long the clip is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_CELLS = 2048
"""Most cells along a clip: more points than a screen has, so nothing visible is lost."""

FIRST_CELL_S = 1 / 128
"""Below the distance of two frames, so that a short clip keeps every one of them."""

GAP_S = 0.25
"""A person who is missing for less is drawn without a gap."""


class Ruler:
    """Divides the time of a clip into cells, which get wider when the clip gets longer.

    Attributes:
        cell_s: Width of a cell in seconds.
        doublings: How often it was doubled.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self.cell_s = FIRST_CELL_S
        self.doublings = 0

    def reach(self, time_s: float) -> None:
        """Make the cells wide enough to cover everything up to `time_s`."""
        while time_s - self._start_s >= MAX_CELLS * self.cell_s:
            self.cell_s *= 2
            self.doublings += 1

    def cells(self, times_s: Floats) -> Integers:
        """Number of the cell of every time."""
        cells = np.floor((times_s - self._start_s) / self.cell_s).astype(np.int64)
        return np.clip(cells, 0, MAX_CELLS - 1)


@dataclass(frozen=True, slots=True)
class Points:
    """Mean probabilities of a person at some moments.

    Attributes:
        first_s: When each of them begins, shape ``(n,)``.
        time_s: Its middle.
        end_s: When it ends.
        shares: Probabilities, shape ``(n, labels)``; rows sum to one.
    """

    first_s: Floats
    time_s: Floats
    end_s: Floats
    shares: Floats

    def runs(self) -> list[slice]:
        """Parts in which the person is seen without a gap."""
        holes = self.first_s[1:] - self.end_s[:-1]
        borders = [0, *(np.flatnonzero(holes > GAP_S) + 1).tolist(), len(self.first_s)]
        return [slice(a, b) for a, b in pairwise(borders) if a < b]


class Strip:
    """Sums by cell, from the first cell in which the person is seen to the last one.

    Args:
        labels: How many expressions there are.
    """

    def __init__(self, labels: int) -> None:
        self._doublings = 0
        self._offset = 0
        self._sums = np.zeros((0, labels + 2))  # weight, time, probabilities; the latter weighted
        self._first = np.zeros(0)
        self._end = np.zeros(0)

    def add(
        self, ruler: Ruler, first_s: Floats, durations_s: Floats, weights: Floats, shares: Floats
    ) -> None:
        """Take frames of the person.

        Args:
            ruler: That of the clip; it reaches all of them.
            first_s: Time of every frame, shape ``(n,)``.
            durations_s: How long it stands for.
            weights: How much it counts; more than nothing.
            shares: Probabilities, shape ``(n, labels)``; rows sum to one.
        """
        if not len(first_s):
            return
        while self._doublings < ruler.doublings:
            self._double()
        cells = ruler.cells(first_s)
        self._cover(int(cells.min()), int(cells.max()))
        cells -= self._offset
        middle = first_s + durations_s / 2
        values = np.column_stack([weights, weights * middle, weights[:, None] * shares])
        for column, value in zip(self._sums.T, values.T, strict=True):
            column += np.bincount(cells, value, len(self._sums))
        np.minimum.at(self._first, cells, first_s)
        np.maximum.at(self._end, cells, first_s + durations_s)

    def _cover(self, low: int, high: int) -> None:
        """Add empty cells on both sides as needed."""
        if not len(self._sums):
            self._offset = low
        before = max(0, self._offset - low)
        behind = max(0, high + 1 - self._offset - len(self._sums))
        self._offset -= before
        self._sums = np.pad(self._sums, ((before, behind), (0, 0)))
        self._first = np.pad(self._first, (before, behind), constant_values=np.inf)
        self._end = np.pad(self._end, (before, behind), constant_values=-np.inf)

    def _double(self) -> None:
        """Join every two cells."""
        self._doublings += 1
        if len(self._sums):
            last = self._offset + len(self._sums) - 1
            self._cover(self._offset - self._offset % 2, last + 1 - last % 2)
        self._offset //= 2
        self._sums = self._sums.reshape(-1, 2, self._sums.shape[1]).sum(axis=1)
        self._first = self._first.reshape(-1, 2).min(axis=1)
        self._end = self._end.reshape(-1, 2).max(axis=1)

    def points(self) -> Points:
        """The cells in which the person is seen."""
        there = self._sums[:, 0] > 0
        sums = self._sums[there]
        shares = sums[:, 2:]
        return Points(
            first_s=self._first[there],
            time_s=sums[:, 1] / sums[:, 0],
            end_s=self._end[there],
            shares=shares / shares.sum(axis=1, keepdims=True),
        )
