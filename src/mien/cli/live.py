"""`mien live`: the camera window."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mien.cli import options
from mien.errors import ConfigError

UNREADABLE = 3

SMALLEST, LARGEST = 64, 16384


Camera: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Camera number, rtsp or http(s) URL, or a clip, which plays at its own speed."
    ),
]
Mirror: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror",
        help="Exchange left and right. [default: for cameras, not for URLs and clips]",
        show_default=False,
    ),
]
Size: TypeAlias = Annotated[
    str, typer.Option(help="Size of the window, and of the picture asked of a camera.")
]
Folder: TypeAlias = Annotated[
    Path, typer.Option(help="Folder for snapshots and recordings; made when needed.")
]


def live(
    camera: Camera = "0",
    mirror: Mirror = None,
    size: Size = "1280x720",
    out: Folder = Path(),
    detector: options.Detector = None,
    model: options.Model = None,
    attributes: options.Attributes = None,
    emotions: options.Emotions = None,
    min_score: options.MinScore = None,
    min_face: options.MinFace = None,
    min_sharpness: options.MinSharpness = None,
    faces: options.Faces = None,
    threads: options.Threads = None,
    device: options.Device = None,
    max_pixels: options.MaxPixels = None,
    detect_every: options.DetectEvery = None,
    smoothing: options.Smoothing = None,
    config: options.Config = None,
) -> None:
    """Show a camera in a window: apparent age, gender and expression of everybody in it.

    Keys: SPACE pause, S snapshot, R record, B blur, M mirror, F full screen, H help, Q quit.
    """
    flags = locals()  # every option by its name
    from mien.live import run
    from mien.pipeline import Analyzer
    from mien.sources.camera import camera_number
    from mien.sources.video import open_video

    window = parse_size(size)
    faces_config, video = options.face_settings(flags), options.video_settings(flags)
    is_camera = camera_number(camera) is not None
    with open_video(camera, video, max_pixels=faces_config.max_pixels, size=window) as source:
        outcome = run(
            source,
            Analyzer(faces_config),
            video,
            size=window,
            mirror=is_camera if mirror is None else mirror,
            folder=out,
        )
    for path in outcome.saved:
        typer.echo(f"saved {path}")
    if outcome.source_error is not None:
        typer.secho(f"{source.name}: {outcome.source_error}", err=True, fg="red")
        raise typer.Exit(UNREADABLE)


def parse_size(text: str) -> tuple[int, int]:
    """Read ``"1280x720"``.

    Raises:
        ConfigError: It is no size, or no screen has it.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", text.lower())
    if match is None:
        raise ConfigError(f"a size looks like 1280x720, got {text!r}")
    size = int(match[1]), int(match[2])
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise ConfigError(f"a size must lie within {SMALLEST} and {LARGEST} pixels, got {text!r}")
    return size
