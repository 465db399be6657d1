"""`mien evaluate`: the shipped ONNX file through the shipped pipeline, over labelled data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mien.config import AnalyzeConfig, parse_age_groups

if TYPE_CHECKING:
    from mien.datasets import Dataset
    from mien.evaluation.findings import Report
    from mien.evaluation.steps import Degradation
    from mien.pipeline import Analyzer

DEFAULTS = AnalyzeConfig()


Data: TypeAlias = Annotated[
    list[str],
    typer.Option(help="Data set and its path, NAME=PATH, e.g. utkface=data. May be repeated."),
]
Model: TypeAlias = Annotated[str, typer.Argument(help="Shipped model, or an exported .onnx file.")]
Split: TypeAlias = Annotated[str, typer.Option(help="train, val or test.")]
RecipeFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="Recipe whose [[data]] tables have the readers' options.")
]
Detector: TypeAlias = Annotated[
    str, typer.Option(help="Who finds the face; crop suits data sets of face crops.")
]
Threads: TypeAlias = Annotated[int, typer.Option(help="CPU threads; 0 means all cores.")]
WithoutCopies: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        help="Packed folder of `mien prepare`: leave out faces with a copy in another split. "
        "May be repeated."
    ),
]
AgeGroups: TypeAlias = Annotated[str, typer.Option(help="Age groups whose accuracy is measured.")]
Degrade: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Measure again on worse pictures: size, blur, jpeg, dark, mask, glasses, joined by "
        "commas."
    ),
]
DegradeFaces: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Faces of a data set that --degrade takes at most.")
]
Out: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(help="Report to write: .json, .md or .html. May be repeated."),
]
Plots: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder for figures: confusion, calibration, ages, curves.")
]
Card: TypeAlias = Annotated[Path | None, typer.Option(help="Model card to write, Markdown.")]
Insert: TypeAlias = Annotated[
    Path | None, typer.Option(help="Markdown file whose accuracy table is replaced.")
]


def evaluate(
    data: Data,
    model: Model = DEFAULTS.model,
    split: Split = "test",
    recipe: RecipeFile = None,
    detector: Detector = "crop",
    threads: Threads = 0,
    without_copies: WithoutCopies = None,
    age_groups: AgeGroups = ",".join(map(str, DEFAULTS.age_groups)),
    degrade: Degrade = None,
    degrade_faces: DegradeFaces = 1000,
    out: Out = None,
    plots: Plots = None,
    card: Card = None,
    insert: Insert = None,
) -> None:
    """Measure MODEL on the split of every data set; prints n and protocol with every number."""
    from mien.cli.progress import bar
    from mien.evaluation.plan import plan, read_copies
    from mien.evaluation.report import headline_rows, markdown, table
    from mien.evaluation.run import evaluate as run
    from mien.evaluation.run import open_analyzer

    # What cannot work is found before minutes of work, not after.
    _check_outputs(out or [], plots, insert)
    degradation = None if degrade is None else _degradation(degrade, degrade_faces)
    readers = [_open(text, recipe) for text in data]
    analyzer = open_analyzer(
        model, detector=detector, threads=threads, age_groups=parse_age_groups(age_groups)
    )
    heads = {name: analyzer.model.spec.heads[name] for name in analyzer.config.attributes}
    copies = frozenset[str]().union(*map(read_copies, without_copies or []))
    plans = [plan(reader, heads, split, copies=copies) for reader in readers]
    _say(note for planned in plans for note in planned.notes)
    reports = []
    for planned in plans:
        with bar(f"evaluating on {planned.dataset.name}") as advance:
            reports.append(run(analyzer, planned, degradation=degradation, progress=advance))
        _say(reports[-1].notes[len(planned.notes) :])
    _write(analyzer, reports, out or [], plots, card, insert)
    short = bool(out or card or insert)
    typer.echo(table(headline_rows(reports)) if short else markdown(reports, crossed=False))


def _write(
    analyzer: Analyzer,
    reports: list[Report],
    out: Iterable[Path],
    plots: Path | None,
    card: Path | None,
    insert: Path | None,
) -> None:
    """Everything that the flags ask for, on disk."""
    from mien.evaluation.card import write_card
    from mien.evaluation.report import insert_table, write_report, write_text

    for path in out:
        write_report(path, reports)
    if plots is not None:
        from mien.evaluation.plots import save_figures

        _say(f"{path} written" for path in save_figures(plots, reports))
    if card is not None:
        write_text(card, write_card(analyzer, reports))
    if insert is not None:
        insert_table(insert, reports)


def _check_outputs(out: Iterable[Path], plots: Path | None, insert: Path | None) -> None:
    """Refuse what could not be written at the end."""
    from mien.evaluation.canvas import require_plots
    from mien.evaluation.report import check_ending, split_at_markers

    for path in out:
        check_ending(path)
    if plots is not None:
        from mien.evaluation.plots import make_folder

        require_plots()
        make_folder(plots)
    if insert is not None:
        split_at_markers(insert)


def _open(text: str, recipe: Path | None) -> Dataset:
    """The reader of one ``NAME=PATH``, with the options that the recipe has for it."""
    from mien.datasets import open_dataset
    from mien.errors import ConfigError
    from mien.evaluation.recipe_data import reader_options

    name, equals, path = text.partition("=")
    if not equals:
        raise ConfigError(f"--data wants NAME=PATH, got {text!r}")
    options = {} if recipe is None else reader_options(recipe, name, path)
    return open_dataset(name, Path(path), options)


def _degradation(names: str, faces: int) -> Degradation:
    """What `--degrade` and `--degrade-faces` ask for."""
    from mien.evaluation.degrade import parse_kinds
    from mien.evaluation.steps import Degradation

    return Degradation(kinds=parse_kinds(names), faces=faces)


def _say(sentences: Iterable[str]) -> None:
    """Beside the result, so that standard output stays a table."""
    for sentence in sentences:
        typer.echo(sentence, err=True)
