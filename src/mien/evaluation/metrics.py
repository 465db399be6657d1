"""Metrics in NumPy: plain functions of labels and predictions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]


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
    return float(macro_f1_of_counts(np.diag(confusion), confusion.sum(0), confusion.sum(1)))


def macro_f1_of_counts(
    right: FloatArray | IntArray, predicted: FloatArray | IntArray, there: FloatArray | IntArray
) -> FloatArray:
    """The same from counts: how often every class was right, predicted and there.

    Args:
        right: Shape ``(..., classes)``, as the others.
        predicted: Right answers among them.
        there: Right answers among them.

    Returns:
        Shape ``(...)``; 0 where no class is there.
    """
    # F1 = 2 TP / (2 TP + FP + FN), and predicted + there is that denominator.
    total = np.asarray(predicted + there, np.float64)
    f1 = np.divide(2.0 * right, total, out=np.zeros_like(total), where=total > 0)
    classes = (np.asarray(there) > 0).sum(-1)
    return np.asarray(np.where(there > 0, f1, 0.0).sum(-1) / np.maximum(1, classes), np.float64)


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
    which = calibration_bins(confidence, bins)
    gap = np.bincount(which, confidence, bins) - np.bincount(which, right, bins)
    return float(np.abs(gap).sum() / max(1, len(which)))


def calibration_bins(confidence: FloatArray, bins: int = 15) -> npt.NDArray[np.int64]:
    """Number of the bin of every confidence; 1.0 belongs to the last one."""
    return np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
