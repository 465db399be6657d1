"""95 % intervals by resampling faces, for several metrics of the same faces at once.

A resample of faces is a list of how often every face was drawn. Every metric here is a function
of sums over faces, so a thousand resamples are a thousand weighted sums: one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.evaluation.metrics import calibration_bins, macro_f1_of_counts

FloatArray = npt.NDArray[np.float64]

DRAWS_AT_ONCE = 500_000
"""Bounds the memory of resampling to a few megabytes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95 % bootstrap interval and the number of faces behind it.

    Attributes:
        value: The metric on all faces.
        low: Lower end of the interval; not a number where there is none.
        high: Upper end.
        n: Faces.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric that is a function of sums over faces.

    Attributes:
        terms: What every face adds, shape ``(n, k)``.
        value: From sums ``(samples, k)`` and n to the metric, ``(samples,)``.
    """

    terms: FloatArray
    value: Callable[[FloatArray, int], FloatArray]


def mean(values: npt.NDArray[np.floating] | npt.NDArray[np.bool_]) -> Measure:
    """Mean of one number a face: an error, or a hit or miss."""
    return Measure(np.asarray(values, np.float64)[:, None], lambda sums, n: sums[:, 0] / n)


def mean_of_pictures(
    values: npt.NDArray[np.floating] | npt.NDArray[np.bool_], faces: npt.NDArray[np.int64]
) -> Measure:
    """Mean of one number a picture; faces are drawn, for pictures of one face are much alike.

    Args:
        values: Shape ``(n,)``.
        faces: Which face every picture shows.
    """
    _, place = np.unique(faces, return_inverse=True)
    terms = np.array([np.bincount(place, values), np.bincount(place)], np.float64).T

    def value(sums: FloatArray, n: int) -> FloatArray:
        del n
        return np.asarray(sums[:, 0] / sums[:, 1], np.float64)

    return Measure(terms, value)


def macro_f1(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> Measure:
    """Mean F1 of the classes that occur in the resample."""
    there, said = (np.eye(classes)[codes] for codes in (labels, predicted))

    def value(sums: FloatArray, n: int) -> FloatArray:
        del n
        return np.asarray(macro_f1_of_counts(*np.split(sums, 3, axis=1)), np.float64)

    return Measure(np.hstack([there * said, said, there]), value)


def calibration_error(
    confidence: FloatArray, right: npt.NDArray[np.bool_], bins: int = 15
) -> Measure:
    """Expected calibration error with equally wide bins."""
    gaps = np.zeros((len(confidence), bins))
    gaps[np.arange(len(gaps)), calibration_bins(confidence, bins)] = confidence - right
    return Measure(gaps, lambda sums, n: np.abs(sums).sum(1) / n)


def estimate(measures: Sequence[Measure], *, samples: int = 1000, seed: int = 0) -> list[Estimate]:
    """Value and 95 % percentile interval of several metrics of the same faces.

    Args:
        measures: At least one; all over the same n faces, n at least 1.
        samples: Resamples.
        seed: Of the resampling.
    """
    terms = np.hstack([measure.terms for measure in measures])
    n = len(terms)
    sums = np.concatenate([counts @ terms for counts in _resamples(n, samples, seed)])
    estimates, start = [], 0
    for measure in measures:
        stop = start + measure.terms.shape[1]
        low, high = np.percentile(measure.value(sums[:, start:stop], n), [2.5, 97.5])
        [value] = measure.value(measure.terms.sum(0)[None], n)
        estimates.append(Estimate(float(value), float(low), float(high), n))
        start = stop
    return estimates


def _resamples(n: int, samples: int, seed: int) -> Iterator[FloatArray]:
    """How often every face was drawn, shape ``(some samples, n)``, block by block."""
    generator = np.random.default_rng(seed)
    block = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n)
        yield counts.reshape(size, n).astype(np.float64)
