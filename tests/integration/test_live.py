"""`mien live` as a user has it, with SDL's dummy driver: keys in, files and exit codes out."""

import json
import os
import signal
import threading
import time

import cv2
import numpy as np
import pytest
from clips import Actor, background, evenly, line, render, write_clip
from typer.testing import CliRunner

pygame = pytest.importorskip("pygame")
av = pytest.importorskip("av")

from mien.attributes import OnnxAttributeModel
from mien.cli.main import app
from mien.config import VideoConfig
from mien.errors import UnreadableMediaError
from mien.live import run
from mien.live.layout import Layout, fitted
from mien.live.meters import Meters
from mien.live.session import Session
from mien.live.window import Window
from mien.pipeline import Analyzer
from mien.sources import camera, open_video

SIZE = (320, 180)
SLOW = 60.0
"""Seconds that a busy machine may take for anything."""


def wait_until(condition):
    end = time.monotonic() + SLOW
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
    return found


def live_threads():
    return [t for t in threading.enumerate() if t.name.startswith(("mien-live", "mien-capture"))]


@pytest.fixture(autouse=True)
def headless(monkeypatch):
    """No screen; afterwards no window and no thread is left."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    assert not pygame.display.get_init()
    wait_until(lambda: not live_threads())


@pytest.fixture(scope="module")
def pictures():
    """Half a second of one moving face, BGR as drivers deliver it."""
    scene, ground = [Actor(line((120, 90, 60), (200, 90, 60), 0.5))], background(SIZE)
    return [
        np.ascontiguousarray(render(scene, time_s, ground)[0][..., ::-1])
        for time_s in evenly(0.5, 20)
    ]


class Driver:
    """A camera of `rate` frames a second that is unplugged after `count` frames."""

    def __init__(self, pictures, rate=50, count=10**9):
        self.pictures = pictures
        self.rate = rate
        self.count = count
        self.number = 0
        self.is_released = False

    def read(self):
        time.sleep(1 / self.rate)
        if self.number >= self.count:
            return False, None
        self.number += 1
        way = self.number % (2 * len(self.pictures))
        return True, self.pictures[min(way, 2 * len(self.pictures) - 1 - way)]

    def release(self):
        self.is_released = True


@pytest.fixture
def plug(monkeypatch, pictures):
    """Function that plugs a camera in."""

    def plugged(**settings):
        driver = Driver(pictures, **settings)
        monkeypatch.setattr(camera, "_open_device", lambda number, size: driver)
        return driver

    return plugged


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """One second of a face."""
    path = tmp_path_factory.mktemp("live") / "clip.mp4"
    moving = line((120, 90, 60), (200, 90, 60), 1.0)
    write_clip(path, [Actor(moving)], evenly(1.0, 20), size=SIZE, rate=20)
    return path


class User(threading.Thread):
    """Presses keys once the window is there; whatever happens, ends the program at last."""

    def __init__(self, act):
        super().__init__(name="user")
        self.act = act
        self.error = None

    def run(self):
        try:
            wait_until(pygame.display.get_init)
            self.act()
        except BaseException as error:
            self.error = error
        finally:
            if pygame.display.get_init():
                pygame.event.post(pygame.event.Event(pygame.QUIT))


def press(key, text=""):
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text))


@pytest.fixture
def mien_live(tiny_model, tmp_path):
    """Function that runs the command while somebody acts; gives its result."""

    def runs(*arguments, act=None, out=tmp_path / "out"):
        options = ["--model", tiny_model, "--out", out, "--size", "640x480", *arguments]
        user = None if act is None else User(act)
        if user is not None:
            user.start()
        result = CliRunner().invoke(app, ["live", *map(str, options)])
        if user is not None:
            user.join(SLOW)
            if user.error is not None:
                raise user.error
        return result

    return runs


def lines(text):
    return [line for line in text.splitlines() if line]


# --- ends -----------------------------------------------------------------------------------------


def test_a_clip_plays_at_its_own_speed_and_ends(mien_live, clip):
    start = time.monotonic()
    result = mien_live("--camera", clip)
    assert time.monotonic() - start >= 0.95
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("key", [pygame.K_q, pygame.K_ESCAPE])
def test_a_key_ends_it(mien_live, plug, key):
    driver = plug()
    result = mien_live(act=lambda: (wait_until(lambda: driver.number > 5), press(key)))
    assert (result.exit_code, result.output) == (0, "")
    assert wait_until(lambda: driver.is_released)


def test_closing_the_window_ends_it(mien_live, plug):
    driver = plug()
    result = mien_live(act=lambda: None)  # the user posts QUIT at the end
    assert (result.exit_code, result.output) == (0, "")
    assert wait_until(lambda: driver.is_released)


def test_a_source_that_is_silent_does_not_hold_the_window(mien_live, monkeypatch):
    gate = threading.Event()

    class Silent:
        def read(self):
            gate.wait(SLOW)
            return False, None

        def release(self):
            pass

    monkeypatch.setattr(camera, "_open_device", lambda number, size: Silent())
    start = time.monotonic()
    result = mien_live(act=lambda: None)
    gate.set()
    assert result.exit_code == 0
    assert time.monotonic() - start < SLOW / 2


def test_ctrl_c_ends_it(mien_live, plug):
    driver = plug()

    def interrupt():
        wait_until(lambda: driver.number > 5)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: not pygame.display.get_init())

    result = mien_live(act=interrupt)
    assert (result.exit_code, lines(result.stderr)) == (130, ["interrupted"])
    assert wait_until(lambda: driver.is_released)


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["no camera 0", "camera 0 cannot be opened: it is busy"])
def test_a_camera_that_cannot_be_opened(mien_live, monkeypatch, text):
    def refused(number, size):
        raise UnreadableMediaError(text)

    monkeypatch.setattr(camera, "_open_device", refused)
    result = mien_live()
    assert result.exit_code == 3
    assert len(lines(result.stderr)) == 1
    assert text in result.stderr
    assert result.stdout == ""


def test_a_camera_that_is_unplugged_leaves_whole_files(mien_live, plug, tmp_path):
    driver = plug(count=60)
    out = tmp_path / "out"

    def record():
        press(pygame.K_r)
        wait_until(lambda: driver.number == driver.count)
        wait_until(lambda: not pygame.display.get_init())

    result = mien_live(act=record, out=out)
    assert result.exit_code == 3
    assert len(lines(result.stderr)) == 1
    assert "broke off" in result.stderr
    [recorded, table] = sorted(out.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert result.stdout == f"saved {recorded}\nsaved {table}\n"
    with av.open(str(recorded)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(table.read_text().splitlines()) > 0


def test_a_model_that_fails_is_one_line(mien_live, plug, monkeypatch):
    driver = plug()
    predict = OnnxAttributeModel.predict
    asked = []

    def breaks(model, chips, heads=None):
        asked.append(len(chips))
        if len(chips) and len(asked) > 4:
            raise RuntimeError("the graph\nis broken")
        return predict(model, chips, heads)

    monkeypatch.setattr(OnnxAttributeModel, "predict", breaks)
    result = mien_live()
    assert result.exit_code == 2
    assert lines(result.stderr) == ["error: stopped by an error: RuntimeError: the graph is broken"]
    assert wait_until(lambda: driver.is_released)


def test_without_pygame_it_says_what_to_install(mien_live, plug, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pygame", None)
    driver = plug()
    result = mien_live()
    assert result.exit_code == 2
    assert "pip install 'mien[live]'" in result.stderr
    assert driver.number == 0


def test_without_a_display_it_says_so(mien_live, plug, monkeypatch):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mien.live.window.sys.platform", "linux")
    plug()
    result = mien_live()
    assert result.exit_code == 2
    assert len(lines(result.stderr)) == 1
    assert "needs a desktop" in result.stderr


@pytest.mark.parametrize("size", ["640", "640x", "0x0", "640x480x3", "99999x10"])
def test_a_wrong_size_is_refused(mien_live, size):
    result = mien_live("--size", size)
    assert result.exit_code == 2
    assert "size" in result.stderr


def test_what_cannot_be_saved_is_told_at_the_end(mien_live, plug, tmp_path):
    driver = plug()
    (tmp_path / "file").write_text("")

    def save():
        wait_until(lambda: driver.number > 5)
        press(pygame.K_s)
        shown = driver.number
        wait_until(lambda: driver.number > shown + 20)  # the window goes on

    result = mien_live(act=save, out=tmp_path / "file")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


# --- keys -----------------------------------------------------------------------------------------


def test_keys_save_record_blur_and_pause(mien_live, plug, tmp_path):
    driver = plug()
    out = tmp_path / "out"

    def saved(ending):
        return [path for path in out.glob(f"*{ending}") if not path.name.startswith(".")]

    def act():
        wait_until(lambda: driver.number > 5)
        press(pygame.K_s)
        wait_until(lambda: len(saved(".png")) == 2)
        press(pygame.K_r)
        wait_until(lambda: list(out.glob(".*jsonl*")))
        press(pygame.K_b)
        press(pygame.K_m)
        press(pygame.K_QUESTION, "?")
        press(pygame.K_h)
        press(pygame.K_f)
        press(pygame.K_f)
        press(pygame.K_SPACE)
        time.sleep(0.3)
        press(pygame.K_p)
        time.sleep(0.3)
        press(pygame.K_r)
        wait_until(lambda: saved(".mp4"))

    result = mien_live(act=act, out=out)
    assert result.exit_code == 0, result.output
    assert {line.rpartition(".")[2] for line in lines(result.stdout)} == {"png", "mp4", "jsonl"}
    [table] = saved(".jsonl")
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    [recorded] = saved(".mp4")
    with av.open(str(recorded)) as container:
        assert len(list(container.decode(video=0))) == len(rows)
    times = [row["time_s"] for row in rows]
    assert times[0] == 0
    assert times == sorted(times)


class Bench:
    """The window in this thread, with everything within reach."""

    def __init__(self, tiny_model, place, act, **options):
        self.meters = Meters(window_s=SLOW)
        self.act = act
        self.analyzer = Analyzer(model=str(tiny_model))
        user = User(lambda: act(self))
        user.start()
        with open_video(str(place)) as source:
            self.outcome = run(
                source, self.analyzer, VideoConfig(), size=(640, 480), meters=self.meters, **options
            )
        user.join(SLOW)
        if user.error is not None:
            raise user.error

    def shown(self):
        return len(self.meters.screen._times)


@pytest.fixture
def screens(monkeypatch):
    """What was brought to the screen last, read back from the window."""
    seen = []
    show = Window.show

    def shown(window, canvas):
        show(window, canvas)
        seen[:] = [pygame.surfarray.array3d(window._window.get_surface()).swapaxes(0, 1)]

    monkeypatch.setattr(Window, "show", shown)
    return seen


def settled(count):
    """Wait until `count` does not change any more, and return it."""
    end = time.monotonic() + SLOW
    while time.monotonic() < end:
        before = count()
        time.sleep(0.4)  # twenty frames of the camera
        if count() == before:
            return before
    raise AssertionError("it goes on and on")


def test_a_pause_stops_the_picture_and_the_network(tiny_model, plug):
    driver = plug()

    def act(bench):
        wait_until(lambda: bench.shown() > 5)
        press(pygame.K_SPACE)
        shown = settled(bench.shown)
        settled(lambda: len(bench.meters.inference._times))
        read = driver.number
        wait_until(lambda: driver.number > read + 5)  # the camera is still read
        press(pygame.K_SPACE)
        wait_until(lambda: bench.shown() > shown + 3)

    Bench(tiny_model, "0", act)


def test_the_picture_is_on_the_screen(tiny_model, plug, pictures, screens):
    """Read back from the surface; a strip at the left edge, where the background stands still."""
    plug()
    seen = []

    def act(bench):
        wait_until(lambda: bench.shown() > 3)
        press(pygame.K_SPACE)
        settled(bench.shown)
        seen.append(screens[0])

    Bench(tiny_model, "0", act)
    place = fitted(Layout.of((640, 480)).picture, SIZE)
    height, width = place.bottom - place.top, place.right - place.left
    found = seen[0][place.top : place.bottom, place.left : place.left + width // 8].astype(int)
    expected = cv2.resize(pictures[0], (width, height))[:, : width // 8, ::-1].astype(int)
    assert np.abs(found - expected).mean() < 3


def test_closing_without_frames_gives_no_files(tiny_model, plug, tmp_path):
    plug()
    outcome = Bench(tiny_model, "0", lambda bench: press(pygame.K_r), folder=tmp_path).outcome
    assert all(path.exists() for path in outcome.saved)
    assert outcome.source_error is None


# --- delay ----------------------------------------------------------------------------------------


def test_slow_inference_drops_frames_and_the_delay_does_not_grow(plug, tiny_model, monkeypatch):
    """A network of 80 ms at 100 frames a second: a queue would be seconds behind by the end."""
    driver = plug(rate=100)
    predict = OnnxAttributeModel.predict

    def slow(model, chips, heads=None):
        time.sleep(0.08)
        return predict(model, chips, heads)

    monkeypatch.setattr(OnnxAttributeModel, "predict", slow)
    behind, indexes = [], []
    with open_video("0") as source:
        session = Session(source, Analyzer(model=str(tiny_model)), VideoConfig(), Meters())
        with session:
            for shot in session.shots:
                behind.append(driver.number - shot.frame.index)
                indexes.append(shot.frame.index)
                if len(behind) == 20:
                    break
    assert indexes == sorted(set(indexes))
    assert indexes[-1] - indexes[0] > 3 * len(indexes)  # most are dropped
    first, last = np.median(behind[:10]), np.median(behind[10:])
    assert last <= 2 * first + 5
    # One frame in the network, one that waited for it: not twenty.
    step = (indexes[-1] - indexes[0]) / (len(indexes) - 1)
    assert last <= 3 * step + 5


def test_a_slow_window_does_not_slow_inference(plug, tiny_model):
    plug(rate=100)
    meters = Meters(window_s=SLOW)
    with open_video("0") as source:
        session = Session(source, Analyzer(model=str(tiny_model)), VideoConfig(), meters)
        with session:
            indexes = []
            while len(indexes) < 5:
                shot = session.shots.take(SLOW)
                indexes.append(shot.frame.index)
                time.sleep(0.2)
            answered = len(meters.inference._times)
    assert answered > len(indexes) + session.shots.dropped // 2
    assert session.shots.dropped > 5
    assert indexes == sorted(set(indexes))


def test_the_mirror_exchanges_sides(plug, tiny_model):
    plug(rate=20, count=10**9)
    places = {}
    with open_video("0") as source:
        session = Session(source, Analyzer(model=str(tiny_model)), VideoConfig(), Meters())
        with session:
            for mirror in (False, True):
                session.mirror = mirror
                for _ in range(4):
                    shot = session.shots.take(SLOW)
                [face] = shot.result.faces
                places[mirror] = (face.track_id, shot.frame.image)
    assert places[False][0] == places[True][0]  # nobody begins anew
    left = [image[:, :40].mean() for _, image in places.values()]
    right = [image[:, -40:].mean() for _, image in places.values()]
    assert left[0] == pytest.approx(right[1], abs=2)
    assert right[0] == pytest.approx(left[1], abs=2)
    assert left[0] != pytest.approx(right[0], abs=3)


def test_the_mirror_is_on_for_cameras_only(mien_live, plug, clip, monkeypatch):
    import mien.live

    asked = []

    def noted(*arguments, mirror, **options):
        asked.append(mirror)
        return run(*arguments, mirror=mirror, **options)

    monkeypatch.setattr(mien.live, "run", noted)
    plug(count=3)
    mien_live()
    mien_live("--no-mirror")
    mien_live("--camera", clip)
    mien_live("--camera", clip, "--mirror")
    assert asked == [True, False, False, True]
