"""The desktop window, through SDL: keys in, pictures out."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from enum import Enum, auto
from types import ModuleType, TracebackType
from typing import Any, Self

from mien.errors import MissingExtraError, OutputError
from mien.interfaces import Image

ACCELERATION = "SDL_FRAMEBUFFER_ACCELERATION"
"""How SDL is told; there is no call for it in pygame."""


class Action(Enum):
    """What a key asks for."""

    PAUSE = auto()
    SNAPSHOT = auto()
    RECORD = auto()
    BLUR = auto()
    MIRROR = auto()
    FULLSCREEN = auto()
    HELP = auto()
    QUIT = auto()


class Window:
    """One window; only the main thread may use it.

    Args:
        size: Width and height at the beginning.
        title: In the frame of the window.

    Raises:
        MissingExtraError: pygame-ce is not installed.
        OutputError: There is no display.
    """

    def __init__(self, size: tuple[int, int], title: str) -> None:
        self._sdl = load_sdl()
        self._keys = _keys(self._sdl)
        self._is_full = False
        try:
            _require_display()
            self._sdl.display.init()
            driver = self._sdl.display.get_driver()
            if driver == "offscreen" and "SDL_VIDEODRIVER" not in os.environ:
                raise self._sdl.error("no display found")
            with _straight_to_x11() if driver == "x11" else contextlib.nullcontext():
                self._window = self._sdl.Window(title, size, resizable=True)
                self._window.get_surface()
        except self._sdl.error as error:
            self._sdl.display.quit()
            raise OutputError(
                f"the live window cannot be opened: {error}. It needs a desktop; without one, "
                "`mien analyze` follows cameras and clips, too."
            ) from error

    @property
    def size(self) -> tuple[int, int]:
        """Width and height now."""
        width, height = self._window.get_surface().get_size()
        return width, height

    def actions(self) -> list[Action]:
        """What was asked for since the last call."""
        return [action for event in self._sdl.event.get() if (action := self._action(event))]

    def show(self, canvas: Image) -> None:
        """Bring a picture of the size of the window to the screen."""
        height, width = canvas.shape[:2]
        surface = self._sdl.image.frombuffer(canvas, (width, height), "RGB")
        self._window.get_surface().blit(surface, (0, 0))
        self._window.flip()

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to the window as it was."""
        self._is_full = not self._is_full
        if self._is_full:
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()

    def close(self) -> None:
        """Close the window; a second call does nothing."""
        self._window.destroy()
        self._sdl.display.quit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _action(self, event: Any) -> Action | None:
        if event.type == self._sdl.QUIT:
            return Action.QUIT
        if event.type != self._sdl.KEYDOWN:
            return None
        # By letter first: "?" is on another key in every country.
        return Action.HELP if event.unicode == "?" else self._keys.get(event.key)


def load_sdl() -> ModuleType:
    """Import pygame-ce, without the greeting that it prints.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import pygame
    except ImportError as error:
        raise MissingExtraError("the live window", "live") from error
    if not hasattr(pygame, "Window"):  # pygame itself, which has the same name
        raise MissingExtraError("the live window", "live")
    return pygame


def _require_display() -> None:
    """Without a display, SDL would draw where nobody can see it."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in names):
        raise load_sdl().error("neither DISPLAY nor WAYLAND_DISPLAY is set")


@contextlib.contextmanager
def _straight_to_x11() -> Iterator[None]:
    """Let SDL hand pixels to X11, not to OpenGL: that decides when the first window opens.

    Without a graphics card, OpenGL is drawn by the processor: 23 ms for 1280x720 instead of 1 ms.
    """
    if ACCELERATION in os.environ:
        yield
        return
    os.environ[ACCELERATION] = "0"
    try:
        yield
    finally:
        del os.environ[ACCELERATION]


def _keys(sdl: ModuleType) -> dict[int, Action]:
    return {
        sdl.K_SPACE: Action.PAUSE,
        sdl.K_p: Action.PAUSE,
        sdl.K_s: Action.SNAPSHOT,
        sdl.K_r: Action.RECORD,
        sdl.K_b: Action.BLUR,
        sdl.K_m: Action.MIRROR,
        sdl.K_f: Action.FULLSCREEN,
        sdl.K_h: Action.HELP,
        sdl.K_q: Action.QUIT,
        sdl.K_ESCAPE: Action.QUIT,
    }
