"""What is drawn, where, and how large."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.results import Age, Box, Distribution, Face, FrameResult
from mien.sinks.draw import GREY, PALETTE, draw_faces, label_marks, lay_out
from mien.sinks.layout import Rect
from mien.sinks.panels import PANEL, TEXT

EMOTIONS = ("neutral", "happiness", "surprise")


def make_face(box, **changes):
    values = {
        "age": Age(
            years=31.4,
            low=25.6,
            high=37.2,
            group="26-59",
            groups=Distribution(("0-25", "26-59"), (0.25, 0.75)),
            distribution=(),
        ),
        "gender": Distribution(("female", "male"), (0.97, 0.03)),
        "emotion": Distribution(EMOTIONS, (0.1, 0.88, 0.02)),
    }
    return Face(box=Box(*box), score=0.9, **(values | changes))


def skipped(box, reason="face narrower than 24 px"):
    return Face(box=Box(*box), score=0.9, skipped=reason)


def grey(width, height, value=128):
    return np.full((height, width, 3), value, np.uint8)


def draw(image, *faces):
    size = {"width": image.shape[1], "height": image.shape[0]}
    return draw_faces(image, FrameResult(source="a", faces=faces, **size))


def labels_of(picture, *faces):
    return label_marks(picture, lay_out(faces, picture))


def test_the_image_itself_is_not_changed():
    image = grey(320, 240)
    drawn = draw(image, make_face((100, 60, 160, 130)))
    assert (image == 128).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (drawn != 128).any()


def test_no_faces_no_change():
    image = grey(64, 48)
    drawn = draw(image)
    assert (drawn == image).all()
    assert drawn is not image


def test_a_read_only_view_can_be_drawn():
    image = grey(320, 240)[::2, ::-1]
    image.flags.writeable = False
    assert draw(image, make_face((20, 20, 60, 60))).shape == (120, 320, 3)


def test_the_pixels_of_the_face_are_untouched():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (480, 640, 3), np.uint8)
    drawn = draw(image, make_face((200, 100, 320, 260)))
    assert (drawn[100:260, 200:320] == image[100:260, 200:320]).all()


def test_a_coloured_line_with_dark_rims_runs_around_the_face():
    drawn = draw(grey(640, 480), make_face((200, 100, 320, 260)))
    # From the face outwards: 1 px dark, 2 px colour, 1 px dark, then the picture again.
    across = [tuple(int(c) for c in drawn[180, x]) for x in (199, 198, 197, 196, 195)]
    assert across == [PANEL, PALETTE[0], PALETTE[0], PANEL, (128, 128, 128)]


def test_the_label_is_white_on_dark_beside_the_face():
    drawn = draw(grey(640, 480), make_face((200, 100, 320, 260)))
    (label,) = labels_of((640, 480), make_face((200, 100, 320, 260)))
    assert label.lines == [
        "age 31 (26-37)",
        "female 97\N{NO-BREAK SPACE}%",
        "happiness 88\N{NO-BREAK SPACE}%",
    ]
    left, top, right, bottom = label.rect
    assert (left, top) == (196, 265)
    panel = drawn[top:bottom, left:right].reshape(-1, 3)
    assert (panel.max(axis=0) == TEXT).all()
    assert np.median(panel, axis=0).tolist() == list(PANEL)
    bar = drawn[(top + bottom) // 2, left]
    assert tuple(int(c) for c in bar) == PALETTE[0]


def test_text_and_panel_contrast_is_high():
    # WCAG 2.1, contrast ratio; 7 is its strictest demand (success criterion 1.4.6).
    def luminance(colour):
        parts = [c / 255 for c in colour]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert (luminance(TEXT) + 0.05) / (luminance(PANEL) + 0.05) > 7
    assert all((luminance(c) + 0.05) / (luminance(PANEL) + 0.05) > 3 for c in (*PALETTE, GREY))


@pytest.mark.parametrize(
    ("side", "type_px", "line_px"), [(300, 12, 2), (640, 12, 2), (1000, 17, 3), (4000, 68, 11)]
)
def test_type_and_line_grow_with_the_picture(side, type_px, line_px):
    box = (0.4 * side, 0.4 * side, 0.5 * side, 0.52 * side)
    (mark,) = lay_out([make_face(box)], (side, side))
    assert (mark.type_px, mark.line_px) == (type_px, line_px)


def test_type_grows_with_the_face_up_to_a_limit():
    sizes = [
        lay_out([make_face((0, 0, width, width))], (1000, 1000))[0].type_px
        for width in (50, 200, 800)
    ]
    assert sizes == [17, 22, 29]


def test_a_skipped_face_has_a_thin_grey_box_and_the_reason():
    face = skipped((200, 100, 320, 260))
    drawn = draw(grey(640, 480), face)
    across = [tuple(int(c) for c in drawn[180, x]) for x in (200, 199, 198, 197)]
    assert across == [(128, 128, 128), GREY, PANEL, (128, 128, 128)]
    (label,) = labels_of((640, 480), face)
    assert label.lines == ["face narrower than 24 px"]


def test_the_reason_is_left_out_where_it_would_cover_a_face():
    whole = make_face((0, 0, 200, 200))
    labels = labels_of((200, 200), skipped((10, 10, 30, 30)), whole)
    # Answers come first.
    assert labels[0].lines[0] == "age 31 (26-37)"
    assert labels[1] is None


def test_neighbours_have_different_colours_and_a_track_keeps_its_own():
    faces = [make_face((30 * k, 0, 30 * k + 20, 20)) for k in range(7)]
    assert len({mark.colour for mark in lay_out(faces, (640, 480))}) == 7
    tracked = [make_face((0, 0, 20, 20), track_id=9)]
    assert lay_out(tracked, (640, 480))[0].colour == PALETTE[2]


def test_a_face_outside_the_picture_is_left_out():
    image = grey(64, 48)
    assert (draw(image, make_face((70, 10, 90, 30))) == image).all()


def test_nothing_is_said_about_a_face_of_which_nothing_was_asked():
    face = make_face((100, 100, 150, 150), age=None, gender=None, emotion=None)
    assert labels_of((640, 480), face) == [None]
    assert (draw(grey(640, 480), face) != 128).any()


def test_a_long_label_is_wrapped_into_the_picture():
    words = "a very long name of an expression that a model of your own may have"
    face = make_face((120, 60, 180, 130), emotion=Distribution((words, "b"), (0.8, 0.2)))
    (label,) = labels_of((300, 300), face)
    assert len(label.lines) > 3
    assert " ".join(label.lines).endswith("may have 80\N{NO-BREAK SPACE}%")
    assert inside(label.rect, (300, 300))


def inside(rect, picture):
    return 0 <= rect.left < rect.right <= picture[0] and 0 <= rect.top < rect.bottom <= picture[1]


@st.composite
def pictures(draw):
    width, height = draw(st.integers(16, 700)), draw(st.integers(16, 700))
    faces = []
    for _ in range(draw(st.integers(0, 5))):
        left = draw(st.floats(-50, width))
        top = draw(st.floats(-50, height))
        box = (left, top, left + draw(st.floats(1, 400)), top + draw(st.floats(1, 400)))
        faces.append(skipped(box) if draw(st.booleans()) else make_face(box))
    return (width, height), faces


@settings(deadline=None, max_examples=60)
@given(scene=pictures())
def test_labels_lie_inside_and_clear_ones_cover_no_face(scene):
    picture, faces = scene
    marks = lay_out(faces, picture)
    labels = label_marks(picture, marks)
    assert len(labels) == len(marks)
    boxes = [Rect.around(mark.face.box, picture) for mark in marks]
    for label in filter(None, labels):
        assert inside(label.rect, picture)
        if label.clear:
            for box in boxes:
                apart = (
                    box.right <= label.rect.left
                    or label.rect.right <= box.left
                    or box.bottom <= label.rect.top
                    or label.rect.bottom <= box.top
                )
                assert apart
    drawn = draw(grey(*picture), *faces)
    assert drawn.shape == (picture[1], picture[0], 3)


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(300, 1200),
    height=st.integers(300, 1200),
    x=st.floats(0.3, 0.6),
    y=st.floats(0.3, 0.6),
)
def test_one_face_of_usual_size_has_a_clear_label_next_to_it(width, height, x, y):
    side = 0.15 * min(width, height)
    box = (x * width, y * height, x * width + side, y * height + 1.2 * side)
    (label,) = labels_of((width, height), make_face(box))
    assert label.clear
    assert len(label.lines) == 3
    assert label.rect.distance(Rect.around(Box(*box), (width, height))) <= 8
