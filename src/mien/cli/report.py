"""`mien report`: one page about the people of a table that `mien analyze` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import ConfigError


def report(
    tables: Annotated[
        list[Path],
        typer.Argument(help="Tables of `mien analyze --out`: .parquet, .csv, .jsonl or .json."),
    ],
    out: Annotated[Path, typer.Option(help="The page to write, .html.")],
    keyframes: Annotated[
        bool,
        typer.Option(
            "--keyframes", help="Show one face a person, cut from the clip that the table names."
        ),
    ] = False,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Add positive minus negative expressions; no validated measure of valence.",
        ),
    ] = False,
    title: Annotated[str | None, typer.Option(help="Heading. [default: names the clips]")] = None,
) -> None:
    """Write a page about the people in TABLES: expressions over time, ages, groups.

    The page is one HTML file that loads nothing from elsewhere; it is made to be printed, too.
    """
    from mien.report.collect import collect
    from mien.report.page import check_report, page
    from mien.report.tables import open_table
    from mien.sinks.files import write_whole

    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: the report is a page; its name must end in .html")
    check_report()
    contents = collect([open_table(path) for path in tables])
    pictures: dict[int, dict[int, bytes]] = {}
    remarks: list[str] = []
    if keyframes:
        from mien.report.key_frames import read_key_frames

        for number, clip in enumerate(contents.clips):
            pictures[number], remark = read_key_frames(clip, clip.people())
            remarks += [remark] if remark else []
    for remark in remarks:
        typer.echo(remark, err=True)
    html = page(contents, title=title, with_balance=balance, pictures=pictures, remarks=remarks)
    write_whole(out, html.encode("utf-8", "backslashreplace"))
    typer.echo(f"{out} written: {len(html) / 1e6:.1f} MB, needs no network.", err=True)
