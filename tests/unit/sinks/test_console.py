"""The table in the terminal: narrow enough, streamed, and safe with odd names."""

import io

import pytest
from rich.console import Console

from mien.interfaces import Frame
from mien.results import Age, Box, Distribution, Face, FrameResult
from mien.sinks import ConsoleSink

FRAME = Frame(source="unused")
BOX = Box(0, 0, 50, 50)
FULL = Face(
    box=BOX,
    score=0.9,
    age=Age(
        years=31.4,
        low=25.6,
        high=37.2,
        group="26-59",
        groups=Distribution(("26-59",), (1.0,)),
        distribution=(),
    ),
    gender=Distribution(("female", "male"), (0.03, 0.97)),
    emotion=Distribution(("neutral", "fear", "anger", "joy"), (0.2, 0.06, 0.04, 0.7)),
)


def show(*results, width=80, encoding="utf-8"):
    """Lines that the sink prints for some results."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="", write_through=True)
    with ConsoleSink(Console(file=stream, width=width, force_terminal=False)) as sink:
        for result in results:
            sink.write(FRAME, result)
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_a_face_by_hand():
    head, rule, row = show(FrameResult(source="a.jpg", faces=(FULL,)))
    assert " ".join(head.split()) == "image face age (80 %) group gender facial expression (%)"
    assert set(rule) == {"─", " "}
    shown = " ".join(row.split())
    assert shown == "a.jpg 1/1 31 (26–37) 26-59 male 97 % joy 70, neutral 20, fear 6"


def test_the_three_most_probable_expressions_in_order():
    text = " ".join(" ".join(show(FrameResult(source="a", faces=(FULL,)), width=160)).split())
    assert text.endswith("joy 70, neutral 20, fear 6")


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    faces = (FULL, Face(box=BOX, score=0.9, skipped="turned away too far: yaw 72 degrees" * 4))
    lines = show(
        FrameResult(source="some/rather/long/path/" * 5 + "name.jpg", faces=faces),
        FrameResult(source="b.jpg", error="a rather long explanation of what went wrong " * 4),
        width=width,
    )
    assert max(map(len, lines)) <= width
    assert any(
        line.split()[0].endswith("me.jpg") for line in lines
    )  # the end of the name tells images apart


def test_rows_without_answers_say_why():
    lines = show(
        FrameResult(source="a.jpg", faces=(Face(box=BOX, score=0.9, skipped="blurred"),)),
        FrameResult(source="b.jpg"),
        FrameResult(source="c.jpg", error="the file is empty"),
    )
    assert [line.split(maxsplit=1) for line in lines[2:]] == [
        ["a.jpg", "1/1   skipped: blurred"],
        ["b.jpg", "no face found"],
        ["c.jpg", "the file is empty"],
    ]


def test_faces_of_one_image_are_counted_and_the_name_stands_once():
    lines = show(FrameResult(source="a.jpg", faces=(FULL, FULL)), width=120)
    assert [line.split()[:2] for line in lines[2:]] == [["a.jpg", "1/2"], ["2/2", "31"]]


def test_a_track_is_named_and_so_is_the_time():
    face = Face(box=BOX, score=0.9, track_id=12, skipped="blurred")
    (line,) = show(FrameResult(source="clip.mp4", time_s=1.5, index=45, faces=(face,)))[2:]
    assert line.split()[:4] == ["clip.mp4", "1.50", "s", "#12"]


def test_answers_that_were_not_asked_for_stay_empty():
    face = Face(box=BOX, score=0.9, gender=FULL.gender)
    (line,) = show(FrameResult(source="a.jpg", faces=(face,)))[2:]
    assert line.split() == ["a.jpg", "1/1", "male", "97", "%"]


def test_names_are_shown_as_they_are_but_control_nothing():
    (line,) = show(FrameResult(source="[red]\x1b[2J\n\udcff.jpg"), width=160)[2:]
    assert line.split()[0] == "[red]?[2J??.jpg"


def test_a_terminal_without_unicode():
    lines = show(
        FrameResult(source="é" + "x" * 200 + ".jpg", faces=(FULL,)), width=100, encoding="ascii"
    )
    assert set(lines[1]) == {"-", " "}
    assert "31 (26-37)" in lines[2]


def test_the_head_comes_once_and_rows_come_at_once():
    stream = io.StringIO()
    sink = ConsoleSink(Console(file=stream, width=80))
    sink.write(FRAME, FrameResult(source="a.jpg"))
    assert "a.jpg" in stream.getvalue()
    sink.write(FRAME, FrameResult(source="b.jpg"))
    assert stream.getvalue().count("facial expression") == 1


def test_no_results_no_head():
    assert show() == []
