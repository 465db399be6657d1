"""Feed photos, clips and cameras to the analyzer, and its answers to every sink."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence, Sized
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mien.cli.progress import Advance, bar
from mien.config import VideoConfig
from mien.interfaces import Frame, Sink
from mien.results import FrameResult

if TYPE_CHECKING:
    from collections.abc import Generator

    from mien.pipeline import Analyzer
    from mien.rows import TableColumns
    from mien.sources import StillSource
    from mien.sources.mixed import Clip


@dataclass(frozen=True, slots=True)
class Job:
    """What one run of `mien analyze` is about.

    Attributes:
        analyzer: Answers.
        parts: Groups of stills, and clips.
        video: How clips are read and people followed.
        needs_images: Whether a sink wants pixels.
    """

    analyzer: Analyzer
    parts: tuple[StillSource | Clip, ...]
    video: VideoConfig
    needs_images: bool

    @classmethod
    def plan(
        cls, analyzer: Analyzer, sources: Sequence[str], video: VideoConfig, *, needs_images: bool
    ) -> Job:
        """Tell stills from clips; nothing is opened yet."""
        from mien.sources.mixed import split_sources

        source = sources if len(sources) > 1 else sources[0]
        parts = split_sources(source, max_pixels=analyzer.config.max_pixels)
        return cls(analyzer, tuple(parts), video, needs_images)

    @property
    def has_clips(self) -> bool:
        """Whether anything moves."""
        from mien.sources.mixed import Clip

        return any(isinstance(part, Clip) for part in self.parts)

    def columns(self) -> TableColumns:
        """The columns that this analyzer fills."""
        from mien.rows import TableColumns

        heads, config = self.analyzer.model.spec.heads, self.analyzer.config
        return TableColumns(
            emotions=config.emotions or (heads["emotion"].labels if "emotion" in heads else ()),
            genders=heads["gender"].labels if "gender" in heads else (),
            age_groups=tuple(map(str, config.age_groups)),
            smoothed=self.has_clips,
        )


def terminal(job: Job, *, balance: bool) -> Sink:
    """A table for people, JSON Lines for programs."""
    from mien.sinks import ConsoleSink, JsonLinesSink, PeopleConsoleSink

    if not sys.stdout.isatty():
        return JsonLinesSink.to_stream(sys.stdout)
    return PeopleConsoleSink(balance=balance) if job.has_clips else ConsoleSink()


def run(job: Job, sinks: Sequence[Sink]) -> int:
    """Answer for everything; returns how many images, or places in clips, could not be read."""
    from mien.sinks import ConsoleSink

    # A table that grows on the terminal is progress enough; a bar would tear it.
    hidden = sys.stdout.isatty() and any(isinstance(sink, ConsoleSink) for sink in sinks)
    unreadable = 0
    for part in job.parts:
        with _answers(job, part, hidden=hidden) as answers:
            for frame, result in answers:
                if result.error is not None:
                    unreadable += 1
                    at = "" if result.time_s is None else f" at {result.time_s:.2f} s"
                    typer.secho(f"{result.source}{at}: {result.error}", err=True, fg="red")
                for sink in sinks:
                    sink.write(frame, result)
    return unreadable


@contextmanager
def _answers(
    job: Job, part: StillSource | Clip, *, hidden: bool
) -> Iterator[Iterator[tuple[Frame, FrameResult]]]:
    """Answers for one part, under a bar that shows how far it is."""
    from mien.sources.mixed import Clip
    from mien.sources.video import open_video

    analyzer, keep = job.analyzer, job.needs_images
    if not isinstance(part, Clip):
        stills = analyzer.run(part.items(), keep_images=keep)
        with bar("analysing", hidden=hidden) as advance, closing(stills):
            yield _counted(stills, advance, part)
        return
    max_pixels = analyzer.config.max_pixels
    with open_video(part.location, job.video, max_pixels=max_pixels) as clip:
        frames = analyzer.follow(clip, job.video, keep_images=keep)
        with bar(Path(part.location).name, hidden=hidden) as advance, closing(frames):
            yield _counted(frames, advance, clip.info.frames)


def _counted(
    answers: Generator[tuple[Frame, FrameResult]], advance: Advance, total: int | Sized | None
) -> Iterator[tuple[Frame, FrameResult]]:
    for done, answer in enumerate(answers, start=1):
        yield answer
        advance(done, total)
