"""The loop of the window: newest frame, keys, drawing."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mien.live.meters import Meters
from mien.live.panels import State
from mien.live.session import Session
from mien.live.view import View
from mien.live.window import Action, Window
from mien.live.writer import Writer

KEYS_EVERY_S = 1 / 60
"""Longest time between two looks at the keyboard."""

REDRAW_S = 0.25
"""So often the window is drawn anew when no frame comes."""

NOTICE_S = 3.0
"""How long a message stays."""


@dataclass(slots=True)
class Notice:
    """A message over the picture, and when it goes away."""

    text: str
    until_s: float


class App:
    """Shows what a session answers until its source ends or the user has seen enough.

    Args:
        session: Running.
        window: Open.
        writer: For snapshots and recordings.
        meters: Those of the session.
        name: Of the source, for the first message.
    """

    def __init__(
        self, session: Session, window: Window, writer: Writer, meters: Meters, name: str
    ) -> None:
        self._session = session
        self._window = window
        self._writer = writer
        self._meters = meters
        self._name = name
        self._view = View()
        self._notice: Notice | None = None
        self._is_paused = False
        self._is_blurred = False
        self._wants_help = False
        self._wants_quit = False
        self._paused_s = 0.0  # time spent in pauses
        self._since_s = 0.0  # when this pause began

    def run(self) -> bool:
        """Run to the end.

        Returns:
            Whether the user ended it; the source did otherwise.

        Raises:
            MienError: Something went wrong in a thread.
        """
        drawn_s = 0.0
        shots = self._session.shots
        while not self._wants_quit:
            shot = shots.take(KEYS_EVERY_S)
            if shot is None and shots.is_over:
                self._session.check()
                return False
            now = time.monotonic()
            if shot is not None:
                self._view.take(shot, now - self._paused_s)
                self._writer.add(shot, blur=self._is_blurred)
            actions = self._window.actions()
            for action in actions:
                self._do(action)
            self._hear_news(now)
            if shot is not None or actions or now - drawn_s >= REDRAW_S:
                self._draw(now)
                drawn_s = now
                if shot is not None:
                    self._meters.screen.tick()
                    self._meters.delay.add(shot.read_s)
        return True

    def _draw(self, now: float) -> None:
        state = State(
            is_paused=self._is_paused,
            is_blurred=self._is_blurred,
            is_mirrored=self._session.mirror,
            recording_s=self._writer.recording_s,
            reading=self._meters.read(),
        )
        canvas = self._view.draw(
            self._window.size,
            state,
            waiting=self._session.trouble or f"opening {self._name} ...",
            notice=self._message(now),
            help_wanted=self._wants_help,
        )
        self._window.show(canvas)

    def _message(self, now: float) -> str | None:
        if self._notice is not None and now < self._notice.until_s:
            return self._notice.text
        if self._is_paused:
            return "paused - SPACE goes on"
        return self._session.trouble

    def _hear_news(self, now: float) -> None:
        text = self._writer.news()
        if text is not None:
            self._notice = Notice(text, now + NOTICE_S)

    def _do(self, action: Action) -> None:
        {
            Action.QUIT: self._quit,
            Action.PAUSE: self._pause,
            Action.SNAPSHOT: self._save,
            Action.RECORD: self._writer.toggle_recording,
            Action.BLUR: self._blur,
            Action.MIRROR: self._mirror,
            Action.HELP: self._help,
            Action.FULLSCREEN: self._window.toggle_fullscreen,
        }[action]()

    def _quit(self) -> None:
        self._wants_quit = True

    def _save(self) -> None:
        if self._view.shot is not None:
            self._writer.snapshot(self._view.shot, blur=self._is_blurred)

    def _blur(self) -> None:
        self._is_blurred = not self._is_blurred

    def _mirror(self) -> None:
        self._session.mirror = not self._session.mirror
        if self._is_paused:
            self._view.mirror()

    def _help(self) -> None:
        self._wants_help = not self._wants_help

    def _pause(self) -> None:
        self._is_paused = not self._is_paused
        self._session.pause(self._is_paused)
        now = time.monotonic()
        if self._is_paused:
            self._since_s = now
        else:
            self._paused_s += now - self._since_s
            self._writer.note_gap()
