"""Flags that several commands share, and how they become settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from mien.config import AnalyzeConfig, VideoConfig, parse_age_groups
from mien.errors import ConfigError

FACES = AnalyzeConfig()
VIDEO = VideoConfig()

Sources: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="Images, clips, folders, globs, http(s) or rtsp URLs, a camera (0), "
        "or - for the bytes of an image on stdin."
    ),
]
Out: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        help="Table to write, one row a face and frame: .jsonl, .json, .csv or .parquet. "
        "May be repeated."
    ),
]
People: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(help="Table of the people in clips, one row a person. May be repeated."),
]
Draw: TypeAlias = Annotated[
    Path | None, typer.Option(help="Annotated image(s) or clip(s): a file name, or a folder.")
]
Blur: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="The same with faces made unrecognisable. The same path as --draw: both."),
]
Balance: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--balance", help="Add the balance of positive and negative expressions to --people."
    ),
]

Detector: TypeAlias = Annotated[
    str | None, typer.Option(help=f"Who finds the faces. [default: {FACES.detector}]")
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(help=f"Shipped model, or an exported .onnx file. [default: {FACES.model}]"),
]
Attributes: TypeAlias = Annotated[
    str | None, typer.Option(help="What to answer. [default: age,gender,emotion]")
]
Emotions: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Only these expressions, renormalised: happiness,sadness,neutral."),
]
AgeGroups: TypeAlias = Annotated[
    str | None,
    typer.Option(help=f"Age groups. [default: {','.join(map(str, FACES.age_groups))}]"),
]
MinScore: TypeAlias = Annotated[
    float | None, typer.Option(help="Weakest detection that counts, 0 to 1.")
]
MinFace: TypeAlias = Annotated[
    int | None, typer.Option(help="Skip attributes of faces narrower than this many pixels.")
]
MinSharpness: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Skip attributes of faces less sharp than this; 0 skips none for blur."),
]
Faces: TypeAlias = Annotated[str | None, typer.Option(help="all or largest. [default: all]")]
BatchSize: TypeAlias = Annotated[
    int | None, typer.Option(help=f"Faces in one forward pass. [default: {FACES.batch_size}]")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(help="CPU threads; 0 means all cores. [default: 0]")
]
Device: TypeAlias = Annotated[
    str | None, typer.Option(help="cpu, cuda, coreml, ...; `mien doctor` lists them.")
]
MaxPixels: TypeAlias = Annotated[
    int | None, typer.Option(help=f"Refuse larger images. [default: {FACES.max_pixels}]")
]
Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="TOML file with the tables [analyze] and [video]; flags win over it."),
]

Every: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Look at one frame in so much time: 0.5s. [default: every frame]",
    ),
]
Start: TypeAlias = Annotated[str | None, typer.Option(help="Where to begin: 90, 90s or 1:30.")]
End: TypeAlias = Annotated[str | None, typer.Option(help="Where to stop, as --start.")]
MaxFrames: TypeAlias = Annotated[int | None, typer.Option(help="Stop after so many frames.")]
SkipBroken: TypeAlias = Annotated[
    bool | None,
    typer.Option("--skip-broken", help="Go on behind damaged places."),
]
DetectEvery: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Find faces in every n-th frame, follow them in others. "
        f"[default: {VIDEO.detect_every}]",
    ),
]
Smoothing: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help=f"Time constant of the expression; 0: off. [default: {VIDEO.smoothing_s}s]",
    ),
]
Symmetric: TypeAlias = Annotated[
    bool | None,
    typer.Option("--symmetric", help="Smooth with the future too: nothing is late."),
]


def face_settings(flags: Mapping[str, Any]) -> AnalyzeConfig:
    """Defaults, then the ``[analyze]`` of the file ``config``, then the flags that were given.

    Args:
        flags: Everything that the command was told, by parameter; ``None`` where nothing was said.
            Those that are no settings of faces are passed over.

    Raises:
        ConfigError: The file cannot be read, or a setting is wrong.
    """
    given = _given(AnalyzeConfig, flags)
    for name, read in _READ_FACES.items():
        if name in given:
            given[name] = read(given[name])
    path = flags["config"]
    return replace(FACES if path is None else AnalyzeConfig.from_toml(path), **given)


def video_settings(flags: Mapping[str, Any]) -> VideoConfig:
    """The same for ``[video]``; times may be given as ``90``, ``90s``, ``500ms`` or ``1:30``."""
    given = _given(VideoConfig, flags)
    for name, value in given.items():
        if name.endswith("_s"):
            given[name] = seconds(value)
    path = flags["config"]
    return replace(VIDEO if path is None else VideoConfig.from_toml(path), **given)


def _given(kind: type[AnalyzeConfig | VideoConfig], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given and are settings of this kind.

    A flag is called like its setting, without the unit.
    """
    flag_of = {f.name: f.name.removesuffix("_px").removesuffix("_s") for f in fields(kind)}
    return {name: flags[flag] for name, flag in flag_of.items() if flags.get(flag) is not None}


def names(text: str) -> tuple[str, ...]:
    """Read ``"a, b"``."""
    return tuple(part.strip() for part in text.split(","))


_READ_FACES: Mapping[str, Callable[[str], Any]] = {
    "attributes": names,
    "emotions": names,
    "age_groups": parse_age_groups,
}


def seconds(text: str) -> float:
    """Read a time: ``90``, ``90s``, ``1.5 s``, ``500ms``, ``1:30``, ``1:02:30.5``.

    Raises:
        ConfigError: It is none of these.
    """
    parts = text.strip().lower().split(":")
    try:
        if len(parts) > 3:
            raise ValueError
        if len(parts) == 1 and parts[0].endswith("ms"):
            return float(parts[0][:-2]) / 1000
        total = 0.0
        for part in [*parts[:-1], parts[-1].removesuffix("s")]:
            total = 60 * total + float(part)
    except ValueError:
        raise ConfigError(f"a time looks like 90, 90s, 500ms or 1:30, got {text!r}") from None
    return total
