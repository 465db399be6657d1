"""Rates and delays over the last seconds."""

import pytest

from mien.live.meters import MOST, Delays, Meters, Rate


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_rate_is_that_of_the_last_seconds():
    clock = Clock()
    rate = Rate(2.0, clock)
    assert rate.per_second() is None
    for step in [0.1] * 50 + [0.02] * 150:
        rate.tick()
        clock.now += step
    assert rate.per_second() == pytest.approx(50)
    clock.now += 10
    assert rate.per_second() is None


def test_one_frame_is_no_rate():
    rate = Rate(2.0, Clock())
    rate.tick()
    assert rate.per_second() is None


def test_delays_are_percentiles_of_the_last_seconds():
    clock = Clock()
    delays = Delays(5.0, clock)
    delays.add(clock.now - 9)
    clock.now += 20
    for late in range(1, 101):
        delays.add(clock.now - late / 1000)
    median, p95, worst = delays.percentiles(50, 95, 100)
    assert (median, p95, worst) == pytest.approx((0.0505, 0.09505, 0.1))
    clock.now += 10
    assert delays.percentiles(50) is None


def test_memory_is_bounded():
    rate = Rate(1e9, Clock())
    for _ in range(2 * MOST):
        rate.tick()
    assert len(rate._times) == MOST


def test_nothing_is_shown_before_there_is_something():
    reading = Meters().read()
    assert reading.capture is reading.screen is reading.median_s is reading.p95_s is None
