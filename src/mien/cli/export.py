"""`mien export`: checkpoint to ONNX, 8-bit ONNX, TorchScript, OpenVINO or TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from mien.training.export import ExportReport


Run: TypeAlias = Annotated[Path, typer.Argument(help="Folder written by `mien train`.")]
Out: TypeAlias = Annotated[Path, typer.Option(help="The file to write.")]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="onnx, onnx-int8, torchscript, openvino or tflite; by default the ending of "
        "--out decides: .onnx, .pt, .xml or .tflite.",
    ),
]
Checkpoint: TypeAlias = Annotated[str, typer.Option(help="best or last.")]
Mirror: TypeAlias = Annotated[
    bool,
    typer.Option("--mirror", help="Average over the mirror image: half as fast, more right."),
]
Tolerance: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Largest allowed difference to torch: of a logit (by default 0.001), or for "
        "onnx-int8 the share of the probability that moves to other labels (0.03)."
    ),
]
MinFace: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Faces narrower than this get no answers. [default: the recipe's]"),
]
MinSharpness: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Faces less sharp than this get none either. [default: the recipe's]"),
]
Manifest: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Manifest (TOML) in which to add or replace the entry of this model."),
]


def export(
    run: Run,
    out: Out,
    format_: Format = None,
    checkpoint: Checkpoint = "best",
    mirror: Mirror = False,
    tolerance: Tolerance = None,
    min_face: MinFace = None,
    min_sharpness: MinSharpness = None,
    manifest: Manifest = None,
) -> None:
    """Write the averaged weights of RUN as one file, with calibration, preprocessing and labels."""
    from mien.cli.extras import require_training

    require_training()
    from mien.errors import ConfigError
    from mien.models import file_sha256
    from mien.training.export import export as write
    from mien.training.formats import choose_format
    from mien.training.manifest import update_manifest, with_checksum

    name, chosen = choose_format(format_, out)
    if manifest is not None and not chosen.runs_here:
        raise ConfigError(f"a manifest lists files that mien can run; it cannot run {name!r} files")
    report = write(
        run,
        out,
        format=name,
        checkpoint=checkpoint,
        mirror=mirror,
        tolerance=tolerance,
        min_face_px=min_face,
        min_sharpness=min_sharpness,
    )
    digest = file_sha256(out)
    _say(out, report, digest)
    if manifest is not None:
        update_manifest(manifest, with_checksum(report.spec, digest))
        typer.echo(f"{manifest}: entry {report.spec.name!r} written")


def _say(out: Path, report: ExportReport, digest: str) -> None:
    """What came out, and what it costs."""
    typer.echo(
        f"{out}: {report.format}, {report.size / 1e6:.1f} MB, "
        f"{report.parameters / 1e6:.2f} M parameters, SHA-256 {digest}"
    )
    parity = report.parity
    differences = f"logit {parity.logit:.2g}, probability {parity.probability:.2g}"
    typer.echo(f"largest difference to torch on {parity.faces} validation faces: {differences}")
    if report.bounded == "moved":
        typer.echo(
            f"{100 * parity.moved:.2g} % of the probability moved to other labels; "
            f"allowed is {100 * report.limit:.2g} %"
        )
    for note in report.notes:
        typer.echo(note)
    if report.coverage is not None:
        typer.echo(f"80 % age interval covers {100 * report.coverage:.1f} % of validation ages")
