"""Labels lie inside the picture and cover no face whenever that is possible."""

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mien.results import Box
from mien.sinks.layout import Rect, Scene, place_labels


def meets(one, other):
    """Whether two rectangles share a pixel; by hand, not by the code under test."""
    return not (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    )


def inside(rect, picture):
    return 0 <= rect.left < rect.right <= picture[0] and 0 <= rect.top < rect.bottom <= picture[1]


def place_one(picture, face, sizes, *, others=(), labels=(), gap=0):
    scene = Scene(picture, [face, *others], labels, gap)
    return place_labels(scene, [0], lambda face, step: [sizes[step]], len(sizes))[0]


# --- single labels by hand --------------------------------------------------------------------

FACE = Rect(40, 40, 60, 60)


@pytest.mark.parametrize(
    ("picture", "face", "expected"),
    [
        ((100, 100), FACE, Rect(40, 62, 70, 72)),  # below, from the left edge of the face
        ((65, 100), FACE, Rect(33, 62, 63, 72)),  # slid left, to stay inside
        ((100, 70), FACE, Rect(40, 28, 70, 38)),  # above: no room below
        ((100, 62), Rect(40, 0, 60, 60), Rect(62, 2, 92, 12)),  # right: the face fills the height
        ((64, 62), Rect(40, 0, 60, 60), Rect(8, 2, 38, 12)),  # left: no room at the right
    ],
)
def test_below_then_above_then_beside(picture, face, expected):
    place = place_one(picture, face, [(30, 10)], gap=2)
    assert place == (0, 0, expected, True)


def test_another_face_below_sends_the_label_up():
    place = place_one((100, 100), FACE, [(30, 10)], others=[Rect(30, 65, 80, 90)], gap=2)
    assert place.rect == Rect(40, 28, 70, 38)


def test_another_label_counts_like_a_face():
    place = place_one((100, 100), FACE, [(30, 10)], labels=[Rect(30, 65, 80, 90)], gap=2)
    assert place.rect == Rect(40, 28, 70, 38)


def test_smaller_type_where_the_large_one_would_cover_a_face():
    # Free around the face: 8 px above and below, 5 px beside it.
    walls = [Rect(0, 0, 35, 100), Rect(65, 0, 100, 100), Rect(35, 0, 65, 32), Rect(35, 68, 65, 100)]
    place = place_one((100, 100), FACE, [(30, 10), (30, 8)], others=walls)
    assert (place.step, place.rect, place.clear) == (1, Rect(35, 60, 65, 68), True)


def test_no_room_beside_the_face_moves_the_label_away():
    # A ring of faces around FACE; only the band at x 80 to 100 is free.
    ring = [Rect(0, 0, 80, 40), Rect(0, 60, 80, 100), Rect(0, 40, 40, 60), Rect(60, 40, 80, 60)]
    place = place_one((100, 100), FACE, [(20, 10)], others=ring)
    assert place.clear
    assert place.rect.left == 80
    assert place.rect.distance(FACE) == 20


def test_a_face_that_fills_the_picture_keeps_its_middle():
    place = place_one((100, 100), Rect(0, 0, 100, 100), [(60, 30), (50, 20), (30, 10)])
    assert not place.clear
    # 20 px at each border lie outside the middle; the lower one is over the chin.
    assert (place.step, place.rect) == (1, Rect(0, 80, 50, 100))


def test_a_label_larger_than_the_picture_has_no_place():
    assert place_one((20, 20), Rect(0, 0, 5, 5), [(30, 10), (10, 30)]) is None


def test_all_labels_of_a_picture_have_one_type_size():
    # The second face has room for the small label only; the first one follows it.
    faces = [Rect(10, 10, 20, 20), Rect(90, 40, 100, 50)]
    walls = [Rect(60, 0, 90, 100), Rect(90, 56, 100, 100), Rect(90, 0, 100, 35)]
    scene = Scene((100, 100), [*faces, *walls])
    places = place_labels(scene, [0, 1], lambda face, step: [[(20, 8)], [(10, 6)]][step], 2)
    assert [place.step for place in places] == [1, 1]
    assert [place.clear for place in places] == [True, True]


