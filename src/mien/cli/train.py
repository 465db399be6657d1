"""`mien train`: a recipe in, checkpoints out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from mien.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Flags:
    """What describes a run without a recipe, and the number of steps of any run."""

    data: list[Path]
    network: str | None
    heads: str | None
    batch: int | None
    steps: int | None


def _list_networks(wanted: bool) -> None:
    if wanted:
        from mien.cli.extras import require_training

        require_training()
        from mien.training.networks import networks

        for name in networks:
            typer.echo(f"{name:20} {(networks[name].__doc__ or '').partition(chr(10))[0]}")
        raise typer.Exit


def _list_objectives(wanted: bool) -> None:
    if wanted:
        from mien.cli.extras import require_training

        require_training()
        from mien.training.objectives import objectives

        for name in objectives:
            note, heads = objectives[name].note, ", ".join(objectives[name].heads)
            typer.echo(f"{name:20} {note} [{heads}]")
        raise typer.Exit


ListNetworks: TypeAlias = Annotated[
    bool,
    typer.Option("--list-networks", help="Print the network families.", callback=_list_networks),
]
ListObjectives: TypeAlias = Annotated[
    bool,
    typer.Option("--list-objectives", help="Print the objectives.", callback=_list_objectives),
]


def train(
    recipe: Annotated[Path | None, typer.Argument(help="Recipe, a TOML file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for checkpoints and the log.")] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Without a recipe: folder of `mien prepare`. May be repeated."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Without a recipe: network family; see --list-networks.")
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(
            help="Without a recipe: what to answer, separated by commas. "
            "[default: age,gender,emotion]"
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Without a recipe: faces in a batch. [default: 128]")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Number of batches; replaces the recipe's.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any other key of the recipe, e.g. train.learning_rate=0.05. Repeatable."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 lets torch choose.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    list_networks: ListNetworks = False,
    list_objectives: ListObjectives = False,
) -> None:
    """Train the network of RECIPE, or the one that the flags describe, on packed chips.

    For several GPUs: torchrun --nproc-per-node 4 -m mien train RECIPE --out RUN --device cuda
    """
    from mien.cli.extras import require_training

    del list_networks, list_objectives
    require_training()
    from mien.training.loop import train as run

    if out is None or (recipe is None and not data):
        raise typer.BadParameter(
            "--out and either RECIPE or --data are needed; see `mien train --help`"
        )
    plan = _plan(recipe, Flags(data or [], network, heads, batch, steps), set_ or [])
    from mien.cli.training_progress import is_first_process, training_progress

    settings: dict[str, Any] = {"device": device, "threads": threads, "resume": resume}
    with training_progress(plan) as (log, report):
        run(plan, out, **settings, log=log, report=report, note=typer.echo)
    if is_first_process():
        _finish(out)


def _plan(path: Path | None, flags: Flags, changes: list[str]) -> Recipe:
    """The recipe of this run: the file, or what the flags say, with the changes of ``--set``."""
    from mien.errors import ConfigError
    from mien.training.recipe import Recipe, change, read_toml

    if path is None:
        table = _from_flags(flags)
    elif flags.data or flags.network or flags.heads or flags.batch:
        raise typer.BadParameter(
            "--data, --network, --heads and --batch are for runs without a RECIPE; use --set"
        )
    else:
        table = read_toml(path)
    for text in changes:
        change(table, text)
    if flags.steps is not None:
        change(table, f"train.steps={flags.steps}")
        every = table["train"].get("evaluate_every", flags.steps)
        if isinstance(every, int) and every >= flags.steps:
            table["train"]["evaluate_every"] = flags.steps
    try:
        return Recipe.from_mapping(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from error


def _from_flags(flags: Flags) -> dict[str, Any]:
    from mien.training.packed import Packed

    packed = [Packed.load(path) for path in flags.data]
    size, grey = packed[0].align.size, any(part.chips.shape[3] == 1 for part in packed)
    network, heads = flags.network or "multihead", flags.heads or "age,gender,emotion"
    batch = flags.batch or 128
    share = max(1, batch // len(flags.data))
    total = sum(sum(r.split == "train" for r in part.records) for part in packed)
    steps = flags.steps or max(1, 20 * total // batch)
    channels = 1 if grey else 3
    return {
        "name": network,
        "heads": [head.strip() for head in heads.split(",")],
        "input": {
            "size": size,
            "colour": "grey" if grey else "RGB",
            "mean": [0.5] * channels,
            "std": [0.25] * channels,
        },
        "network": {"family": network},
        "data": [{"path": str(path), "per_batch": share} for path in flags.data],
        "train": {"steps": steps, "evaluate_every": max(1, min(steps, total // batch))},
    }


def _finish(out: Path) -> None:
    """Say what lies in the folder; draw the curves."""
    from mien.errors import MissingExtraError
    from mien.training.curves import draw_curves

    typer.echo(f"checkpoints: {out / 'best.safetensors'}, {out / 'last.safetensors'}")
    try:
        typer.echo(f"curves: {draw_curves(out)}")
    except MissingExtraError as error:
        typer.echo(f"no curves: {error}")
