"""How late is the live window, and how many frames a second does it show?

    python benchmarks/bench_live.py --out benchmarks/results/live.csv

Plays a clip of 1280x720 with two moving faces, made from the shipped portrait, through the whole of
`mien live`: decoding, tracking, network, drawing, SDL with its dummy driver. Measures frames a
second of each thread, and the delay from the moment a frame was decoded to the moment it is on the
screen, after two seconds of warm-up. It does not measure what a camera and a monitor add. One CSV
row a figure, appended, with everything that must be equal before two rows are compared.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from bench_pipeline import scene
from surroundings import surroundings

from mien.config import VideoConfig
from mien.interfaces import Image
from mien.live import run
from mien.live.meters import Meters
from mien.live.window import load_sdl
from mien.pipeline import Analyzer
from mien.sources import open_video

WIDTH, HEIGHT, FACES = 1280, 720, 2
SWAY = 40
"""Pixels by which everything moves to the left and to the right."""

WARM_UP_S = 2.0


def frames(count: int, rate: int) -> Iterator[Image]:
    """Views of a wide picture from a camera that sways, once in three seconds."""
    wide = scene(WIDTH + 2 * SWAY, HEIGHT, FACES)
    for number in range(count):
        left = SWAY + round(SWAY * math.sin(2 * math.pi * number / rate / 3))
        yield np.ascontiguousarray(wide[:, left : left + WIDTH])


def write_clip(path: Path, seconds: float, rate: int) -> None:
    """Encode the frames as H.264."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in frames(round(seconds * rate), rate):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())


def measure(seconds: float, rate: int, model: str, size: tuple[int, int]) -> Meters:
    """Play the clip once, in a window of this size."""
    meters = Meters(window_s=seconds - WARM_UP_S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path, seconds, rate)
        with open_video(path) as source:
            run(source, Analyzer(model=model), VideoConfig(), size=size, meters=meters)
    return meters


def figures(meters: Meters) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of everything that was measured."""
    reading = meters.read()
    late = meters.delay.percentiles(50, 95, 100)
    if late is None or reading.screen is None:
        sys.exit("too few frames were shown; give it more --seconds")
    for name, value in zip(("p50", "p95", "max"), late, strict=True):
        yield f"delay from capture to screen, {name}", 1e3 * value, "ms"
    for name in ("capture", "inference", "screen"):
        yield f"{name} rate", getattr(reading, name) or 0.0, "frames/s"


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rate", type=int, default=30, help="frames a second of the clip")
    parser.add_argument("--model", default="mien-s-int8")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), help="of the window")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    meters = measure(args.seconds, args.rate, args.model, tuple(args.size))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    is_new = not args.out.exists()
    with args.out.open("a", newline="") as file:
        writer = None
        for name, value, unit in figures(meters):
            row = {
                "figure": name,
                "source": f"{WIDTH}x{HEIGHT}, {FACES} faces, {args.rate} frames/s",
                "window": "x".join(map(str, args.size)),
                "model": args.model,
                "value": round(value, 1),
                "unit": unit,
                **surroundings(),
                "onnxruntime": onnxruntime.__version__,
                "pygame": load_sdl().version.ver,
            }
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(row))
                if is_new:
                    writer.writeheader()
            writer.writerow(row)
            print(f"{name:36} {value:7.1f} {unit}")


if __name__ == "__main__":
    main()
