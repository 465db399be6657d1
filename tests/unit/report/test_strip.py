"""Expressions over time stay right however often the cells are joined."""

import numpy as np
import pytest

from mien.report.strip import GAP_S, MAX_CELLS, Ruler, Strip


def strip_of(times, shares, *, step, chunk=None, start=None):
    """Add frames in chunks, as a table gives them."""
    ruler, strip = Ruler(times[0] if start is None else start), Strip(shares.shape[1])
    for begin in range(0, len(times), chunk or len(times)):
        part = slice(begin, begin + (chunk or len(times)))
        ruler.reach(times[part].max())
        durations = np.full(len(times[part]), step)
        strip.add(ruler, times[part], durations, durations, shares[part])
    return strip, ruler


def waves(times):
    first = 0.5 + 0.5 * np.sin(times / 10)
    return np.column_stack([first, 1 - first])


def test_a_short_clip_keeps_every_frame():
    times = np.arange(300) / 30
    points = strip_of(times, waves(times), step=1 / 30)[0].points()
    assert points.first_s == pytest.approx(times)
    assert points.end_s == pytest.approx(times + 1 / 30)
    assert points.shares == pytest.approx(waves(times))


@pytest.mark.parametrize("chunk", [None, 1000, 777])
def test_a_long_clip_has_a_bounded_number_of_true_means(chunk):
    times = np.arange(30_000) / 5  # 100 minutes
    strip, ruler = strip_of(times, waves(times), step=0.2, chunk=chunk)
    points = strip.points()
    assert MAX_CELLS / 4 <= len(points.time_s) <= MAX_CELLS
    assert ruler.cell_s == 4
    # Worked out without the strip: the mean over every 4 s.
    means = waves(times).reshape(-1, 20, 2).mean(axis=1)
    assert points.shares == pytest.approx(means)
    assert points.time_s == pytest.approx(times.reshape(-1, 20).mean(axis=1) + 0.1)
    assert len(points.runs()) == 1


def test_chunks_change_nothing():
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.5, 4000))
    whole, pieces = (strip_of(times, waves(times), step=0.02, chunk=k)[0] for k in (None, 97))
    assert whole.points().shares == pytest.approx(pieces.points().shares)
    assert whole.points().first_s == pytest.approx(pieces.points().first_s)


def test_gaps_divide_into_runs():
    times = np.concatenate([np.arange(10), 12 + np.arange(10), 22 + np.arange(5)]) / 10 + 5
    points = strip_of(times, waves(times), step=0.1)[0].points()
    assert GAP_S == 0.25  # longer than the hole from 6.0 to 6.2 s
    assert points.runs() == [slice(0, 25)]
    wider = np.concatenate([times[:10], times[10:] + 0.1])
    points = strip_of(wider, waves(wider), step=0.1)[0].points()
    assert points.runs() == [slice(0, 10), slice(10, 25)]


def test_somebody_seen_once_late_in_a_long_clip_takes_little_room():
    ruler, strip = Ruler(0.0), Strip(2)
    ruler.reach(7000.0)
    strip.add(ruler, np.array([7000.0]), np.array([0.5]), np.array([0.5]), np.array([[0.2, 0.8]]))
    assert len(strip._sums) == 1
    assert strip.points().time_s == pytest.approx([7000.25])


def test_nobody_has_no_points():
    points = Strip(3).points()
    assert len(points.time_s) == 0
    assert points.runs() == []
