"""`mien export`: checkpoint to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Folder written by `mien train`.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    mirror: Annotated[
        bool,
        typer.Option("--mirror", help="Average over the mirror image: half as fast, more right."),
    ] = False,
    tolerance: Annotated[
        float, typer.Option(help="Largest allowed difference of a logit to torch.")
    ] = 1e-3,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Manifest (TOML) in which to add or replace the entry of this model."),
    ] = None,
) -> None:
    """Write the averaged weights of RUN as ONNX, with calibration, preprocessing and labels."""
    from mien.cli.extras import require_training

    require_training()
    from mien.models import file_sha256
    from mien.training.export import export as write
    from mien.training.export import update_manifest, with_checksum

    report = write(run, out, checkpoint=checkpoint, mirror=mirror, tolerance=tolerance)
    digest = file_sha256(out)
    typer.echo(
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, {report.parameters / 1e6:.2f} M parameters, "
        f"SHA-256 {digest}"
    )
    typer.echo(
        f"largest difference of a logit to torch on validation faces: {report.difference:.2g}"
    )
    if report.coverage is not None:
        typer.echo(f"80 % age interval covers {100 * report.coverage:.1f} % of validation ages")
    if manifest is not None:
        update_manifest(manifest, with_checksum(report.spec, digest))
        typer.echo(f"{manifest}: entry {report.spec.name!r} written")
