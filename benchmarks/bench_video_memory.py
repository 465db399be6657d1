r"""Does memory stay flat while a long clip is read?

    python benchmarks/bench_video_memory.py --minutes 120 \
        --out benchmarks/results/video_memory.csv --plot video_memory.png

Writes a clip of so many minutes (30 frames a second, 160x90, H.264, with a key frame every 10 s)
in a process of its own, reads it to its end through `VideoSource` as `mien analyze` does, and
notes the memory of this process every few frames. `growth_mb_per_h` is the slope of a straight
line through what was noted after the first tenth. It does not measure detection or inference.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from surroundings import append, surroundings

from mien.sources import open_video

RATE = 30
SIZE = (160, 90)
NOTES = 1000
"""About so many points of the curve, however long the clip is."""


@dataclass
class Curve:
    """Memory over the clip.

    Attributes:
        minutes: How far the clip was read.
        rss_mb: Resident memory of the process at that time.
        frames: Frames in all.
        seconds: Wall-clock time of reading.
    """

    minutes: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0

    def settled(self) -> tuple[np.ndarray, np.ndarray]:
        """Both without the first tenth, in which buffers fill."""
        first = len(self.minutes) // 10
        return np.array(self.minutes[first:]), np.array(self.rss_mb[first:])

    def growth_mb_per_h(self) -> float:
        """Slope of memory over the time of the clip."""
        minutes, rss_mb = self.settled()
        return float(60 * np.polyfit(minutes, rss_mb, 1)[0])


def write(path: Path, minutes: float) -> None:
    """A pattern that wanders: cheap to make, and every frame differs."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (SIZE[1] // 10, SIZE[0] // 10, 3), np.uint8)
    ground = np.kron(ground, np.ones((10, 10, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.gop_size = 10 * RATE
        for number in range(round(60 * minutes * RATE)):
            image = np.ascontiguousarray(np.roll(ground, number, axis=1))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read(path: Path, minutes: float) -> Curve:
    """Read every frame and note the memory now and then."""
    curve = Curve()
    every = max(1, round(60 * minutes * RATE / NOTES))
    start = time.perf_counter()
    with open_video(path) as source:
        for frame in source:
            if frame.error is not None:
                raise SystemExit(frame.error)
            if frame.index % every == 0:
                curve.minutes.append((frame.time_s or 0.0) / 60)
                curve.rss_mb.append(resident_mb())
            curve.frames += 1
    curve.seconds = time.perf_counter() - start
    return curve


def resident_mb() -> float:
    """Resident memory of this process; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not say how much memory a process has")


def plot(curve: Curve, path: Path) -> None:
    """Memory over the time of the clip."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(curve.minutes, curve.rss_mb, linewidth=1.5)
    axes.set(
        xlabel="time of the clip in minutes",
        ylabel="resident memory in MB",
        ylim=(0, 1.25 * max(curve.rss_mb)),
        title=f"{curve.frames} frames read, {curve.growth_mb_per_h():+.1f} MB an hour",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Write, read, print, append."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0, help="length of the clip")
    parser.add_argument("--out", type=Path, help="CSV to append to")
    parser.add_argument("--plot", type=Path, help="PNG of memory over time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        writer = multiprocessing.get_context("spawn").Process(
            target=write, args=(path, arguments.minutes)
        )
        writer.start()
        writer.join()
        if writer.exitcode != 0:
            raise SystemExit("the clip could not be written")
        file_mb = path.stat().st_size / 1e6
        curve = read(path, arguments.minutes)
    row = {
        "minutes": f"{arguments.minutes:g}",
        "frames": curve.frames,
        "size": f"{SIZE[0]}x{SIZE[1]}",
        "file_mb": f"{file_mb:.1f}",
        "rss_mb_settled": f"{np.median(curve.settled()[1]):.1f}",
        "rss_mb_most": f"{max(curve.rss_mb):.1f}",
        "growth_mb_per_h": f"{curve.growth_mb_per_h():.2f}",
        "frames_per_s": f"{curve.frames / curve.seconds:.0f}",
        "av": av.__version__,
        **surroundings(),
    }
    print(", ".join(f"{key}: {value}" for key, value in row.items()))
    if arguments.plot is not None:
        plot(curve, arguments.plot)
    if arguments.out is not None:
        append(arguments.out, [row])


if __name__ == "__main__":
    main()
