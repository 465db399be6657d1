"""Numbered pictures as a clip: numbers, times, gaps, pictures that cannot be read."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from mien.config import VideoConfig
from mien.errors import ConfigError
from mien.sources import open_video

ADVICE = "--skip-broken (skip_broken) goes on behind such places"


@pytest.fixture
def shots(tmp_path, monkeypatch):
    """Pictures 8, 9, 10 and 12, whose red tells the number, and others that do not belong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    for number in (8, 9, 10, 12):
        write(number)
    for name in ("7.png", "00011.png", "0011.jpg", "x0011.png", "0011.png.txt", "-013.png"):
        (tmp_path / "shots" / name).write_bytes(b"")
    return tmp_path


def write(number):
    image = np.zeros((8, 10, 3), np.uint8)
    image[..., 2] = number  # OpenCV writes BGR
    cv2.imwrite(f"shots/{number:04d}.png", image)


def read(place, **settings):
    with open_video(place, VideoConfig(**settings)) as source:
        return list(source)


def test_numbers_are_places_in_time(shots):
    with open_video("shots/%04d.png") as source:
        info = source.info
        found = list(source)
    assert (info.width, info.height, info.rate, info.frames) == (10, 8, 25, 4)
    assert info.duration_s == 5 / 25
    assert [frame.image[0, 0].tolist() for frame in found] == [[n, 0, 0] for n in (8, 9, 10, 12)]
    assert [frame.index for frame in found] == [0, 1, 2, 4]
    assert [frame.time_s for frame in found] == [0.0, 1 / 25, 2 / 25, 4 / 25]
    assert {frame.source for frame in found} == {"shots/%04d.png"}


@pytest.mark.parametrize(
    ("text", "rate"),
    [("30", Fraction(30)), ("29.97", Fraction("29.97")), ("30000/1001", Fraction(30_000, 1001))],
)
def test_the_rate_may_be_named(shots, text, rate):
    place = f"shots/%04d.png?rate={text}"
    with open_video(place) as source:
        assert source.info.rate == rate
        assert [frame.time_s for frame in source] == [float(n / rate) for n in (0, 1, 2, 4)]


@pytest.mark.parametrize("text", ["", "0", "-3", "fast", "1/0", "nan"])
def test_a_wrong_rate_is_refused(text):
    with pytest.raises(ConfigError, match="rate must be frames a second like 30"):
        open_video(f"shots/%04d.png?rate={text}")


def test_start_end_every_and_max_count_here_too(shots):
    def indexes(**settings):
        return [frame.index for frame in read("shots/%04d.png?rate=10", **settings)]

    assert indexes(start_s=0.1) == [1, 2, 4]
    assert indexes(end_s=0.2) == [0, 1]
    assert indexes(every_s=0.2) == [0, 2, 4]
    assert indexes(max_frames=3) == [0, 1, 2]


def test_a_damaged_picture_ends_it_or_is_passed_over(shots):
    (shots / "shots" / "0009.png").write_bytes(b"no picture")
    good, bad = read("shots/%04d.png")
    assert good.error is None
    assert bad.error == f"0009.png: not an image in a known format; {ADVICE}"
    assert (bad.index, bad.time_s) == (1, 1 / 25)
    found = read("shots/%04d.png", skip_broken=True)
    assert [frame.index for frame in found] == [0, 1, 2, 4]
    assert [frame.error for frame in found if frame.error] == [
        "0009.png: not an image in a known format"
    ]


def test_names_without_padding(shots):
    (shots / "shots" / "7.png").unlink()
    for number in (9, 10, 11):
        (shots / "shots" / f"{number}.png").write_bytes((shots / "shots" / "0009.png").read_bytes())
    assert [frame.index for frame in read("shots/%d.png")] == [0, 1, 2]  # by number, not by name


def test_what_is_not_there_is_one_line(shots):
    assert [f.error for f in read("shots/y%04d.png")] == ["no picture matches this pattern"]
    assert [f.error for f in read("gone/%04d.png")] == ["gone: no such file or folder"]
    assert [f.error for f in read("a\0b/%04d.png")] == ["the path holds a NUL character"]
    assert open_video("gone/%04d.png").info.width == 0


def test_a_file_of_that_very_name_is_a_clip(shots):
    (shots / "100%d.png").write_bytes(b"")
    assert [frame.error for frame in read("100%d.png")] == ["the file is empty"]
