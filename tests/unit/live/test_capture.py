"""Reading for the window: clips in their own time, pauses, ends and errors."""

import itertools
import threading
import time

import pytest
from clips import Actor, evenly, line, still, write_clip

from mien.live.capture import Capture
from mien.live.meters import Rate
from mien.live.slot import Slot
from mien.sources import open_video

pytest.importorskip("av")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second of a face, 20 frames a second."""
    path = tmp_path_factory.mktemp("capture") / "clip.mp4"
    write_clip(path, [Actor(still(160, 90, 60))], evenly(0.5, 20), size=(320, 180), rate=20)
    return path


class Reading:
    """A capture in its thread."""

    def __init__(self, place):
        self.frames = Slot()
        self.rate = Rate()
        self.capture = Capture(open_video(str(place)), self.frames, self.rate)
        self.thread = threading.Thread(target=self.capture.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.capture.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_a_clip_takes_its_time_and_ends(clip):
    with Reading(clip) as reading:
        taken = list(reading.frames)
    assert [stamped.frame.index for stamped in taken] == list(range(10))
    start = taken[0].read_s
    for frame, read_s in taken:
        assert read_s - start >= frame.time_s - 0.001
    assert reading.capture.error is None
    assert reading.rate.per_second() <= 21


def test_in_a_pause_a_clip_stands_still_and_nothing_is_lost(clip):
    with Reading(clip) as reading:
        taken = [reading.frames.take(10)]
        reading.capture.pause(True)
        time.sleep(0.15)
        while (stamped := reading.frames.take(0)) is not None:
            taken.append(stamped)
        assert reading.frames.take(0.3) is None
        reading.capture.pause(False)
        taken += list(reading.frames)
    # The slot may have dropped one while nobody looked; behind the pause it goes on where it was.
    gaps = [b.frame.index - a.frame.index for a, b in itertools.pairwise(taken)]
    assert all(gap >= 1 for gap in gaps)
    assert taken[-1].frame.index == 9
    assert len(taken) >= 5
    assert max(b.read_s - a.read_s for a, b in itertools.pairwise(taken)) >= 0.3


def test_it_stops_in_the_middle_of_a_pause(clip):
    with Reading(clip) as reading:
        reading.capture.pause(True)
        time.sleep(0.1)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert reading.frames.take(0) is None or reading.frames.is_over


def test_a_missing_file_is_an_error_and_the_end(tmp_path):
    with Reading(tmp_path / "nothing.mp4") as reading:
        assert list(reading.frames) == []
    assert "no such file" in reading.capture.error


def test_a_cut_off_clip_shows_what_there_is_and_says_so(clip, tmp_path):
    whole = clip.with_suffix(".mkv")
    moving = line((60, 90, 60), (260, 90, 60), 1.5)
    write_clip(whole, [Actor(moving)], evenly(1.5, 20), size=(320, 180), rate=20)
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    with Reading(half) as reading:
        assert list(reading.frames)
    assert reading.capture.error
