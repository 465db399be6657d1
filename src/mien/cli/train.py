"""`mien train`: a recipe in, checkpoints out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path | None, typer.Argument(help="Recipe, a TOML file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for checkpoints and the log.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 lets torch choose.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Other number of batches than the recipe's, for a trial.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    list_networks: Annotated[
        bool, typer.Option("--list-networks", help="Print the known network families and stop.")
    ] = False,
) -> None:
    """Train the network of RECIPE on the packed chips that it names."""
    from mien.cli.extras import require_training

    require_training()
    from mien.training.loop import train as run
    from mien.training.networks import networks
    from mien.training.recipe import Recipe

    if list_networks:
        for name in networks:
            note = (networks[name].__doc__ or "").partition("\n")[0]
            typer.echo(f"{name:12} {note}")
        return
    if recipe is None or out is None:
        raise typer.BadParameter("RECIPE and --out are needed; see `mien train --help`")
    plan = Recipe.from_toml(recipe)
    if steps is not None:
        every = min(plan.train.evaluate_every, steps)
        plan = replace(plan, train=replace(plan.train, steps=steps, evaluate_every=every))

    def log(row: dict[str, float]) -> None:
        left = (plan.train.steps - row["step"]) * plan.batch_size / row["images_per_s"]
        parts = [f"{name} {value:.4g}" for name, value in row.items() if name != "step"]
        typer.echo(
            f"step {int(row['step'])}/{plan.train.steps}  {'  '.join(parts)}  "
            f"{left / 60:.0f} min left"
        )

    run(plan, out, device=device, threads=threads, resume=resume, log=log)
    typer.echo(f"checkpoints: {out / 'best.safetensors'}, {out / 'last.safetensors'}")
