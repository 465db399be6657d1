"""`mien analyze`: run the pipeline on whatever the user points at."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mien.cli import options
from mien.errors import ConfigError

if TYPE_CHECKING:
    from mien.cli.run import Job
    from mien.interfaces import Sink

UNREADABLE = 3


def analyze(
    sources: options.Sources,
    out: options.Out = None,
    people: options.People = None,
    draw: options.Draw = None,
    blur: options.Blur = None,
    balance: options.Balance = False,
    detector: options.Detector = None,
    model: options.Model = None,
    attributes: options.Attributes = None,
    emotions: options.Emotions = None,
    age_groups: options.AgeGroups = None,
    min_score: options.MinScore = None,
    min_face: options.MinFace = None,
    min_sharpness: options.MinSharpness = None,
    faces: options.Faces = None,
    batch_size: options.BatchSize = None,
    threads: options.Threads = None,
    device: options.Device = None,
    max_pixels: options.MaxPixels = None,
    every: options.Every = None,
    start: options.Start = None,
    end: options.End = None,
    max_frames: options.MaxFrames = None,
    skip_broken: options.SkipBroken = None,
    detect_every: options.DetectEvery = None,
    smoothing: options.Smoothing = None,
    symmetric: options.Symmetric = None,
    config: options.Config = None,
) -> None:
    """Estimate apparent age, gender and expression of every face in SOURCES.

    Without --out: a table on a terminal, JSON Lines in a pipe. People in clips are followed, and
    everyone gets one steady answer beside those for the single frames.
    """
    flags = locals()  # every option by its name
    from mien.cli.run import Job, run
    from mien.pipeline import Analyzer
    from mien.sinks import open_pictures

    faces_config, video = options.face_settings(flags), options.video_settings(flags)
    for path in (draw, blur):
        _refuse_input_folder(path, sources)
    analyzer = Analyzer(faces_config)
    pictures = [path for path in dict.fromkeys((draw, blur)) if path is not None]
    job = Job.plan(analyzer, sources, video, needs_images=bool(pictures))
    with ExitStack() as stack:
        sinks = _open_tables(stack, job, out or [], people or [], balance=balance)
        for path in pictures:
            sink = open_pictures(path, draw=path == draw, blur=path == blur)
            sinks.append(stack.enter_context(sink))
        unreadable = run(job, sinks)
    for note in dict.fromkeys(getattr(sink, "note", None) for sink in sinks):
        if note:
            typer.secho(note, err=True, fg="yellow")
    if unreadable:
        raise typer.Exit(UNREADABLE)


def _refuse_input_folder(path: Path | None, sources: list[str]) -> None:
    """Pictures written among the inputs could replace one before it is read."""
    if path is None or not path.is_dir():
        return
    for place in map(Path, sources):
        if place.exists() and path.samefile(place if place.is_dir() else place.parent):
            what = "is also a source" if place.is_dir() else f"holds the source {place.name!r}"
            raise ConfigError(f"{path}: {what}. Name another folder for the pictures.")


def _open_tables(
    stack: ExitStack, job: Job, out: list[Path], people: list[Path], *, balance: bool
) -> list[Sink]:
    """Open the tables that are to be written; the terminal when there are none."""
    from mien.cli.run import terminal
    from mien.sinks import PeopleSink, open_sinks

    sinks: list[Sink] = []
    if out:
        sinks.append(stack.enter_context(open_sinks(out, columns=job.columns())))
    sinks += [stack.enter_context(PeopleSink(path, balance=balance)) for path in people]
    return sinks or [stack.enter_context(terminal(job, balance=balance))]
