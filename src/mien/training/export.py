"""Checkpoint to a file that answers by itself: calibrated, checked against torch, then named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from mien.errors import MienError, ModelError, OutputError
from mien.models import HeadSpec, ModelSpec
from mien.sinks.files import output_error
from mien.training.answers import Answering, Model
from mien.training.calibrate import Calibration, calibrate
from mien.training.folding import Mirrored, fold_batch_norm
from mien.training.formats import Format, Parity, Source, choose_format
from mien.training.formats.base import answer_all, compare, parity_faces, torch_runner
from mien.training.loader import load_parts
from mien.training.recipe import Recipe
from mien.training.state import load_run

DECODERS = {"age": "age-distribution", "gender": "softmax", "emotion": "emotion"}

BOUNDED = {
    "logit": "the largest difference of a logit",
    "moved": "the share of the probability that moved to other labels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What came out.

    Attributes:
        path: The file.
        format: Name of its format.
        spec: Its manifest entry.
        parity: How far its answers are from torch.
        bounded: Which number of `parity` was held against `limit`.
        limit: The tolerance.
        parameters: Number of trained numbers after folding.
        coverage: Share of validation ages inside their interval.
        notes: What else the format has to tell.
        size: Bytes, of all its files.
    """

    path: Path
    format: str
    spec: ModelSpec
    parity: Parity
    bounded: str
    limit: float
    parameters: int
    coverage: float | None
    notes: tuple[str, ...]
    size: int


def export(
    run: Path,
    out: Path,
    *,
    format: str | None = None,
    checkpoint: str = "best",
    mirror: bool = False,
    tolerance: float | None = None,
    min_face_px: int | None = None,
    min_sharpness: float | None = None,
) -> ExportReport:
    """Write the averaged weights of a training run as a file for other programs.

    The file carries its manifest entry, so it works by its path alone. Temperatures and the age
    interval are fitted on the validation splits. It gets its final name only after its answers
    for 256 validation faces have been compared with torch.

    Args:
        run: Folder written by `mien train`.
        out: The file to write.
        format: A name in `mien.training.formats`; ``None`` goes by the ending of `out`.
        checkpoint: ``"best"`` or ``"last"``.
        mirror: Average the answers for every face and its mirror image inside the graph.
        tolerance: Largest allowed difference to torch; ``None`` takes the format's own.
        min_face_px: From which width on faces are answered; ``None`` takes what the run's recipe
            says. It is known when the trained model has been measured.
        min_sharpness: The same for their sharpness.

    Raises:
        UnknownModelError: There is no such format.
        ConfigError: The format does not fit the file's ending, or a number is out of range.
        MissingExtraError: The format needs a library that is not installed.
        InputError: The run or its data are missing.
        OutputError: The file cannot be written.
        ModelError: The converter fails, or the file disagrees with torch by more than `tolerance`.
    """
    name, chosen = choose_format(format, out)
    if not out.parent.is_dir():
        raise OutputError(f"{out.parent}: no such folder")
    model, recipe = load_run(run, checkpoint)
    recipe = replace(
        recipe,
        min_face_px=recipe.min_face_px if min_face_px is None else min_face_px,
        min_sharpness=recipe.min_sharpness if min_sharpness is None else min_sharpness,
    )
    source, coverage = calibrated(model, recipe, out.name, mirror=mirror, variant=chosen.variant)
    try:
        parity, notes, size = _write(chosen, source, out, tolerance)
    except MienError:
        raise
    except OSError as error:
        raise output_error(out, error) from error
    return ExportReport(
        path=out,
        format=name,
        spec=source.spec,
        parity=parity,
        limit=chosen.tolerance if tolerance is None else tolerance,
        bounded=chosen.bounded,
        parameters=count_parameters(source.network),
        coverage=coverage,
        notes=tuple(notes),
        size=size,
    )


def calibrated(
    model: Model, recipe: Recipe, file: str, *, mirror: bool = False, variant: str = ""
) -> tuple[Source, float | None]:
    """Fold and calibrate a trained model: everything a format is written from.

    Args:
        model: Of a run.
        recipe: Of the same.
        file: Name of the file to be written.
        mirror: See `export`.
        variant: See `describe`.

    Returns:
        The source, and the share of validation ages inside their interval.

    Raises:
        InputError: The data are missing.
    """
    network = fold_batch_norm(Answering(model).eval())
    if mirror:
        network = Mirrored(network).eval()
    held_out = load_parts(recipe, "val")
    answers = answer_all(torch_runner(network), held_out, recipe.input)
    fitted = calibrate(answers, held_out, recipe)
    spec = describe(recipe, fitted, file, variant)
    source = Source(network=network, spec=spec, recipe=recipe, held_out=held_out)
    return source, fitted.coverage


def _write(
    chosen: Format, source: Source, out: Path, tolerance: float | None
) -> tuple[Parity, list[str], int]:
    """Write into a folder beside the final place; move from there only what is right."""
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        part = Path(folder) / out.name
        notes = chosen.write(source, part)
        parity = check_parity(chosen, source, part, tolerance)
        size = sum(file.stat().st_size for file in chosen.files(part))
        for file in chosen.files(part):
            file.replace(out.with_name(file.name))
    return parity, notes, size


def check_parity(
    chosen: Format, source: Source, path: Path, tolerance: float | None = None
) -> Parity:
    """Compare a file with torch on validation faces.

    Raises:
        ModelError: They differ by more than `tolerance`, by default that of the format.
    """
    limit = chosen.tolerance if tolerance is None else tolerance
    batch = parity_faces(source.held_out, source.recipe.input)
    expected = torch_runner(source.network)(batch)
    parity = compare(expected, chosen.open(path, source.heads)(batch), source.spec)
    found = parity.logit if chosen.bounded == "logit" else parity.moved
    if not found <= limit:  # NaN is no agreement
        raise ModelError(
            f"{path.name} is refused: {BOUNDED[chosen.bounded]} from torch is {found:.2g} on "
            f"{parity.faces} validation faces, allowed is {limit:.2g}"
        )
    return parity


def describe(recipe: Recipe, fitted: Calibration, file: str, variant: str = "") -> ModelSpec:
    """The manifest entry, without a checksum.

    Args:
        recipe: Of the run.
        fitted: Temperatures and age interval.
        file: Name of the file.
        variant: Appended to the model's name, as in ``mien-m-int8``.
    """
    name = f"{recipe.name}-{variant}" if variant else recipe.name
    return ModelSpec(
        name=name,
        task="attributes",
        file=file,
        sha256="",
        license=recipe.license,
        source=recipe.source,
        card=f"{name}.md",
        input=recipe.input,
        min_face_px=recipe.min_face_px,
        min_sharpness=recipe.min_sharpness,
        heads={
            head: HeadSpec(
                decoder=DECODERS[head],
                labels=recipe.heads[head].labels,
                temperature=fitted.temperature[head],
                interval=fitted.interval if head == "age" else (0.1, 0.9),
                interval_by_age=fitted.interval_by_age if head == "age" else (),
            )
            for head in recipe.heads
        },
    )


def count_parameters(network: nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
