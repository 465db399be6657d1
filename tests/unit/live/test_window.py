"""The window itself, with SDL's dummy driver: keys become actions, pictures become pixels."""

import os
import sys
from types import ModuleType

import numpy as np
import pytest

from mien.errors import MissingExtraError, OutputError
from mien.live.window import ACCELERATION, Action, Window, load_sdl

pygame = pytest.importorskip("pygame")


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window((320, 200), "test") as opened:
        opened.actions()
        yield opened
    assert not pygame.display.get_init()


def press(key, text=""):
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text))


@pytest.mark.parametrize(
    ("key", "text", "action"),
    [
        (pygame.K_SPACE, " ", Action.PAUSE),
        (pygame.K_p, "p", Action.PAUSE),
        (pygame.K_s, "s", Action.SNAPSHOT),
        (pygame.K_r, "R", Action.RECORD),
        (pygame.K_b, "b", Action.BLUR),
        (pygame.K_m, "m", Action.MIRROR),
        (pygame.K_f, "f", Action.FULLSCREEN),
        (pygame.K_h, "h", Action.HELP),
        (pygame.K_SLASH, "?", Action.HELP),
        (pygame.K_MINUS, "?", Action.HELP),
        (pygame.K_q, "q", Action.QUIT),
        (pygame.K_ESCAPE, "", Action.QUIT),
    ],
)
def test_keys(window, key, text, action):
    press(key, text)
    assert window.actions() == [action]
    assert window.actions() == []


def test_actions_keep_their_order_and_other_keys_do_nothing(window):
    for key in (pygame.K_x, pygame.K_s, pygame.K_F5, pygame.K_b, pygame.K_SLASH):
        press(key)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.actions() == [Action.SNAPSHOT, Action.BLUR, Action.QUIT]


def test_pixels_arrive_as_they_are(window):
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 255, (200, 320, 3), np.uint8)
    window.show(canvas)
    surface = window._window.get_surface()
    assert np.array_equal(pygame.surfarray.array3d(surface).swapaxes(0, 1), canvas)


def test_full_screen_and_back(window):
    window.toggle_fullscreen()
    full = window.size
    assert full != (320, 200)
    window.show(np.zeros((full[1], full[0], 3), np.uint8))
    window.toggle_fullscreen()
    assert window.size == (320, 200)


def test_the_environment_is_as_before(window):
    assert ACCELERATION not in os.environ


def test_a_driver_that_does_not_exist_is_one_line(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "none such")
    with pytest.raises(OutputError, match="cannot be opened") as caught:
        Window((320, 200), "test")
    assert "\n" not in str(caught.value)
    assert not pygame.display.get_init()


def test_another_library_of_the_same_name_is_not_enough(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", ModuleType("pygame"))
    with pytest.raises(MissingExtraError, match=r"mien\[live\]"):
        load_sdl()
