"""From a distribution over ages to a number, an interval and a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.config import MAX_AGE, AgeGroup
from mien.results import Age, Distribution

FloatArray = npt.NDArray[np.floating]

ROUNDING = 1e-12
"""Sums of probabilities that differ by less are the same."""


def median_age(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    """The age that a face looks: as probably older as younger.

    No other number has a smaller expected absolute error, and, unlike the mean, it is not drawn
    towards the middle of the scale where a distribution ends at 0 or 100.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.

    Returns:
        Years, shape ``(n,)``.
    """
    return age_quantile(probabilities, 0.5)


def age_quantile(probabilities: FloatArray, level: float) -> npt.NDArray[np.float64]:
    """Age below which a share `level` of every distribution lies.

    The probability of ``k`` years is spread evenly over ``k`` to ``k + 1``: somebody who is 30
    may be on any day of that year. The half year is taken off again, so that the median of a
    distribution with all mass on 30 is 30.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.
        level: 0 to 1.

    Returns:
        Years, shape ``(n,)``, within 0 to 100.
    """
    cumulative = np.cumsum(np.asarray(probabilities, np.float64), axis=1)
    cumulative /= cumulative[:, -1:]
    reached = (cumulative >= level - ROUNDING).argmax(axis=1)
    rows = np.arange(len(cumulative))
    before = np.where(reached > 0, cumulative[rows, reached - 1], 0.0)
    mass = cumulative[rows, reached] - before
    share = np.divide(level - before, mass, out=np.zeros_like(mass), where=mass > 0)
    share = np.clip(share, 0.0, 1.0)  # rounding, divided by hardly any mass, is not small
    return np.asarray(np.clip(reached + share - 0.5, 0.0, float(MAX_AGE)), np.float64)


def age_interval(
    probabilities: FloatArray,
    interval: tuple[float, float],
    by_age: Sequence[tuple[float, float, float]] = (),
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Interval of every face.

    With one pair of levels it reaches from one quantile to the other. With a pair for every age
    it reaches from the youngest to the oldest age that lies within its own levels.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.
        interval: Levels of the two ends.
        by_age: Rows of age and the levels there instead, see `HeadSpec.interval_by_age`.

    Returns:
        Lower and upper ends in years, shape ``(n,)`` each.
    """
    if by_age:
        low, high = _ends(np.asarray(probabilities, np.float64), by_age)
    else:
        low, high = (age_quantile(probabilities, level) for level in interval)
    # Levels from a file may leave the median out; users would not understand a number outside its
    # own range.
    years = median_age(probabilities)
    return np.minimum(low, years), np.maximum(high, years)


def _ends(
    probabilities: npt.NDArray[np.float64], by_age: Sequence[tuple[float, float, float]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where the cumulated probability first rises above its lower and last above its upper level.

    Years are spread as in `age_quantile`; between their edges all is taken for straight.
    """
    edges = np.arange(MAX_AGE + 2) - 0.5
    ages, lowers, uppers = np.array(by_age, np.float64).T
    cumulative = np.cumsum(np.pad(probabilities, ((0, 0), (1, 0))), axis=1)
    cumulative /= cumulative[:, -1:]
    over = cumulative - np.interp(edges, ages, lowers) + ROUNDING
    under = np.interp(edges, ages, uppers) - cumulative + ROUNDING
    rows = np.arange(len(cumulative))
    # None is below 0 % and above 100 %, so both ends are always found.
    first = np.maximum((over >= 0).argmax(axis=1), 1)
    last = MAX_AGE - (under[:, MAX_AGE::-1] >= 0).argmax(axis=1)
    before, behind = over[rows, first - 1], under[rows, last + 1]
    rise, fall = over[rows, first] - before, under[rows, last] - behind
    low = first - 1.5 - np.divide(before, rise, out=np.zeros_like(rise), where=rise > 0)
    high = last - 0.5 + np.divide(under[rows, last], fall, out=np.zeros_like(fall), where=fall > 0)
    return np.clip(low, 0.0, float(MAX_AGE)), np.clip(high, 0.0, float(MAX_AGE))


def decode_ages(
    probabilities: FloatArray,
    interval: tuple[float, float],
    groups: Sequence[AgeGroup],
    by_age: Sequence[tuple[float, float, float]] = (),
) -> list[Age]:
    """Turn distributions into answers.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.
        interval: Levels of the lower and upper end, calibrated to cover 80 % of validation faces.
        groups: Age groups that cover every age once.
        by_age: Levels that depend on the age in question, see `age_interval`.

    Returns:
        One answer a row.
    """
    years = median_age(probabilities)
    low, high = age_interval(probabilities, interval, by_age)
    labels = tuple(map(str, groups))
    answers = []
    for k, row in enumerate(np.asarray(probabilities, np.float64)):
        # Rounding can push a sum of probabilities a hair above one.
        shares = tuple(min(1.0, float(row[g.low : g.high + 1].sum())) for g in groups)
        distribution = Distribution(labels, shares)
        answers.append(
            Age(
                years=float(years[k]),
                low=float(low[k]),
                high=float(high[k]),
                group=distribution.best,
                groups=distribution,
                distribution=tuple(map(float, row)),
            )
        )
    return answers
