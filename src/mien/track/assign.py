"""Who is who: detections to tracks, so that all pairs together fit best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.results import Box
from mien.track.path import Guess, place_of

LOOK_DEVIATION = 0.06
"""Standard deviation of the place that a detector reports, in face sizes; added to the guess's."""

SIZE_DEVIATION = 0.12
"""Standard deviation of the logarithm of the size from look to look."""

TAIL = 3.0
"""Degrees of freedom of the likelihood: a half hidden face is reported far from its place."""

NEAR, DEVIATIONS, MAX_SIZES = 0.5, 3.0, 1.6
"""A face further away than `NEAR` sizes plus so many deviations of the guess is somebody else; one
further than `MAX_SIZES` is so however vague the guess."""

MAX_GROWTH = 0.65
"""So is one whose size differs by more than this logarithm: a factor of 1.9."""

HIDDEN_COST = 3.0
"""Where one face could be two people, one of whom was out of sight, it is rather the other: by this
much of minus twice the logarithm of the likelihood."""

LIMIT = 40.0
"""What it costs to leave a track and a detection without each other; more than any pair costs."""

Floats = npt.NDArray[np.float64]


def assign(cost: Floats, limit: float) -> list[tuple[int, int]]:
    """Pair rows with columns so that the sum of the costs is least.

    A pair may stay apart, for the price `limit`; no pair that costs more is formed.

    Args:
        cost: Shape ``(n, m)``; may be infinite.
        limit: What it costs to leave a row and a column without each other.

    Returns:
        Pairs ``(row, column)`` in order of the rows.

    References:
        Jonker, Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear
        Assignment Problems", Computing 38, 1987: the augmentation only.
    """
    gains = np.minimum(np.asarray(cost, np.float64) - limit, 0.0)
    if gains.shape[0] > gains.shape[1]:
        columns = _shortest_paths(gains.T)
        pairs = [(row, column) for column, row in enumerate(columns)]
    else:
        pairs = list(enumerate(_shortest_paths(gains)))
    return sorted((row, column) for row, column in pairs if gains[row, column] < 0)


def _shortest_paths(cost: Floats) -> list[int]:
    """Column of every row; there are at least as many columns as rows."""
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for row in range(rows):
        distance, came_from = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        current, last, reached = row, -1, 0.0
        while current >= 0:
            through = reached + cost[current] - row_price[current] - column_price
            better = ~done & (through < distance)
            distance[better], came_from[better] = through[better], last
            last = int(np.where(done, np.inf, distance).argmin())
            reached, done[last] = float(distance[last]), True
            current = int(owner[last])
        # Prices change so that every pair on the way is tight.
        row_price[row] += reached
        seen = done & (owner >= 0)
        row_price[owner[seen]] += reached - distance[seen]
        column_price[done] -= reached - distance[done]
        while last >= 0:
            before = int(came_from[last])
            owner[last] = row if before < 0 else owner[before]
            last = before
    found = {int(owner_): column for column, owner_ in enumerate(owner) if owner_ >= 0}
    return [found[row] for row in range(rows)]


def match(guesses: Sequence[Guess], boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Pair guesses with boxes.

    The cost of a pair is minus twice the logarithm of its likelihood: place relative to the size
    of the face, and ratio of the sizes. A vague guess, as that of a face that was hidden for
    long, spreads its likelihood thinly, so it loses against a sharp one that fits as well.

    Returns:
        Pairs ``(guess, box)``.
    """
    cost = np.full((len(guesses), len(boxes)), np.inf)
    for column, box in enumerate(boxes):
        x, y, log_size = map(float, place_of(box))
        for row, guess in enumerate(guesses):
            growth = log_size - guess.log_size
            size = math.exp(max(log_size, guess.log_size))
            away = math.hypot(x - guess.centre[0], y - guess.centre[1]) / size
            if away > min(NEAR + DEVIATIONS * guess.deviation, MAX_SIZES):
                continue
            if abs(growth) < MAX_GROWTH:
                variance = guess.deviation**2 + LOOK_DEVIATION**2
                squared = away**2 / variance + (growth / SIZE_DEVIATION) ** 2
                cost[row, column] = (TAIL + 2) * math.log1p(squared / TAIL)
                cost[row, column] += 2 * math.log(variance) + HIDDEN_COST * guess.hidden
    return assign(cost, LIMIT)
