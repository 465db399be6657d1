"""The `mien` command: gathers the subcommands and turns our errors into one line and a code.

Exit codes: 0 done, 2 wrong usage or a setting or model that cannot be used, 3 something could
not be read, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mien import __version__
from mien.cli.analyze import analyze
from mien.cli.doctor import doctor
from mien.cli.evaluate import evaluate
from mien.cli.export import export
from mien.cli.live import live
from mien.cli.models import models
from mien.cli.prepare import prepare
from mien.cli.report import report
from mien.cli.train import train
from mien.errors import MienError


class Commands(TyperGroup):
    """Turns what ends a command early into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except MienError as error:
            typer.secho(f"error: {error}", err=True, fg="red")
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.secho("interrupted", err=True, fg="yellow")
            raise typer.Exit(130) from error
        except BrokenPipeError as error:
            # The reader of our output (`| head`) has seen enough. Python would complain again
            # when it flushes standard output at exit, so that is pointed elsewhere first.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error


app = typer.Typer(
    name="mien",
    cls=Commands,
    help="Apparent age, gender and facial expression of every face.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(analyze)
app.command()(live)
app.command()(doctor)
app.add_typer(models, name="models")
app.command()(prepare)
app.command()(train)
app.command()(evaluate)
app.command()(export)
app.command()(report)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Apparent age, gender and facial expression of every face."""
    del version


def run() -> None:
    """Entry point of the `mien` script."""
    app()
