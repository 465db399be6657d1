"""`mien models`: what ships with mien, under which licence, and whether it is intact."""

from __future__ import annotations

from typing import Annotated

import typer

models = typer.Typer(help="Shipped models: list, describe, check.", no_args_is_help=True)


@models.command("list")
def list_models() -> None:
    """Print every shipped model, a name first on every line, and the detectors."""
    from mien.detect import detectors
    from mien.models import bundled_path, load_manifest

    manifest = load_manifest()
    width = max(map(len, manifest))
    for name, spec in manifest.items():
        size_mb = bundled_path(spec).stat().st_size / 1e6
        answers = ", ".join(spec.heads) or "face boxes and landmarks"
        typer.echo(f"{name:{width}} {size_mb:5.1f} MB  {spec.license:14} {answers}")
    typer.echo(f"\ndetectors (--detector): {', '.join(detectors)}", err=True)


@models.command()
def info(name: Annotated[str, typer.Argument(help="A name from `mien models list`.")]) -> None:
    """Print what is known about one model, and its card."""
    from mien.models import bundled_path, card_text, find_spec

    spec = find_spec(name)
    typer.echo(f"name      {spec.name} (version {spec.version})")
    typer.echo(f"file      {bundled_path(spec)}")
    typer.echo(f"sha256    {spec.sha256}")
    typer.echo(f"licence   {spec.license}")
    typer.echo(f"source    {spec.source}")
    if spec.input is not None:
        typer.echo(
            f"input     {spec.input.size} px, {spec.input.colour}, mean {list(spec.input.mean)}, "
            f"std {list(spec.input.std)}, template {spec.template}"
        )
    for head, details in spec.heads.items():
        labels = f"{len(details.labels)} labels"
        if len(details.labels) <= 12:
            labels = ", ".join(details.labels)
        typer.echo(f"answers   {head}: {labels} (temperature {details.temperature})")
        for age, low, high in details.interval_by_age:
            typer.echo(f"          interval at {age:g} years: levels {low:g} to {high:g}")
    typer.echo(f"\n{card_text(spec)}")


@models.command()
def verify() -> None:
    """Check the checksum of every shipped model; exit code 2 when one is wrong."""
    from mien.errors import ModelError
    from mien.models import load_manifest, verified_path

    damaged, manifest = 0, load_manifest()
    width = max(map(len, manifest))
    for name, spec in manifest.items():
        try:
            verified_path(spec)
        except ModelError as error:
            damaged += 1
            typer.secho(f"{name:{width}}  {error}", err=True, fg="red")
        else:
            typer.echo(f"{name:{width}}  ok  {spec.sha256}")
    if damaged:
        raise typer.Exit(2)
