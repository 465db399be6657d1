"""`mien doctor`: is this installation sound?"""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

import typer

from mien import __version__

REQUIRED = ("numpy", "opencv-python-headless", "onnxruntime", "pillow", "typer", "rich")
OPTIONAL = ("dlib-bin", "mtcnn", "pillow-heif", "pyarrow", "pandas", "polars", "torch")


def doctor() -> None:
    """Print versions, devices and models, and analyse the shipped photo; exit code 2 on trouble."""
    typer.echo(f"mien {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in REQUIRED:
        typer.echo(f"  {name} {_version(name) or 'MISSING'}")
    typer.echo("optional: " + ", ".join(f"{n} {_version(n) or '-'}" for n in OPTIONAL))
    sound = _check_devices() and _check_models() and _check_photo()
    if not sound:
        raise typer.Exit(2)
    typer.echo("everything works")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _check_devices() -> bool:
    from mien.models import available_devices

    typer.echo(f"devices: {', '.join(available_devices())}")
    return True


def _check_models() -> bool:
    from mien.errors import ModelError
    from mien.models import load_manifest, verified_path

    sound = True
    for name, spec in load_manifest().items():
        try:
            verified_path(spec)
            typer.echo(f"model {name}: ok")
        except ModelError as error:
            sound = False
            typer.secho(f"model {name}: {error}", err=True, fg="red")
    return sound


def _photo() -> bytes:
    """The shipped photo: inside an installed package, or in the repository it is edited in."""
    packed = files("mien").joinpath("selftest.jpg")
    if packed.is_file():
        return packed.read_bytes()
    return (Path(__file__).parents[3] / "examples" / "astronaut.jpg").read_bytes()


def _check_photo() -> bool:
    """Run the whole pipeline once on the photo inside the package."""
    from mien.pipeline import Analyzer

    data = _photo()
    started = time.perf_counter()
    analyzer = Analyzer()
    loaded = time.perf_counter()
    [result] = analyzer.analyze(data)
    done = time.perf_counter()
    if len(result.faces) != 1 or result.faces[0].age is None:
        typer.secho(f"self-test: expected one face with an age, got {result}", err=True, fg="red")
        return False
    face = result.faces[0]
    assert face.age is not None  # just checked
    assert face.gender is not None
    assert face.emotion is not None
    typer.echo(
        f"self-test: one face, apparent age {face.age.years:.0f} "
        f"({face.age.low:.0f} to {face.age.high:.0f}), {face.gender.best}, {face.emotion.best}; "
        f"models loaded in {1e3 * (loaded - started):.0f} ms, answer in "
        f"{1e3 * (done - loaded):.0f} ms"
    )
    return True