def test_distance_and_bridge_by_hand():
    a, b = Rect(0, 0, 10, 10), Rect(13, 14, 20, 20)
    assert a.distance(b) == b.distance(a) == 5.0
    assert a.bridge(b) == ((10, 10), (13, 14))
    assert b.bridge(a) == ((13, 14), (10, 10))
    assert a.bridge(Rect(4, 30, 8, 40)) == ((6, 10), (6, 30))
    assert a.distance(Rect(5, 5, 6, 6)) == 0


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        (Box(1.2, 2.8, 9.1, 9.9), 0, Rect(1, 2, 10, 10)),
        (Box(1.2, 2.8, 9.1, 9.9), 3, Rect(0, 0, 13, 13)),
        (Box(-5, -5, 50, 50), 3, Rect(0, 0, 20, 30)),
        (Box(40, 40, 50, 50), 3, Rect(20, 30, 20, 30)),
    ],
)
def test_pixels_around_a_box(box, margin, expected):
    rect = Rect.around(box, (20, 30), margin=margin)
    assert rect == expected
    assert rect.is_empty == (box.left == 40)


# --- properties -------------------------------------------------------------------------------


@st.composite
def scenes(draw, most=4):
    """A small picture with faces in it, and the sizes of its labels."""
    picture = draw(st.integers(4, 24)), draw(st.integers(4, 24))
    faces = []
    for _ in range(draw(st.integers(1, most))):
        left, top = draw(st.integers(0, picture[0] - 1)), draw(st.integers(0, picture[1] - 1))
        right = draw(st.integers(left + 1, picture[0]))
        bottom = draw(st.integers(top + 1, picture[1]))
        faces.append(Rect(left, top, right, bottom))
    size = st.tuples(st.integers(1, 16), st.integers(1, 10))
    return picture, faces, draw(st.lists(size, min_size=1, max_size=3))


def has_room(picture, size, obstacles):
    """Try every pixel."""
    spots = itertools.product(range(picture[0] - size[0] + 1), range(picture[1] - size[1] + 1))
    return any(
        not any(meets((x, y, x + size[0], y + size[1]), other) for other in obstacles)
        for x, y in spots
    )


@settings(deadline=None, max_examples=200)
@given(scene=scenes(), gap=st.integers(0, 3))
def test_a_label_covers_no_face_whenever_there_is_room(scene, gap):
    picture, faces, sizes = scene
    place = place_one(picture, faces[0], sizes, others=faces[1:], gap=gap)
    fitting = [size for size in sizes if size[0] <= picture[0] and size[1] <= picture[1]]
    if not fitting:
        assert place is None
        return
    assert inside(place.rect, picture)
    covers = any(meets(place.rect, face) for face in faces)
    assert place.clear == (not covers)
    assert place.clear == any(has_room(picture, size, faces) for size in fitting)


@settings(deadline=None, max_examples=100)
@given(scene=scenes(most=6), gap=st.integers(0, 3))
def test_labels_with_a_clear_place_cover_neither_faces_nor_each_other(scene, gap):
    picture, faces, sizes = scene
    assume(all(size[0] <= picture[0] and size[1] <= picture[1] for size in sizes))
    wanted = range(len(faces))
    places = place_labels(
        Scene(picture, faces, (), gap), wanted, lambda face, step: [sizes[step]], len(sizes)
    )
    for place in places:
        rect = place.rect
        assert inside(rect, picture)
        assert (rect.right - rect.left, rect.bottom - rect.top) == sizes[place.step]
    clear = [place.rect for place in places if place.clear]
    assert not any(meets(rect, face) for rect in clear for face in faces)
    assert not any(meets(one, other) for one, other in itertools.combinations(clear, 2))
