"""Open everything in order, and close it in every case."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mien.config import VideoConfig
from mien.live.app import App
from mien.live.meters import Meters
from mien.live.session import Session
from mien.live.window import Window, load_sdl
from mien.live.writer import Writer
from mien.pipeline import Analyzer
from mien.sources.video import VideoSource

FIRST_FRAME_S = 1.0
"""So long the window waits for the first frame: a missing camera should not make it flash up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended.

    Attributes:
        saved: Files that were written.
        source_error: Why frames of the source are missing; ``None`` when none are or the user
            ended it.
    """

    saved: tuple[Path, ...]
    source_error: str | None


def run(
    source: VideoSource,
    analyzer: Analyzer,
    config: VideoConfig,
    *,
    size: tuple[int, int] = (1280, 720),
    mirror: bool = False,
    folder: Path = Path(),
    meters: Meters | None = None,
) -> Outcome:
    """Show a source in a window until it ends or the user has seen enough.

    SDL wants the main thread. Afterwards all threads have ended and all files are complete, after
    Ctrl-C and any error too.

    Args:
        source: Closed at the end.
        analyzer: Answers.
        config: How people are followed.
        size: Width and height of the window at the beginning.
        mirror: Exchange left and right at the beginning.
        folder: For snapshots and recordings.
        meters: Told how fast everything is.

    Raises:
        MissingExtraError: pygame-ce is not installed.
        OutputError: There is no display, or something could not be saved.
        MienError: A model or another part failed.
    """
    load_sdl()
    meters = meters or Meters()
    writer = Writer(folder)
    with ExitStack() as stack:
        stack.callback(writer.close)
        session = Session(source, analyzer, config, meters, mirror=mirror)
        stack.enter_context(session)
        session.shots.wait(FIRST_FRAME_S)
        ended_by_user = False
        if not session.shots.is_over:
            window = stack.enter_context(Window(size, f"mien live - {source.name}"))
            ended_by_user = App(session, window, writer, meters, source.name).run()
        session.check()
    writer.check()
    return Outcome(tuple(writer.saved), None if ended_by_user else session.source_error)
