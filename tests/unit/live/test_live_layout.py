"""Parts of the window: inside, apart, and large enough to read, at any size."""

from itertools import combinations

import pytest

from mien.live.layout import Layout, fitted
from mien.sinks.layout import Rect

SIZES = [(360, 270), (640, 480), (700, 1000), (800, 600), (1280, 720), (1920, 1080), (3840, 2160)]


def parts(layout):
    return [layout.picture, layout.people, layout.timeline, layout.status]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aspect", [4 / 3, 16 / 9, 9 / 16])
def test_parts_are_inside_and_do_not_meet(size, aspect):
    layout = Layout.of(size, aspect)
    for rect in parts(layout):
        assert not rect.is_empty
        assert 0 <= rect.left < rect.right <= size[0]
        assert 0 <= rect.top < rect.bottom <= size[1]
    for one, other in combinations(parts(layout), 2):
        assert (
            one.right <= other.left
            or other.right <= one.left
            or one.bottom <= other.top
            or other.bottom <= one.top
        )
    assert layout.unit >= 12


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080)])
def test_the_picture_is_what_there_is_most_of(size):
    layout = Layout.of(size)
    place = fitted(layout.picture, (1280, 720))
    area = (place.right - place.left) * (place.bottom - place.top)
    assert area > 0.48 * size[0] * size[1]


@pytest.mark.parametrize(("size", "count"), [((640, 480), 1), ((1280, 720), 3), ((1920, 1080), 3)])
def test_how_many_people_have_bars(size, count):
    assert Layout.of(size).count == count


def test_type_grows_with_the_window():
    units = [Layout.of(size).unit for size in [(640, 480), (1280, 720), (1920, 1080)]]
    assert units == sorted(units)
    assert units[-1] >= 22


def test_a_tiny_window_has_the_picture_only():
    layout = Layout.of((200, 120))
    assert layout.picture == Rect(0, 0, 200, 120)
    assert layout.count == 0
    assert layout.status.is_empty


@pytest.mark.parametrize("size", [(1280, 720), (480, 640), (1, 5000), (5000, 1)])
def test_a_picture_keeps_its_proportions_and_stays_inside(size):
    room = Rect(10, 20, 410, 320)
    place = fitted(room, size)
    assert room.left <= place.left < place.right <= room.right
    assert room.top <= place.top < place.bottom <= room.bottom
    if min(size) > 100:
        aspect = (place.right - place.left) / (place.bottom - place.top)
        assert aspect == pytest.approx(size[0] / size[1], rel=0.01)
    assert place.right - place.left == 400 or place.bottom - place.top == 300
