"""`mien analyze`: run the pipeline on whatever the user points at."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.config import AnalyzeConfig, parse_age_groups
from mien.errors import ConfigError

if TYPE_CHECKING:
    from mien.interfaces import Sink
    from mien.pipeline import Analyzer

DEFAULTS = AnalyzeConfig()
UNREADABLE = 3


def analyze(
    sources: Annotated[
        list[str],
        typer.Argument(help="Images, folders, globs, http(s) URLs, or - for bytes on stdin."),
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Table to write: .jsonl, .json, .csv or .parquet. May be repeated."),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Annotated image(s): a file name, or a folder.")
    ] = None,
    blur: Annotated[
        Path | None,
        typer.Option(
            help="Image(s) with faces made unrecognisable. The same path as --draw: both."
        ),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help=f"Who finds the faces. [default: {DEFAULTS.detector}]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help=f"Shipped model, or an exported .onnx file. [default: {DEFAULTS.model}]"),
    ] = None,
    attributes: Annotated[
        str | None, typer.Option(help="What to answer. [default: age,gender,emotion]")
    ] = None,
    emotions: Annotated[
        str | None,
        typer.Option(help="Only these expressions, renormalised: happiness,sadness,neutral."),
    ] = None,
    age_groups: Annotated[
        str | None,
        typer.Option(
            help=f"Age groups. [default: {','.join(map(str, DEFAULTS.age_groups))}]",
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Weakest detection that counts, 0 to 1.")
    ] = None,
    min_face: Annotated[
        int | None, typer.Option(help="Skip attributes of faces narrower than this many pixels.")
    ] = None,
    faces: Annotated[str | None, typer.Option(help="all or largest. [default: all]")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help=f"Faces in one forward pass. [default: {DEFAULTS.batch_size}]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; 0 means all cores. [default: 0]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, coreml, ...; `mien doctor` lists them.")
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(help=f"Refuse larger images. [default: {DEFAULTS.max_pixels}]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with an [analyze] table; flags win over it.")
    ] = None,
) -> None:
    """Estimate apparent age, gender and expression of every face in SOURCES.

    Without --out: a table on a terminal, JSON Lines in a pipe.
    """
    from mien.pipeline import Analyzer
    from mien.sinks import ImageSink

    flags: dict[str, Any] = {
        "detector": detector,
        "model": model,
        "attributes": _names(attributes),
        "emotions": _names(emotions),
        "age_groups": None if age_groups is None else parse_age_groups(age_groups),
        "min_score": min_score,
        "min_face_px": min_face,
        "faces": faces,
        "batch_size": batch_size,
        "threads": threads,
        "device": device,
        "max_pixels": max_pixels,
    }
    base = DEFAULTS if config is None else AnalyzeConfig.from_toml(config)
    settings = replace(base, **{name: v for name, v in flags.items() if v is not None})
    analyzer = Analyzer(settings)
    with ExitStack() as stack:
        sinks = [stack.enter_context(_open_tables(analyzer, out))] if out else [_terminal()]
        for path in dict.fromkeys(p for p in (draw, blur) if p is not None):
            _refuse_input_folder(path, sources)
            sink = ImageSink(path, draw=path == draw, blur=path == blur)
            sinks.append(stack.enter_context(sink))
        unreadable = _run(analyzer, sources, sinks, images=bool(draw or blur))
    if unreadable:
        raise typer.Exit(UNREADABLE)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _refuse_input_folder(path: Path, sources: list[str]) -> None:
    """Pictures written among the inputs could replace one before it is read."""
    if path.is_dir() and any(Path(s).is_dir() and path.samefile(s) for s in sources):
        raise ConfigError(f"{path}: is also a source. Name another folder for the pictures.")


def _open_tables(analyzer: Analyzer, paths: list[Path]) -> Sink:
    """Open the tables with the columns that this analyzer fills."""
    from mien.rows import TableColumns
    from mien.sinks import open_sinks

    heads, config = analyzer.model.spec.heads, analyzer.config
    columns = TableColumns(
        emotions=config.emotions or (heads["emotion"].labels if "emotion" in heads else ()),
        genders=heads["gender"].labels if "gender" in heads else (),
        age_groups=tuple(map(str, config.age_groups)),
    )
    return open_sinks(paths, columns=columns)


def _terminal() -> Sink:
    """A table for people, JSON Lines for programs."""
    from mien.sinks import ConsoleSink, JsonLinesSink

    return ConsoleSink() if sys.stdout.isatty() else JsonLinesSink.to_stream(sys.stdout)


def _run(analyzer: Analyzer, sources: list[str], sinks: list[Sink], *, images: bool) -> int:
    """Feed every result to every sink; returns how many images could not be read."""
    from mien.cli.progress import bar
    from mien.sinks import ConsoleSink
    from mien.sources import open_source

    opened = open_source(
        sources if len(sources) > 1 else sources[0], max_pixels=analyzer.config.max_pixels
    )
    unreadable = 0
    # A table that grows on the terminal is progress enough; a bar would tear it.
    hidden = sys.stdout.isatty() and any(isinstance(sink, ConsoleSink) for sink in sinks)
    with bar("analysing", hidden=hidden) as advance:
        results = analyzer.run(opened.items(), keep_images=images)
        for done, (frame, result) in enumerate(results, start=1):
            if result.error is not None:
                unreadable += 1
                typer.secho(f"{result.source}: {result.error}", err=True, fg="red")
            for sink in sinks:
                sink.write(frame, result)
            advance(done, opened)
    return unreadable
