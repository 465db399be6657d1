"""`mien evaluate`: the shipped ONNX file through the shipped pipeline, over labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.config import AnalyzeConfig

DEFAULTS = AnalyzeConfig()


def evaluate(
    data: Annotated[
        list[str],
        typer.Option(help="Data set and its path, NAME=PATH, e.g. utkface=data. May be repeated."),
    ],
    model: Annotated[
        str, typer.Argument(help="Shipped model, or an exported .onnx file.")
    ] = DEFAULTS.model,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    detector: Annotated[
        str, typer.Option(help="Who finds the face; crop suits data sets of face crops.")
    ] = "crop",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 means all cores.")] = 0,
    out: Annotated[
        list[Path] | None, typer.Option(help="Report to write: .json or .md. May be repeated.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="Model card to write, Markdown.")] = None,
    insert: Annotated[
        Path | None, typer.Option(help="Markdown file whose accuracy table is replaced.")
    ] = None,
) -> None:
    """Measure MODEL on the split of every data set; prints n and protocol with every number."""
    from mien.cli.progress import bar
    from mien.datasets import datasets
    from mien.errors import ConfigError
    from mien.evaluation.card import write_card
    from mien.evaluation.report import (
        check_ending,
        headline_rows,
        insert_table,
        markdown,
        split_at_markers,
        table,
        write_report,
        write_text,
    )
    from mien.evaluation.run import evaluate as run
    from mien.pipeline import Analyzer

    pairs = [text.partition("=") for text in data]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--data wants NAME=PATH, got {name!r}")
    # What cannot be written is found before minutes of work, not after.
    for path in out or []:
        check_ending(path)
    if insert is not None:
        split_at_markers(insert)
    readers = [datasets[name](Path(path)) for name, _, path in pairs]
    # Every face counts here, however small the crop is.
    analyzer = Analyzer(
        model=model, detector=detector, faces="largest", threads=threads, min_face_px=1
    )
    reports = []
    for reader in readers:
        with bar(f"evaluating on {reader.name}") as advance:
            reports.append(run(analyzer, reader, split=split, progress=advance))
    for path in out or []:
        write_report(path, reports)
    if card is not None:
        write_text(card, write_card(analyzer, reports))
    if insert is not None:
        insert_table(insert, reports)
    if out or card or insert:
        typer.echo(table(headline_rows(reports)))
    else:
        typer.echo(markdown(reports))
