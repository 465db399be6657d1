"""Metrics against values worked out by hand and against slow, obvious code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.metrics import (
    accuracy,
    calibration_bins,
    calibration_error,
    confusion_matrix,
    coverage,
    cumulative_score,
    macro_f1,
    macro_f1_of_counts,
    mean_absolute_error,
    precision_recall,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 2, 2, 0, 1])
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


def columns(pairs):
    return (np.array(column) for column in zip(*pairs, strict=True))


# --- classes ----------------------------------------------------------------------------------


def test_by_hand():
    assert accuracy(LABELS, PREDICTED) == 0.6
    confusion = confusion_matrix(LABELS, PREDICTED, 3)
    assert confusion.tolist() == [[3, 1, 0], [1, 1, 0], [1, 1, 2]]
    precision, recall = precision_recall(confusion)
    assert precision == pytest.approx([3 / 5, 1 / 3, 1])
    assert recall == pytest.approx([3 / 4, 1 / 2, 2 / 4])
    # F1 = 2pr / (p + r): 2/3, 2/5, 2/3
    assert macro_f1(LABELS, PREDICTED, 3) == pytest.approx((2 / 3 + 2 / 5 + 2 / 3) / 3)


def test_a_class_without_labels_is_left_out_of_the_mean():
    # Class 3 is predicted once but never there; class 4 is neither.
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 3, 1, 1])
    precision, recall = precision_recall(confusion_matrix(labels, predicted, 5))
    assert precision.tolist() == [1, 1, 0, 0, 0]
    assert recall.tolist() == [0.5, 1, 0, 0, 0]
    assert macro_f1(labels, predicted, 5) == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_never_found_counts_as_zero():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    assert macro_f1(labels, predicted, 2) == pytest.approx((0.8 + 0) / 2)


def test_no_faces_have_an_empty_confusion():
    empty = np.array([], np.int64)
    assert confusion_matrix(empty, empty, 3).tolist() == [[0] * 3] * 3
    assert macro_f1(empty, empty, 3) == 0


def test_f1_of_several_samples_at_once():
    # Two classes. First F1 2/3 and 2/5, as 2·right / (predicted + there); then only class 0 is
    # there and half of it is found; then nothing is there at all.
    right = np.array([[3, 1], [1, 0], [0, 0]])
    predicted = np.array([[5, 3], [1, 1], [0, 0]])
    there = np.array([[4, 2], [2, 0], [0, 0]])
    found = macro_f1_of_counts(right, predicted, there)
    assert found == pytest.approx([(6 / 9 + 2 / 5) / 2, 2 / 3, 0])


@given(PAIRS)
def test_confusion_counts_every_pair(pairs):
    labels, predicted = columns(pairs)
    confusion = confusion_matrix(labels, predicted, 5)
    for label in range(5):
        for answer in range(5):
            assert confusion[label, answer] == pairs.count((label, answer))
    assert np.trace(confusion) / len(pairs) == pytest.approx(accuracy(labels, predicted))


@given(PAIRS)
def test_macro_f1_against_counting(pairs):
    labels, predicted = columns(pairs)
    scores = []
    for c in set(labels.tolist()):
        hits = sum(label == answer == c for label, answer in pairs)
        wrong = sum(label != answer and c in (label, answer) for label, answer in pairs)
        scores.append(2 * hits / (2 * hits + wrong))  # F1 = 2 TP / (2 TP + FP + FN)
    assert macro_f1(labels, predicted, 5) == pytest.approx(sum(scores) / len(scores))


# --- ages -------------------------------------------------------------------------------------

TRUTH = np.array([10.0, 20.0, 30.0, 40.0])
YEARS = np.array([12.0, 15.0, 30.0, 46.0])


def test_ages_by_hand():
    assert mean_absolute_error(TRUTH, YEARS) == (2 + 5 + 0 + 6) / 4
    assert cumulative_score(TRUTH, YEARS) == 0.75  # exactly five years off still counts
    assert cumulative_score(TRUTH, YEARS, years=4.9) == 0.5
    assert cumulative_score(TRUTH, YEARS, years=0) == 0.25


def test_coverage_includes_both_ends():
    low, high = np.array([10.0, 21.0, 25.0, 30.0]), np.array([11.0, 25.0, 30.0, 39.9])
    assert coverage(TRUTH, low, high) == 0.5


# --- calibration ------------------------------------------------------------------------------


def test_calibration_by_hand():
    # Two bins of width 0.5. The upper holds 0.6 and 0.8, of which one is right: |1.4 - 1|.
    # The lower holds 0.3 and 0.3, of which none is: |0.6 - 0|. Over four faces: 1.0 / 4.
    confidence = np.array([0.6, 0.8, 0.3, 0.3])
    right = np.array([True, False, False, False])
    assert calibration_error(confidence, right, bins=2) == pytest.approx(0.25)
    # In one bin, with all of them right: |2.0 - 4| / 4.
    assert calibration_error(confidence, np.ones(4, bool), bins=1) == pytest.approx(0.5)


def test_every_confidence_has_a_bin():
    confidence = np.array([0.0, 0.0999, 0.1, 0.95, 1.0])
    assert calibration_bins(confidence, 10).tolist() == [0, 0, 1, 9, 9]


def test_sure_and_always_right_is_calibrated():
    assert calibration_error(np.ones(10), np.ones(10, bool)) == 0


def test_sure_and_always_wrong_is_as_bad_as_can_be():
    assert calibration_error(np.ones(10), np.zeros(10, bool)) == 1


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50),
    st.integers(1, 20),
)
def test_calibration_against_a_loop(pairs, bins):
    confidence, right = columns(pairs)
    total = 0.0
    for k in range(bins):
        inside = [(c, r) for c, r in pairs if int(c * bins) == k or (c == 1.0 and k == bins - 1)]
        if inside:
            mean_confidence = sum(c for c, _ in inside) / len(inside)
            share_right = sum(r for _, r in inside) / len(inside)
            total += len(inside) / len(pairs) * abs(mean_confidence - share_right)
    assert calibration_error(confidence, right, bins) == pytest.approx(total, abs=1e-9)
