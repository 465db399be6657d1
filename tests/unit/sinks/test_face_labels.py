"""What labels say and how wide they are."""

import pytest

from mien.results import Age, Box, Distribution, Face
from mien.sinks.labels import drawable, face_lines, layouts, percent, text_width

BOX = Box(0, 0, 10, 10)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0"), (0.004, "0"), (0.875, "88"), (0.994, "99"), (0.996, ">99"), (1.0, ">99")],
)
def test_percent_never_claims_certainty(probability, text):
    assert percent(probability) == f"{text}{NBSP}%"


def test_lines_of_a_full_face():
    age = Age(
        years=31.4, low=25.6, high=37.2, group="a", groups=Distribution(("a",), (1,)),
        distribution=(),
    )  # fmt: skip
    face = Face(
        box=BOX,
        score=1.0,
        age=age,
        gender=Distribution(("female", "male"), (0.25, 0.75)),
        emotion=Distribution(("joy",), (0.5,)),
        track_id=7,
    )
    assert face_lines(face) == ["#7", "age 31 (26-37)", f"male 75{NBSP}%", f"joy 50{NBSP}%"]


def test_a_skipped_face_says_only_why():
    assert face_lines(Face(box=BOX, score=1.0, skipped="blurred", track_id=7)) == ["#7", "blurred"]


def test_a_face_without_answers_says_nothing():
    assert face_lines(Face(box=BOX, score=1.0)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [("26–37", "26-37"), ("gaieté", "gaiete"), ("喜び", "??"), ("a\nb\tc", "a?b?c")],
)
def test_only_characters_that_the_font_has(text, shown):
    assert drawable(text) == shown


@pytest.mark.parametrize("size_px", [9, 12, 20, 68])
def test_the_measured_width_holds_the_drawn_text(size_px):
    from PIL import Image, ImageDraw

    from mien.sinks.labels import font, oversampling

    times = oversampling(size_px)
    text = "happiness 88 %"
    width = text_width(text, size_px)
    canvas = Image.new("L", (2 * times * width, 2 * times * size_px))
    ImageDraw.Draw(canvas).text(
        (0, times * size_px), text, fill=255, font=font(times * size_px), anchor="ls"
    )
    _, _, right, _ = canvas.getbbox()
    assert 0.9 * width < right / times <= width


def test_ways_to_break_lines_best_first():
    lines = ["age 31 (26-37)", "female 97 %", "happiness 88 %"]
    assert layouts(lines, 12, 1000) == [
        lines,
        ["age 31 (26-37)", "female 97 % · happiness 88 %"],
        ["age 31 (26-37) · female 97 % · happiness 88 %"],
    ]
    # Narrow: what does not fit is not offered.
    assert layouts(lines, 12, 100) == [lines]


def test_a_reason_may_take_two_lines():
    assert layouts(["face narrower than 24 px"], 12, 1000) == [
        ["face narrower than 24 px"],
        ["face narrower", "than 24 px"],
    ]


def test_a_word_longer_than_the_picture_is_broken():
    (only,) = layouts(["o" * 50], 10, 80)
    assert len(only) > 1
    assert "".join(only) == "o" * 50
    assert all(text_width(line, 10) <= 80 for line in only)


def test_no_way_in_a_tiny_picture():
    assert layouts(["happiness 88 %"], 10, 12) == []
