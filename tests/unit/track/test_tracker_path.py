import math

import pytest

from mien.results import Box
from mien.track.path import Path


def square(x, y=100.0, side=50.0):
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def walked(speed, seconds, step=1 / 30, start=100.0):
    """A path that has seen a face go to the right, and the time."""
    path, time_s = Path(square(start), 0.0), 0.0
    for k in range(1, round(seconds / step) + 1):
        time_s = k * step
        path.see(square(start + speed * time_s), time_s)
        path.remember(square(start + speed * time_s))
    return path, time_s


@pytest.mark.parametrize("step", [1 / 60, 1 / 30, 0.1])
def test_goes_on_as_it_went(step):
    path, time_s = walked(120, 1.0, step)
    guess = path.at(time_s + 0.2)
    assert guess.centre == pytest.approx((100 + 120 * (time_s + 0.2), 100), abs=6)
    assert guess.size == pytest.approx(50, abs=0.1)


def test_people_slow_down_out_of_sight():
    path, time_s = walked(120, 1.0)
    went = path.at(time_s + 1.0).centre[0] - path.at(time_s).centre[0]
    assert 0.5 * 120 < went < 0.9 * 120


def test_the_longer_unseen_the_vaguer():
    path, time_s = walked(0, 1.0)
    deviations = [path.at(time_s + away).deviation for away in (0.0, 0.1, 0.5, 1.0)]
    assert deviations == sorted(deviations)
    assert deviations[0] < 0.05
    assert 0.4 < deviations[-1] < 1.2


def test_a_new_face_may_go_anywhere():
    assert Path(square(100), 0.0).at(0.5).deviation > 0.5


def test_asking_changes_nothing():
    path, time_s = walked(60, 0.5)
    before = path.at(time_s)
    path.at(time_s + 3.0)
    assert path.at(time_s) == before


def test_flow_tells_the_speed():
    path = Path(square(100), 0.0)
    assert not path.knows_speed
    for k in range(1, 16):
        before, after = square(95 + 5.0 * k), square(100 + 5.0 * k)
        path.drift(before, (k - 1) / 30, after, k / 30)
    assert path.knows_speed
    assert path.at(0.5).centre[0] == pytest.approx(175, abs=0.5)
    assert path.at(0.6).centre[0] == pytest.approx(175 + 15, abs=1.5)


def test_who_slides_behind_something_is_expected_on_the_other_side():
    path, time_s = walked(120, 1.0)
    # From now on the right part is hidden: the box stops at the edge and becomes narrow.
    edge = 100 + 120 * time_s + 25
    for _ in range(8):
        time_s += 1 / 30
        left = 100 + 120 * time_s - 25
        part = Box(left, 75, edge, 125)
        path.see(part, time_s, learn=False)
        path.remember(part)
    truth = 100 + 120 * (time_s + 0.4)
    stuck = path.at(time_s + 0.4).centre[0]
    path.lose()
    freed = path.at(time_s + 0.4)
    assert abs(freed.centre[0] - truth) < abs(stuck - truth)
    assert freed.centre[0] == pytest.approx(truth, abs=20)
    assert freed.size == pytest.approx(50, abs=2)


def test_who_vanishes_whole_is_expected_where_it_went():
    path, time_s = walked(120, 1.0)
    before = path.at(time_s + 0.3)
    path.lose()
    assert path.at(time_s + 0.3) == before


def test_one_wild_box_does_not_throw_the_path_off():
    path, time_s = walked(60, 1.0)
    expected = path.at(time_s + 1 / 30).centre[0]
    path.see(square(expected + 25), time_s + 1 / 30, learn=False)
    assert path.at(time_s + 1 / 30).centre[0] == pytest.approx(expected, abs=2.5)


def test_memory_is_bounded():
    path, _ = walked(1, 30.0)
    assert len(path._past) <= 32


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_time_that_stands_still(step):
    path = Path(square(100), 0.0)
    path.see(square(101), step)
    path.drift(square(101), step, square(102), step)
    assert all(map(math.isfinite, path.at(1.0).centre))
