"""Live pictures: always the newest one, opened again when they break off, one line at the end."""

import gc
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from rtsp_camera import RtspCamera, number_in, numbered

from mien.config import VideoConfig
from mien.errors import UnreadableMediaError
from mien.sources import VideoSource, camera, live_reader, open_video


@pytest.fixture
def impatient(monkeypatch):
    """Pauses of hundredths of a second between attempts."""
    monkeypatch.setattr(live_reader, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(live_reader, "LONGEST_PAUSE_S", 0.2)


def capture_threads():
    return [thread for thread in threading.enumerate() if thread.name == "mien-capture"]


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- rtsp ---------------------------------------------------------------------------------------


def test_a_slow_reader_sees_the_newest_picture_and_the_delay_never_grows():
    with RtspCamera(rate=25) as served, open_video(served.url) as source:
        delays, indexes, times = [], [], []
        for frame in source:
            assert frame.error is None
            delays.append((served.now - number_in(frame.image)) / 25)
            indexes.append(frame.index)
            times.append(frame.time_s)
            time.sleep(0.2)  # five pictures come meanwhile
            if len(delays) == 10:
                break
        info = source.info
    # The first pictures were stored while the stream was examined; then it is live.
    assert max(delays[2:]) < 0.8
    assert np.median(delays[-4:]) < 0.5
    assert np.all(np.diff(indexes) > 0)
    assert indexes[-1] - indexes[2] > 2 * 7  # dropped pictures leave gaps
    assert np.all(np.diff(times) > 0.1)
    assert times[-1] - times[2] == pytest.approx(7 * 0.2, abs=1.0)
    assert (info.width, info.height, info.live, info.duration_s) == (192, 64, True, None)


def test_a_stream_that_breaks_off_is_opened_again(impatient):
    with RtspCamera() as served, open_video(served.url) as source:
        seen = []
        for frame in source:
            assert frame.error is None
            seen.append(frame)
            if len(seen) == 5:
                served.drop()
            if served.clients == 2 and len(seen) > 10:
                break
    assert served.clients == 2
    times = [frame.time_s for frame in seen]
    assert times == sorted(times)  # the clock goes on while there is nothing to see
    assert len({frame.index for frame in seen}) == len(seen)


def test_a_stream_that_stays_away_is_given_up_with_one_line(impatient):
    with RtspCamera() as served:
        source = VideoSource(served.url, give_up_s=0.5)
        errors = []
        for frame in source:
            if frame.index >= 3:
                served.unplug()
            if frame.error:
                errors.append(frame.error)
    assert len(errors) == 1
    assert errors[0].startswith("broke off after ")
    assert "and did not come back within 0.5 s: " in errors[0]
    wait_until(lambda: not capture_threads())


def test_trouble_says_why_nothing_comes(impatient):
    with RtspCamera() as served, VideoSource(served.url, give_up_s=30) as source:
        frames = iter(source)
        next(frames)
        assert source.trouble is None
        served.unplug()
        wait_until(lambda: source.trouble is not None)
        assert "Connection refused" in source.trouble or "stream ended" in source.trouble
        with RtspCamera(port=served.port):
            assert next(frame for frame in frames if frame.index > 3).error is None
            wait_until(lambda: source.trouble is None)


def test_an_address_where_nobody_answers_is_one_line_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with open_video(f"rtsp://user:secret@127.0.0.1:{port}/1") as source:
        assert source.info.width == 0
        (frame,) = source
    assert frame.error == "Connection refused"
    assert frame.source == f"rtsp://user:***@127.0.0.1:{port}/1"  # results are passed on


def test_pauses_double_up_to_a_limit(monkeypatch):
    pauses = []

    class Bell(threading.Condition):
        def wait_for(self, predicate, timeout=None):
            if threading.current_thread().name == "mien-capture":
                pauses.append(timeout)
                return predicate()
            return super().wait_for(predicate, timeout)

    class Feed:
        rate, has_audio = None, False

        def __init__(self):
            opened.append(self)
            if len(opened) > 1:
                raise UnreadableMediaError("nobody there")
            self.left = 1

        def read(self):
            self.left -= 1
            if self.left < 0:
                raise UnreadableMediaError("line cut")
            return lambda: numbered(0)

        def close(self):
            pass

    opened = []
    tools = SimpleNamespace(Condition=Bell, Thread=threading.Thread)
    monkeypatch.setattr(live_reader, "threading", tools)
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(live_reader, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    *_, last = live_reader.LiveReader(Feed, give_up_s=4).pictures()
    assert last.error == "broke off after 0.0 s and did not come back within 4 s: nobody there"
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 8]


# --- cameras ------------------------------------------------------------------------------------


class Driver:
    """Stands where the camera's driver stands: delivers numbered pictures, 50 a second."""

    def __init__(self, plan=lambda number: True):
        self.plan = plan
        self.number = -1
        self.is_released = False

    def read(self):
        time.sleep(0.02)
        self.number += 1
        good = self.plan(self.number)
        return good, numbered(self.number) if good else None

    def release(self):
        self.is_released = True


@pytest.fixture
def driver(monkeypatch):
    """Plug a camera in; returns the function that chooses the driver."""

    def plug(driver):
        def opened(number, size):
            driver.asked = (number, size)
            if isinstance(driver, UnreadableMediaError):
                raise driver
            return driver

        monkeypatch.setattr(camera, "_open_device", opened)
        return driver

    return plug


@pytest.mark.parametrize("name", ["3", "camera:3", "/dev/video3"])
def test_a_camera_delivers_until_it_is_closed(driver, name):
    device = driver(Driver())
    with open_video(name, VideoConfig(max_frames=5), size=(640, 480)) as source:
        assert (source.info.width, source.info.height) == (192, 64)
        assert source.info.live
        assert source.info.frames == 5
        found = list(source)
    assert device.asked == (3, (640, 480))
    assert [frame.error for frame in found] == [None] * 5
    shown = [number_in(frame.image) for frame in found]
    assert shown == [frame.index for frame in found] == sorted(set(shown))
    wait_until(lambda: device.is_released)


def test_a_slow_reader_of_a_camera_skips_pictures(driver):
    device = driver(Driver())
    with open_video("0") as source:
        for frame in source:
            assert device.number - number_in(frame.image) <= 2
            time.sleep(0.2)
            if frame.time_s > 0.9:
                break
        assert frame.index > 25


def test_camera_pictures_are_rgb_and_may_be_mirrored(driver):
    blue_left = np.zeros((4, 6, 3), np.uint8)
    blue_left[:, :3, 0] = 255  # blue comes first for drivers

    class Blue(Driver):
        def read(self):
            return super().read()[0], blue_left

    driver(Blue())
    with open_video("0", VideoConfig(max_frames=1)) as source:
        assert next(iter(source)).image[0, 0].tolist() == [0, 0, 255]
    with open_video("0", VideoConfig(max_frames=1), mirror=True) as source:
        assert next(iter(source)).image[0, 5].tolist() == [0, 0, 255]


def test_an_unplugged_camera_is_one_line(driver):
    device = driver(Driver(lambda number: number < 10))
    with open_video("0") as source:
        *found, last = source
    assert found
    assert all(frame.image is not None for frame in found)
    assert last.error.startswith("broke off after ")
    assert last.error.endswith("camera 0 delivers nothing more; was it unplugged?")
    wait_until(lambda: device.is_released)


def test_single_failures_of_a_camera_do_not_matter(driver):
    driver(Driver(lambda number: number % 7 != 3))
    with open_video("0", VideoConfig(end_s=0.5)) as source:
        assert [frame.error for frame in source if frame.error] == []


def test_a_busy_camera_is_one_line(driver):
    device = driver(Driver(lambda number: False))
    with open_video("0") as source:
        (frame,) = source
    assert frame.error == "camera 0 delivers no picture; another program may be using it"
    wait_until(lambda: device.is_released)


def test_no_camera_is_one_line(capfd):
    with open_video("camera:987") as source:
        (frame,) = source
    assert frame.image is None
    assert "camera 987" in frame.error
    assert "\n" not in frame.error
    assert capfd.readouterr() == ("", "")  # OpenCV would warn


def test_which_cameras_there_are_instead(tmp_path):
    with pytest.raises(UnreadableMediaError, match=r"no camera 4 .*; there is none at all"):
        camera._check_linux_device(4, tmp_path)
    for number in (10, 2):
        (tmp_path / f"video{number}").touch()
    with pytest.raises(UnreadableMediaError, match=r"no camera 4 .*; there are 2, 10"):
        camera._check_linux_device(4, tmp_path)
    camera._check_linux_device(2, tmp_path)


def test_start_every_and_end_count_for_cameras_too(driver):
    driver(Driver())
    with open_video("0", VideoConfig(start_s=0.2, every_s=0.2, end_s=0.9)) as source:
        times = [frame.time_s for frame in source]
    assert 3 <= len(times) <= 4
    assert times[0] >= 0.2
    assert times[-1] < 0.9
    assert min(np.diff(times)) > 0.1


def test_close_in_another_thread_ends_a_waiting_reader(driver):
    class Silent(Driver):
        def read(self):
            return super().read() if self.number < 3 else (time.sleep(2), (True, numbered(9)))[1]

    driver(Silent())
    source = open_video("0")
    closer = threading.Timer(0.5, source.close)
    start = time.monotonic()
    closer.start()
    found = list(source)
    assert time.monotonic() - start < 1.5
    assert all(frame.error is None for frame in found)
    closer.join()


def test_a_forgotten_camera_is_freed(driver):
    device = driver(Driver())
    source = open_video("0")
    assert source.info.width == 192
    del source
    gc.collect()
    wait_until(lambda: device.is_released)


def test_a_silent_camera_is_given_up(driver, monkeypatch):
    monkeypatch.setattr(live_reader, "SILENCE_S", 0.3)

    class Stuck(Driver):
        def read(self):
            if self.number >= 2:
                time.sleep(1.0)
            return super().read()

    driver(Stuck())
    with open_video("0") as source:
        *_, last = source
    assert last.error == "no picture came for 0.3 s"
