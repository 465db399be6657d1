"""The live line of a training run: loss, metric, images a second, time left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import typer

if TYPE_CHECKING:
    from mien.training.progress import Progress
    from mien.training.recipe import Recipe

Pair: TypeAlias = tuple[Callable[[dict[str, float]], None], Callable[["Progress"], None]]


def is_first_process() -> bool:
    """Whether this process speaks for all that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def training_progress(recipe: Recipe) -> Iterator[Pair]:
    """Yield what `mien.training.loop.train` calls with rows of the log, and for the live line.

    The live line is drawn on a terminal only, and by the first of several processes; rows of the
    log are printed everywhere.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    bars = Bars(
        TextColumn("step"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[text]}"),
        console=console,
        transient=True,
        disable=not (console.is_terminal and is_first_process()),
    )
    faces = recipe.batch_size * int(os.environ.get("WORLD_SIZE", "1"))
    task = bars.add_task("", total=recipe.train.steps, text="")

    def log(row: dict[str, float]) -> None:
        left = (recipe.train.steps - row["step"]) * faces / row["images_per_s"]
        shown = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "step")
        text = f"step {int(row['step'])}/{recipe.train.steps}  {shown}  {left / 60:.0f} min left"
        if bars.disable:
            typer.echo(text)
        else:
            bars.console.print(text, highlight=False)

    def report(now: Progress) -> None:
        select = recipe.train.select
        metric = f"  {select} {now.metrics[select]:.4f}" if select in now.metrics else ""
        minutes, seconds = divmod(round(now.seconds_left), 60)
        text = (
            f"loss {now.loss:.4f}{metric}  {now.images_per_s:.0f} images/s  "
            f"{minutes}:{seconds:02} left"
        )
        bars.update(task, completed=now.step, text=text)

    with bars:
        yield log, report
