import itertools
import math

import numpy as np
import pytest

from mien.results import Box
from mien.track.assign import assign, match
from mien.track.path import Guess


def cheapest(cost, limit):
    """Least cost over all ways to pair, tried one by one."""
    n, m = cost.shape
    best = 0.0
    for size in range(1, min(n, m) + 1):
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.permutations(range(m), size):
                best = min(
                    best, sum(cost[r, c] - limit for r, c in zip(rows, columns, strict=True))
                )
    return best


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 2), (4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("seed", range(8))
def test_no_other_pairing_is_cheaper(shape, seed):
    rng = np.random.default_rng(seed)
    cost = rng.normal(0, 3, shape).round(seed % 3)  # some seeds give many ties
    cost[rng.random(shape) < 0.25] = np.inf
    pairs = assign(cost, 1.0)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    assert all(cost[pair] < 1.0 for pair in pairs)
    assert sum(cost[pair] - 1.0 for pair in pairs) == pytest.approx(cheapest(cost, 1.0))


def test_the_nearest_is_not_always_best():
    # Row 0 likes column 0 most, but row 1 has nothing else.
    assert assign(np.array([[1.0, 2.0], [1.5, 9.0]]), 5.0) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_is_paired_with_nobody(shape):
    assert assign(np.zeros(shape), 1.0) == []


def square(x, y, side):
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def guess(x, y, side, deviation=0.05):
    return Guess((x, y), math.log(side), deviation)


def test_place_decides():
    guesses = [guess(100, 100, 40), guess(150, 100, 40)]
    assert match(guesses, [square(148, 101, 40), square(103, 99, 41)]) == [(0, 1), (1, 0)]


def test_size_decides_where_place_does_not():
    guesses = [guess(100, 100, 40), guess(100, 100, 60)]
    assert match(guesses, [square(101, 100, 59), square(99, 100, 41)]) == [(0, 1), (1, 0)]


def test_the_sharper_guess_wins():
    # One face, two people who would fit: the one who was seen a moment ago has it.
    guesses = [guess(100, 100, 40, 0.5), guess(102, 100, 40, 0.02)]
    assert match(guesses, [square(101, 100, 40)]) == [(1, 0)]


def test_who_was_in_sight_comes_first():
    guesses = [guess(100, 100, 40)._replace(hidden=True), guess(103, 100, 40)]
    assert match(guesses, [square(100, 100, 40)]) == [(1, 0)]
    # But not when the face is clearly the other one's.
    guesses[1] = guess(118, 100, 40)
    assert match(guesses, [square(100, 100, 40)]) == [(0, 0)]


@pytest.mark.parametrize(
    ("box", "deviation"),
    [
        (square(180, 100, 40), 2.0),  # two sizes away, however vague the guess
        (square(130, 100, 40), 0.02),  # not far, but the guess is sharp
        (square(100, 100, 90), 0.5),  # more than twice as large
    ],
)
def test_somebody_else(box, deviation):
    assert match([guess(100, 100, 40, deviation)], [box]) == []
