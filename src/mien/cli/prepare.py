"""`mien prepare`: pack the chips of a data set once, for training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.datasets import Dataset
    from mien.training.prepare import PrepareReport, PrepareSettings
    from mien.training.prepare_jobs import Job

SIZE = 112


DatasetName = Annotated[
    str | None, typer.Argument(help="Name of the data set; --list shows what there is.")
]
DatasetPath = Annotated[
    Path | None, typer.Argument(help="Folder, table or zip archives of the data set.")
]
Out = Annotated[Path | None, typer.Option(help="Folder for the packed chips.")]
RecipePath = Annotated[
    Path | None, typer.Option(help="Instead of DATASET and PATH: pack what this recipe trains on.")
]
Sources = Annotated[
    list[str] | None,
    typer.Option(help="With --recipe: where the data lie, PATH or NAME=PATH. May be repeated."),
]
Options = Annotated[
    list[str] | None,
    typer.Option(help="Option of the reader, KEY=VALUE; see docs/datasets.md. May be repeated."),
]
Size = Annotated[
    int | None,
    typer.Option(help=f"Chip size in pixels without the border; {SIZE}, or what the recipe says."),
]
DetectorName = Annotated[
    str, typer.Option(help="crop looks for the face in every image; whole takes all of it.")
]
Limit = Annotated[int | None, typer.Option(help="Only so many images of every split, for a trial.")]
Threads = Annotated[
    int, typer.Option(help="Images read and searched at the same time; 0 means all cores.")
]
Check = Annotated[bool, typer.Option(help="Look for the same photo in different splits.")]
Drop = Annotated[
    bool, typer.Option("--drop-duplicates", help="Leave out copies of test and val photos.")
]
Distance = Annotated[
    int, typer.Option(help="In how many of 64 bits the hashes of copies may differ.")
]
List = Annotated[bool, typer.Option("--list", help="Print the known data sets and stop.")]


def prepare(
    dataset: DatasetName = None,
    path: DatasetPath = None,
    out: Out = None,
    recipe: RecipePath = None,
    source: Sources = None,
    option: Options = None,
    size: Size = None,
    detector: DetectorName = "crop",
    limit: Limit = None,
    threads: Threads = 0,
    check_duplicates: Check = True,
    drop_duplicates: Drop = False,
    duplicate_distance: Distance = 10,
    list_: List = False,
) -> None:
    """Find, align and pack the face of every image of DATASET below PATH.

    Writes a data card beside the chips. A run that was stopped goes on where it was when it is
    started again.
    """
    if list_:
        _print_list()
        return
    from mien.align import AlignSpec
    from mien.training.prepare import PrepareSettings
    from mien.training.prepare_jobs import BORDER, Job, jobs_of_recipe, parse_options

    settings = PrepareSettings(
        align=AlignSpec(size=SIZE if size is None else size, border=BORDER),
        detector=detector,
        options=parse_options(option or []),
        limit=limit,
        duplicate_distance=duplicate_distance if check_duplicates else None,
        drop_duplicates=drop_duplicates,
        threads=threads,
    )
    if recipe is not None:
        if dataset or path or out or option or size is not None:
            raise typer.BadParameter("--recipe says data set, --out, --size and --option itself")
        _run(jobs_of_recipe(recipe, source or [], settings), skip=True)
        return
    if dataset is None or path is None or out is None:
        raise typer.BadParameter(
            "DATASET, PATH and --out, or --recipe, are needed; see `mien prepare --help`"
        )
    if source:
        raise typer.BadParameter("--source goes with --recipe; name PATH instead")
    _run([Job(dataset=dataset, source=path, out=out, settings=settings)], skip=False)


def _print_list() -> None:
    from mien.datasets import datasets

    for name in datasets:
        note = (datasets[name].__doc__ or "").partition("\n")[0].replace("``", "")
        typer.echo(f"{name:15} {note}")


def _run(jobs: list[Job], *, skip: bool) -> None:
    """Open everything, then pack: a wrong path of the last job is found before the first."""
    opened: list[tuple[Job, Dataset]] = []
    for job in jobs:
        if skip and job.is_done():
            typer.echo(f"{job.out}: complete already, skipped")
        else:
            opened.append((job, job.open()))
    for job, reader in opened:
        _pack(reader, job.out, job.settings)


def _pack(reader: Dataset, out: Path, settings: PrepareSettings) -> None:
    from mien.cli.progress import bar
    from mien.training.prepare import prepare as pack

    with ExitStack() as shown:

        def phase(label: str) -> Callable[[int, int], None]:
            advance: Callable[[int, int], None] | None = None

            def step(done: int, total: int) -> None:
                nonlocal advance
                if advance is None:
                    shown.close()  # the bar of the phase before: there is one line for all
                    advance = shown.enter_context(bar(label))
                advance(done, total)

            return step

        report = pack(
            reader,
            out,
            settings,
            progress=phase(f"packing {reader.name}"),
            searching=phase(f"searching {reader.name} for copies"),
        )
    _print_report(reader.name, out, report, dropped=settings.drop_duplicates)


def _print_report(name: str, out: Path, report: PrepareReport, *, dropped: bool) -> None:
    typer.echo(
        f"{name}: {report.found} of {report.total} faces packed in {out}; in {report.missed} "
        f"images no face was found and {report.unreadable} could not be read: these are left out "
        "of training"
    )
    for reason, count in sorted(report.dropped.items()):
        typer.echo(f"  {count} entries left out: {reason}")
    if report.duplicates:
        what = f"left out: {report.copies}" if dropped else "--drop-duplicates leaves them out"
        typer.echo(
            f"  same photo in different splits: {report.duplicates} pairs, see "
            f"{out / 'duplicates.csv'}; {what}"
        )
    if report.shared_people:
        typer.secho(
            f"warning: {report.shared_people} people are in more than one split; see the data card",
            err=True,
            fg="yellow",
        )
    pictures = "" if report.pictures else "; for its plots run: pip install 'mien[plots]'"
    typer.echo(f"  data card: {out / 'card.md'}{pictures}")
