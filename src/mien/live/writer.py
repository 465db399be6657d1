"""Snapshots and recordings, written in a thread of their own so that the window never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from mien.errors import OutputError
from mien.interfaces import Frame
from mien.live.session import Shot
from mien.results import FrameResult
from mien.sinks.blur import blur_faces
from mien.sinks.draw import draw_faces
from mien.sinks.files import output_error, write_whole
from mien.sinks.pictures import encode, with_room
from mien.sinks.tables import JsonLinesSink
from mien.sinks.video import VideoSink

ROOM = 6
"""Frames of a recording that wait to be written; when it is full, frames are left out."""

FIRST_STEP_S = 1 / 25
"""How long the first frame of a recording is shown when nobody can tell."""


class Writer:
    """Writes what is asked for, in the order in which it is asked for.

    A file has its name when it is complete, and nothing is ever replaced. Problems do not stop the
    window: they are in `news`, and `check` raises the first one.

    Args:
        folder: Made when it is needed.

    Attributes:
        saved: Complete files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mien-live-writer")
        self._room = threading.BoundedSemaphore(ROOM)
        self._news: SimpleQueue[str] = SimpleQueue()
        self._failure: OutputError | None = None
        self._recording: Recording | None = None
        self._taken: set[str] = set()
        self.saved: list[Path] = []

    @property
    def recording_s(self) -> float | None:
        """Length of the recording under way; ``None`` without one."""
        return None if self._recording is None else self._recording.length_s

    def news(self) -> str | None:
        """The latest thing to tell since the last call."""
        text = None
        while True:
            try:
                text = self._news.get_nowait()
            except Empty:
                return text

    def check(self) -> None:
        """Raise the first problem.

        Raises:
            OutputError: Something could not be written.
        """
        if self._failure is not None:
            raise self._failure

    def snapshot(self, shot: Shot, *, blur: bool) -> None:
        """Save a frame as it is and with its labels; both blurred if wanted."""
        path = self._free_name(".png", "-plain.png")
        self._submit(lambda: self._write_snapshot(path, shot, blur=blur))

    def toggle_recording(self) -> None:
        """Begin a clip, or complete the one under way."""
        if self._recording is None:
            self._recording = Recording(self._free_name(".mp4", ".jsonl"))
        else:
            done, self._recording = self._recording, None
            self._submit(lambda: self._finish(done))

    def add(self, shot: Shot, *, blur: bool) -> None:
        """Append a frame to the recording, if there is one."""
        recording = self._recording
        if recording is None:
            return
        if recording.failed:
            self._recording = None
        elif self._room.acquire(blocking=False):
            time_s = recording.advance(shot.frame.time_s or 0.0)
            future = self._submit(lambda: recording.write(shot, time_s, blur=blur))
            future.add_done_callback(lambda _: self._room.release())
        else:
            recording.left_out += 1

    def note_gap(self) -> None:
        """The next frame follows the last one at once: there was a pause."""
        if self._recording is not None:
            self._recording.has_gap = True

    def close(self) -> None:
        """Complete what is under way; everything is on disk afterwards."""
        if self._recording is not None:
            self.toggle_recording()
        self._pool.shutdown(wait=True)

    def _submit(self, work: Callable[[], None]) -> Future[None]:
        def job() -> None:
            try:
                work()
            except OutputError as error:
                self._failure = self._failure or error
                self._news.put(str(error))

        return self._pool.submit(job)

    def _free_name(self, *endings: str) -> Path:
        """A path without ending that no file has with any of `endings`; the folder is there."""
        stem = f"mien-{datetime.now():%Y%m%d-%H%M%S}"
        number, name = 1, stem
        while name in self._taken or any((self._folder / (name + e)).exists() for e in endings):
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        return self._folder / name

    def _write_snapshot(self, path: Path, shot: Shot, *, blur: bool) -> None:
        image, result = shot.frame.image, shot.result
        assert image is not None  # it was on the screen
        make_folder(self._folder)
        if blur:
            image = blur_faces(image, result)
        plain = path.with_name(f"{path.name}-plain.png")
        drawn = path.with_name(f"{path.name}.png")
        write_whole(plain, encode(image, plain))
        write_whole(drawn, encode(draw_faces(*with_room(image, result)), drawn))
        self.saved += [drawn, plain]
        self._news.put(f"saved {drawn.name}")

    def _finish(self, recording: Recording) -> None:
        files = recording.close()
        self.saved += files
        if files:
            missing = f", {recording.left_out} frames left out" if recording.left_out else ""
            self._news.put(f"saved {files[0].name}{missing}")


class Recording:
    """One clip and its rows.

    The first frame is at 0 s, in the clip and in the rows, and is number 0.

    Args:
        stem: Path without ending.

    Attributes:
        left_out: Frames for which there was no time.
        has_gap: Whether the next frame comes after a pause, which is left out.
        failed: Whether it had to be given up.
        length_s: Time of the newest frame.
    """

    def __init__(self, stem: Path) -> None:
        self._clip = stem.with_name(f"{stem.name}.mp4")
        self._rows = stem.with_name(f"{stem.name}.jsonl")
        self._stack = ExitStack()
        self._sinks: tuple[VideoSink, JsonLinesSink] | None = None
        self._count = 0
        self._last_s: float | None = None
        self._step_s = FIRST_STEP_S
        self.left_out = 0
        self.has_gap = False
        self.failed = False
        self.length_s = 0.0

    def advance(self, time_s: float) -> float:
        """Time in the clip of a frame of the source."""
        if self._last_s is not None:
            if not self.has_gap:
                self._step_s = time_s - self._last_s
            self.length_s += self._step_s
        self._last_s, self.has_gap = time_s, False
        return self.length_s

    def write(self, shot: Shot, time_s: float, *, blur: bool) -> None:
        """Append a frame.

        Raises:
            OutputError: It cannot be written; the rows so far are complete.
        """
        if self.failed:
            return
        try:
            clip, rows = self._sinks or self._open()
            frame, result = _renumbered(shot, self._count, time_s)
            if blur and frame.image is not None:
                frame = replace(frame, image=blur_faces(frame.image, result))
            clip.write(frame, result)
            rows.write(frame, result)
        except OutputError:
            self.failed = True
            self._stack.close()
            raise
        self._count += 1

    def close(self) -> list[Path]:
        """Complete both files.

        Returns:
            Their paths; nothing when there was no frame.

        Raises:
            OutputError: One cannot be completed.
        """
        self._stack.close()
        return [self._clip, self._rows] if self._count and not self.failed else []

    def _open(self) -> tuple[VideoSink, JsonLinesSink]:
        make_folder(self._clip.parent)
        clip = self._stack.enter_context(VideoSink(self._clip, draw=True, audio=False))
        rows = self._stack.enter_context(JsonLinesSink(self._rows))
        self._sinks = clip, rows
        return self._sinks


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there.

    Raises:
        OutputError: That is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder}: is a file. Name a folder for what is saved.") from None
    except OSError as error:
        raise output_error(folder, error) from error


def _renumbered(shot: Shot, index: int, time_s: float) -> tuple[Frame, FrameResult]:
    frame = replace(shot.frame, index=index, time_s=time_s)
    return frame, replace(shot.result, index=index, time_s=time_s)
