"""The desktop window, through SDL: keys in, pictures out."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from enum import Enum, auto
from types import ModuleType, TracebackType
from typing import Any, Self

from mien.errors import MissingExtraError, OutputError
from mien.interfaces import Image


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
        self._windowed = size
        self._is_full = False
        try:
            _require_display()
            self._sdl.display.init()
            if (
                self._sdl.display.get_driver() == "offscreen"
                and "SDL_VIDEODRIVER" not in os.environ
            ):
                raise self._sdl.error("no display found")
            self._sdl.display.set_mode(size, self._sdl.RESIZABLE)
        except self._sdl.error as error:
            self._sdl.display.quit()
            raise OutputError(
                f"the live window cannot be opened: {error}. It needs a desktop; without one, "
                "`mien analyze` follows cameras and clips, too."
            ) from error
        self._sdl.display.set_caption(title)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height now."""
        width, height = self._sdl.display.get_surface().get_size()
        return width, height

    def actions(self) -> list[Action]:
        """What was asked for since the last call."""
        return [action for event in self._sdl.event.get() if (action := self._action(event))]

    def show(self, canvas: Image) -> None:
        """Bring a picture of the size of the window to the screen."""
        height, width = canvas.shape[:2]
        surface = self._sdl.image.frombuffer(canvas, (width, height), "RGB")
        self._sdl.display.get_surface().blit(surface, (0, 0))
        self._sdl.display.flip()

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to the window as it was."""
        self._is_full = not self._is_full
        if self._is_full:
            self._windowed = self.size
            self._sdl.display.set_mode((0, 0), self._sdl.FULLSCREEN)
        else:
            self._sdl.display.set_mode(self._windowed, self._sdl.RESIZABLE)

    def close(self) -> None:
        """Close the window; a second call does nothing."""
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
    return pygame


def _require_display() -> None:
    """Without a display, SDL would draw where nobody can see it."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in names):
        raise load_sdl().error("neither DISPLAY nor WAYLAND_DISPLAY is set")


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
