"""Metrics in NumPy: plain functions of labels and predictions, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95 % bootstrap interval and the number of faces behind it."""

    value: float
    low: float
    high: float
    n: int


def accuracy(labels: IntArray, predicted: IntArray) -> float:
    """Share of right answers, 0 to 1."""
    return float(np.mean(labels == predicted))


def confusion_matrix(labels: IntArray, predicted: IntArray, classes: int) -> npt.NDArray[np.int64]:
    """Counts, shape ``(classes, classes)``: rows are labels, columns are predictions."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def precision_recall(confusion: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Precision and recall of every class; 0 where a class was never predicted or never there."""
    right = np.diag(confusion).astype(np.float64)
    predicted, there = confusion.sum(0), confusion.sum(1)
    precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
    recall = np.divide(right, there, out=np.zeros_like(right), where=there > 0)
    return precision, recall


def macro_f1(labels: IntArray, predicted: IntArray, classes: int) -> float:
    """Mean of the F1 scores of the classes that occur among the labels."""
    confusion = confusion_matrix(labels, predicted, classes)
    precision, recall = precision_recall(confusion)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    there = confusion.sum(1) > 0
    return float(f1[there].mean()) if there.any() else 0.0


def mean_absolute_error(truth: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute difference, in the unit of the inputs."""
    return float(np.mean(np.abs(truth - predicted)))


def cumulative_score(truth: FloatArray, predicted: FloatArray, years: float = 5.0) -> float:
    """Share of ages that are off by at most `years`."""
    return float(np.mean(np.abs(truth - predicted) <= years))


def coverage(truth: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Share of labels inside their interval."""
    return float(np.mean((truth >= low) & (truth <= high)))


def calibration_error(
    confidence: FloatArray, right: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Expected calibration error with equally wide bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    which = np.clip((confidence * bins).astype(int), 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    gap = np.bincount(which, confidence, bins) - np.bincount(which, right, bins)
    return float(np.abs(gap).sum() / max(1, count.sum()))


def bootstrap(
    metric: Callable[[IntArray], float], n: int, *, samples: int = 1000, seed: int = 0
) -> Estimate:
    """95 % percentile interval of a metric.

    Args:
        metric: Takes row numbers (with repetition) and returns the metric on these rows.
        n: Number of rows.
        samples: Resamples.
        seed: Of the resampling.
    """
    generator = np.random.default_rng(seed)
    values = [metric(generator.integers(0, n, n)) for _ in range(samples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(metric(np.arange(n)), float(low), float(high), n)
