"""`mien prepare`: pack the chips of a data set once, for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def prepare(
    dataset: Annotated[
        str | None, typer.Argument(help="Name of the data set; --list shows what there is.")
    ] = None,
    path: Annotated[
        Path | None, typer.Argument(help="Folder or zip archives of the data set.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the packed chips.")] = None,
    size: Annotated[int, typer.Option(help="Chip size in pixels, without the border.")] = 112,
    limit: Annotated[
        int | None, typer.Option(help="Only so many images of every split, for a trial.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Images read and searched at the same time.")] = 2,
    list_: Annotated[
        bool, typer.Option("--list", help="Print the known data sets and stop.")
    ] = False,
) -> None:
    """Find, align and pack the face of every image of DATASET below PATH.

    A run that was stopped goes on where it was when it is started again.
    """
    from mien.align import AlignSpec
    from mien.cli.progress import bar
    from mien.datasets import datasets
    from mien.training.prepare import prepare as pack

    if list_:
        for name in datasets:
            note = (datasets[name].__doc__ or "").partition("\n")[0]
            typer.echo(f"{name:12} {note}")
        return
    if dataset is None or path is None or out is None:
        raise typer.BadParameter("DATASET, PATH and --out are needed; see `mien prepare --help`")
    reader = datasets[dataset](path)
    with bar(f"packing {dataset}") as advance:
        report = pack(
            reader,
            out,
            align=AlignSpec(size=size, border=1 / 14),
            threads=threads,
            limit=limit,
            progress=advance,
        )
    typer.echo(
        f"{dataset}: {report.found} of {report.total} faces packed in {out}; in {report.missed} "
        f"images no face was found and {report.unreadable} could not be read: these are left out "
        "of training"
    )
    for reason, count in sorted(report.dropped.items()):
        typer.echo(f"  {count} entries left out: {reason}")
