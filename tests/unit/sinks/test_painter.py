"""Labels on the frames of a clip: they keep still, and say the same as on a picture."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.results import Age, Box, Distribution, Face, FrameResult, Smoothed
from mien.sinks.draw import PALETTE, draw_faces
from mien.sinks.layout import Rect
from mien.sinks.painter import REVIEW_FRAMES, Painter

PICTURE = (640, 360)
EMOTIONS = ("neutral", "happiness")


def age_of(years):
    groups = Distribution(("0-25", "26-59"), (0.25, 0.75))
    return Age(
        years=years, low=years - 6, high=years + 6, group="26-59", groups=groups, distribution=()
    )


def make_face(box, track_id=1, years=31.4, happiness=0.88, **changes):
    values = {
        "age": age_of(years),
        "gender": Distribution(("female", "male"), (0.97, 0.03)),
        "emotion": Distribution(EMOTIONS, (1 - happiness, happiness)),
    }
    return Face(box=Box(*box), score=0.9, track_id=track_id, **(values | changes))


def around(x, y, width=80):
    return (x - width / 2, y - 0.6 * width, x + width / 2, y + 0.6 * width)


class Watched:
    """A painter, and the labels of every frame so far by track."""

    def __init__(self):
        self.painter = Painter()
        self.labels = []

    def show(self, *faces, picture=PICTURE):
        marks, labels = self.painter.arrange(faces, picture)
        pairs = zip(marks, labels, strict=True)
        self.labels.append({mark.face.track_id: label for mark, label in pairs})

    def rects(self, track_id=1):
        return [found[track_id].rect for found in self.labels]


def side(label, face):
    box = Rect.around(face.box, PICTURE)
    if label.top >= box.bottom:
        return "below"
    if label.bottom <= box.top:
        return "above"
    return "right" if label.left >= box.right else "left"


def test_the_first_frame_looks_like_a_picture():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (360, 640, 3), np.uint8)
    faces = (
        make_face(around(200, 150)),
        make_face(around(400, 200), track_id=None),
        Face(box=Box(500, 20, 520, 44), score=0.5, track_id=4, skipped="too small"),
    )
    result = FrameResult(source="a", faces=faces)
    assert (Painter().draw(image, result) == draw_faces(image, result)).all()


def test_faces_without_a_track_look_like_those_of_a_picture_in_every_frame():
    painter = Painter()
    for step in range(4):
        image = np.full((360, 640, 3), 40 * step, np.uint8)
        result = FrameResult(
            source="a", faces=(make_face(around(200 + 30 * step, 250 + 20 * step), track_id=None),)
        )
        assert (painter.draw(image, result) == draw_faces(image, result)).all()


def test_a_face_that_trembles_leaves_its_label_alone():
    painter = Watched()
    rng = np.random.default_rng(0)
    for _ in range(40):
        x, y, width = np.array([300, 150, 80]) + rng.uniform(-0.8, 0.8, 3)
        painter.show(make_face(around(x, y, width)))
    assert sum(a != b for a, b in pairwise(painter.rects())) <= 3


def test_a_label_goes_along_evenly_with_its_face():
    painter = Watched()
    for step in range(60):
        painter.show(make_face(around(150 + 3 * step, 150)))
    lefts = [rect.left for rect in painter.rects()]
    assert set(np.diff(lefts[5:])) == {3}
    assert {rect.top for rect in painter.rects()} == {painter.rects()[0].top}


def test_a_label_stays_on_its_side_while_there_is_room():
    # Down until the label does not fit below any more, then up again.
    painter, sides = Watched(), []
    heights = [*range(150, 300, 5), *range(300, 150, -5)]
    for y in heights:
        face = make_face(around(300, y))
        painter.show(face)
        sides.append(side(painter.rects()[-1], face))
    changes = [k for k in range(1, len(sides)) if sides[k] != sides[k - 1]]
    assert sides[0] == "below"
    assert len(changes) == 1
    assert sides[-1] == "above"


def test_people_who_pass_each_other_do_not_make_labels_dance():
    painter = Watched()
    for step in range(100):
        painter.show(
            make_face(around(120 + 4 * step, 180), 1), make_face(around(520 - 4 * step, 180), 2)
        )
    for track_id in (1, 2):
        rects = painter.rects(track_id)
        jumps = [max(abs(a.left - b.left), abs(a.top - b.top)) > 20 for a, b in pairwise(rects)]
        assert sum(jumps) <= 3


def test_the_side_is_remembered_while_a_person_is_hidden():
    painter = Watched()
    face = make_face(around(300, 300))
    painter.show(face)
    before = painter.rects()[-1]
    assert side(before, face) == "above"
    face = make_face(around(300, 150))
    for _ in range(10):
        painter.show()
    painter.show(face)
    assert side(painter.labels[-1][1].rect, face) == "above"


def test_people_who_are_gone_for_long_are_forgotten():
    painter = Painter()
    for track_id in range(12 * REVIEW_FRAMES):
        painter.arrange((make_face(around(300, 150), track_id),), PICTURE)
    assert len(painter._people) <= 11 * REVIEW_FRAMES


def test_the_panel_keeps_its_width():
    painter = Watched()
    for k in range(20):
        painter.show(make_face(around(300, 150), happiness=0.9 if k % 2 else 0.1))
    widths = {rect.right - rect.left for rect in painter.rects()[2:]}
    assert len(widths) == 1


def test_type_keeps_its_size_until_the_face_has_grown():
    painter = Watched()
    rng = np.random.default_rng(1)
    sizes = []
    for width in [*(130 + rng.uniform(-6, 6, 30)), 240]:
        painter.show(make_face(around(300, 150, width)))
        sizes.append(painter.labels[-1][1].size_px)
    assert len(set(sizes[:30])) == 1
    assert sizes[-1] > sizes[0]


def test_small_type_grows_again_when_there_is_room():
    painter = Watched()
    crowd = [
        make_face(around(60 + 75 * k, 60 + 88 * j, 66), 8 * j + k)
        for j in range(4)
        for k in range(8)
    ]
    painter.show(*crowd)
    small = painter.labels[-1][9].size_px
    for _ in range(REVIEW_FRAMES + 1):
        painter.show(crowd[9])
    assert painter.labels[-1][9].size_px > small


def test_figures_stay_while_they_are_nearly_right():
    painter = Watched()
    rng = np.random.default_rng(2)
    for _ in range(30):
        years, happiness = 31.5 + rng.uniform(-0.3, 0.3), 0.88 + rng.uniform(-0.01, 0.01)
        painter.show(make_face(around(300, 150), years=years, happiness=happiness))
    assert len({tuple(found[1].lines) for found in painter.labels}) == 1
    painter.show(make_face(around(300, 150), years=35.0, happiness=0.5 + 0.2))
    assert painter.labels[-1][1].lines[1:] == [
        "age 35 (29-41)",
        "female 97\N{NO-BREAK SPACE}%",
        "happiness 70\N{NO-BREAK SPACE}%",
    ]


def test_answers_of_all_frames_are_preferred():
    steady = Smoothed(age=age_of(40.0), emotion=Distribution(EMOTIONS, (0.75, 0.25)))
    face = make_face(around(300, 150), smoothed=steady)
    painter = Watched()
    painter.show(face)
    lines = ["#1", "age 40 (34-46)", "neutral 75\N{NO-BREAK SPACE}%"]
    assert painter.labels[-1][1].lines == lines
    # A frame that is too blurred to answer changes nothing.
    skipped = replace(face, age=None, gender=None, emotion=None, skipped="blurred")
    painter.show(skipped)
    assert painter.labels[-1][1].lines == lines
    (mark,), _ = painter.painter.arrange((skipped,), PICTURE)
    assert (mark.colour, mark.is_skipped) == (PALETTE[1], False)


@st.composite
def walks(draw):
    """A few frames in which people come, go and wander about a picture of any size."""
    picture = draw(st.integers(40, 500)), draw(st.integers(40, 500))
    frames = []
    for _ in range(draw(st.integers(2, 6))):
        faces = []
        for track_id in draw(st.sets(st.integers(0, 4), max_size=4)):
            x, y = draw(st.floats(-20, picture[0])), draw(st.floats(-20, picture[1]))
            box = around(x, y, draw(st.floats(2, 200)))
            faces.append(make_face(box, track_id, happiness=draw(st.floats(0, 1))))
        frames.append(faces)
    return picture, frames


@settings(deadline=None, max_examples=30)
@given(walk=walks())
def test_labels_lie_inside_and_clear_ones_cover_nothing(walk):
    picture, frames = walk
    painter = Watched()
    for faces in frames:
        painter.show(*faces, picture=picture)
        boxes = [Rect.around(face.box, picture) for face in faces]
        labels = [label for label in painter.labels[-1].values() if label is not None]
        for number, label in enumerate(labels):
            left, top, right, bottom = label.rect
            assert 0 <= left < right <= picture[0]
            assert 0 <= top < bottom <= picture[1]
            if label.clear:
                others = [other.rect for other in labels[:number] if other.clear]
                for box in [box for box in boxes if not box.is_empty] + others:
                    assert (
                        box.right <= left
                        or right <= box.left
                        or box.bottom <= top
                        or bottom <= box.top
                    )
