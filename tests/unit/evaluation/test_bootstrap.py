"""Intervals by resampling: against obvious code, against theory, several metrics at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation import bootstrap, metrics
from mien.evaluation.bootstrap import Measure, estimate

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def slow(metric, n, samples, seed):
    """The definition: resample rows, measure, take percentiles."""
    generator = np.random.default_rng(seed)
    values = [metric(generator.integers(0, n, n)) for _ in range(samples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return metric(np.arange(n)), low, high


def three(found):
    return found.value, found.low, found.high


@given(PAIRS, st.integers(0, 50))
def test_against_obvious_code(pairs, seed):
    labels, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    n, right = len(pairs), labels == predicted
    confidence = (predicted + 1) / 4
    years = labels * 2.5
    found = estimate(
        [
            bootstrap.mean(years),
            bootstrap.macro_f1(labels, predicted, 4),
            bootstrap.calibration_error(confidence, right, 5),
            bootstrap.mean(right),
        ],
        samples=40,
        seed=seed,
    )
    expected = [
        lambda k: float(years[k].mean()),
        lambda k: metrics.macro_f1(labels[k], predicted[k], 4),
        lambda k: metrics.calibration_error(confidence[k], right[k], 5),
        lambda k: metrics.accuracy(labels[k], predicted[k]),
    ]
    for measured, metric in zip(found, expected, strict=True):
        assert measured.n == n
        assert three(measured) == pytest.approx(slow(metric, n, 40, seed), abs=1e-12)


def test_a_mean_over_pictures_draws_faces():
    """Face 3 has three pictures, 9 and 7 have one each: with a face come all of its pictures."""
    values, faces = np.array([1.0, 2.0, 6.0, 0.0, 8.0]), np.array([3, 3, 3, 9, 7])
    groups = [values[:3], values[4:], values[3:4]]  # in the order of the numbers of the faces
    [found] = estimate([bootstrap.mean_of_pictures(values, faces)], samples=40, seed=2)
    expected = slow(lambda k: float(np.concatenate([groups[i] for i in k]).mean()), 3, 40, 2)
    assert three(found) == pytest.approx(expected)
    assert found.value == pytest.approx(17 / 5)
    assert found.n == 3


def test_blocks_are_drawn_as_one(monkeypatch):
    values = np.random.default_rng(5).normal(size=70)
    [at_once] = estimate([bootstrap.mean(values)], samples=50)
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 7 * 70)  # seven samples at a time; 50 = 7·7 + 1
    [in_blocks] = estimate([bootstrap.mean(values)], samples=50)
    assert three(in_blocks) == pytest.approx(three(at_once))


def test_more_faces_than_fit_into_a_block(monkeypatch):
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 10)
    [found] = estimate([bootstrap.mean(np.arange(100.0))], samples=20)
    assert found.value == 49.5
    assert 30 < found.low < 49.5 < found.high < 70


def test_the_same_seed_gives_the_same_interval():
    hits = np.arange(50) % 3 == 0
    first, second, other = (estimate([bootstrap.mean(hits)], seed=seed)[0] for seed in (0, 0, 1))
    assert first == second
    assert (other.low, other.high) != (first.low, first.high)
    assert other.value == first.value == pytest.approx(17 / 50)


def test_a_metric_does_not_depend_on_its_company():
    hits, years = np.arange(60) % 4 == 0, np.arange(60.0)
    alone = estimate([bootstrap.mean(hits)])[0]
    assert estimate([bootstrap.mean(years), bootstrap.mean(hits)])[1] == alone


def test_the_interval_of_a_share_is_as_wide_as_theory_says():
    # Normal approximation: 1.96 * sqrt(p (1 - p) / n) = 0.0196 for p = 0.5 and n = 2500.
    [found] = estimate([bootstrap.mean(np.arange(2500) % 2 == 0)])
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.4804, 0.5196), abs=0.003)


def test_nothing_to_doubt_has_no_width():
    [found] = estimate([bootstrap.mean(np.full(10, 0.75))])
    assert (*three(found), found.n) == (0.75, 0.75, 0.75, 10)


def test_one_face():
    labels = np.array([1])
    f1, error = estimate(
        [
            bootstrap.macro_f1(labels, labels, 3),
            bootstrap.calibration_error(np.array([0.75]), np.array([False])),
        ]
    )
    assert three(f1) == (1, 1, 1)
    assert three(error) == (0.75, 0.75, 0.75)


def test_any_function_of_sums():
    terms = np.array([[1.0, 2.0], [3.0, 4.0]])
    [found] = estimate([Measure(terms, lambda sums, n: sums[:, 1] / sums[:, 0] + n)])
    assert found.value == 6 / 4 + 2
