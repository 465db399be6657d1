"""From a distribution over ages to a number, an interval and a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.config import MAX_AGE, AgeGroup
from mien.results import Age, Distribution

FloatArray = npt.NDArray[np.floating]

AGES = np.arange(MAX_AGE + 1, dtype=np.float64)


def expected_age(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    """Mean of every distribution.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.

    Returns:
        Years, shape ``(n,)``.
    """
    return np.asarray(probabilities, np.float64) @ AGES


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
    reached = (cumulative >= level - 1e-12).argmax(axis=1)
    rows = np.arange(len(cumulative))
    before = np.where(reached > 0, cumulative[rows, reached - 1], 0.0)
    mass = cumulative[rows, reached] - before
    share = np.divide(level - before, mass, out=np.zeros_like(mass), where=mass > 0)
    share = np.clip(share, 0.0, 1.0)  # rounding, divided by hardly any mass, is not small
    return np.asarray(np.clip(reached + share - 0.5, 0.0, float(MAX_AGE)), np.float64)


def decode_ages(
    probabilities: FloatArray, interval: tuple[float, float], groups: Sequence[AgeGroup]
) -> list[Age]:
    """Turn distributions into answers.

    Args:
        probabilities: Shape ``(n, 101)``, rows sum to one.
        interval: Levels of the lower and upper end, calibrated to cover 80 % of validation faces.
        groups: Age groups that cover every age once.

    Returns:
        One answer a row.
    """
    years = expected_age(probabilities)
    # A skewed distribution can have its mean outside a narrow interval; users would not
    # understand a number outside its own range.
    low = np.minimum(age_quantile(probabilities, interval[0]), years)
    high = np.maximum(age_quantile(probabilities, interval[1]), years)
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
