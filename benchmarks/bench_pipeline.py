"""How long does one photo take, stage by stage, and what does a first answer cost?

    python benchmarks/bench_pipeline.py --out benchmarks/results/pipeline.csv

Measures, on photos made from the shipped portrait, after a warm-up: milliseconds a stage and end
to end for 640x480 with one and five faces and for 1280x720, with one and two threads; images a
second for a folder of 500; the time of `import mien`, the time to the first result of the command
line, and its peak memory. It does not measure accuracy, or the first read from a cold disk.
One CSV row a figure, appended, with everything that must be equal before two rows are compared.
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from surroundings import surroundings

from mien.align import AlignSpec, align_faces
from mien.attributes import OnnxAttributeModel
from mien.config import AnalyzeConfig
from mien.detect import create_detector
from mien.images import decode
from mien.interfaces import Image
from mien.pipeline import Analyzer
from mien.results import FrameResult
from mien.sinks import draw_faces

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
SCENES = {"640x480, 1 face": (640, 480, 1), "640x480, 5 faces": (640, 480, 5)}
SCENES["1280x720, 1 face"] = (1280, 720, 1)


def scene(width: int, height: int, faces: int) -> Image:
    """A picture of this size in which the portrait's face appears `faces` times."""
    photo = decode(PHOTO.read_bytes())
    canvas = cv2.GaussianBlur(cv2.resize(photo, (width, height)), (0, 0), width / 12)
    head = photo[20:220, 120:320]
    side = round(0.62 * height) if faces == 1 else round(width / faces * 0.9)
    for k in range(faces):
        left = round(width * (k + 0.5) / faces - side / 2)
        top = (height - side) // 2
        canvas[top : top + side, left : left + side] = cv2.resize(
            head, (side, side), interpolation=cv2.INTER_AREA
        )
    return np.asarray(canvas, np.uint8)


def measure(work: Callable[[], object], *, repeat: int, warmup: int = 5) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds; the mean hides stalls."""
    for _ in range(warmup):
        work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def stages(name: str, threads: int, repeat: int) -> Iterator[tuple[str, float, float]]:
    """Milliseconds of every stage for one scene."""
    width, height, expected = SCENES[name]
    picture = scene(width, height, expected)
    jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    cv2.setNumThreads(threads)
    config = AnalyzeConfig(threads=threads)
    detector = create_detector("yunet", min_score=None, device="cpu", threads=threads)
    model = OnnxAttributeModel(config.model, threads=threads)
    analyzer = Analyzer(config)
    image = decode(jpeg)
    faces = detector.detect([image])[0]
    if len(faces) != expected:
        sys.exit(f"{name}: expected {expected} faces, found {len(faces)}")
    spec = AlignSpec(size=model.input.size, template=model.spec.template)
    chips = align_faces(image, faces, spec)
    result: FrameResult = analyzer.analyze(jpeg)[0]
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(jpeg),
        "detect": lambda: detector.detect([image]),
        "align": lambda: align_faces(image, faces, spec),
        "attributes": lambda: model.predict(chips),
        "draw": lambda: draw_faces(image, result),
        "end to end without drawing": lambda: analyzer.analyze(jpeg),
    }
    for stage, job in work.items():
        yield (stage, *measure(job, repeat=repeat))


def folder_rate(count: int, threads: int) -> float:
    """Images a second for a folder of `count` 640x480 JPEG files with one face each."""
    with tempfile.TemporaryDirectory() as name:
        jpeg = cv2.imencode(".jpg", scene(640, 480, 1)[..., ::-1])[1].tobytes()
        for k in range(count):
            (Path(name) / f"{k:04}.jpg").write_bytes(jpeg)
        analyzer = Analyzer(threads=threads)
        start = time.perf_counter()
        done = sum(1 for _ in analyzer.stream(name))
        return done / (time.perf_counter() - start)


def process(arguments: list[str], repeat: int) -> tuple[float, float]:
    """Median seconds and peak memory in MB of a fresh process."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    # The largest child so far, in kB on Linux: called in order of growing size.
    return statistics.median(times), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def environment() -> dict[str, str]:
    """What has to be equal before two rows may be compared."""
    return {
        **surroundings(),
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
    }


def figures(repeat: int, count: int) -> Iterator[dict[str, object]]:
    """Every figure of this benchmark."""
    python = sys.executable
    seconds, _ = process([python, "-c", "pass"], 5)
    imported, _ = process([python, "-c", "import mien"], 7)
    yield row("import mien", "", "", 1e3 * (imported - seconds), "ms beyond an empty Python")
    first, peak = process([python, "-m", "mien", "analyze", str(PHOTO)], 5)
    yield row("first result of the command line", "512x512, 1 face", "", 1e3 * first, "ms")
    yield row("peak memory of the command line", "512x512, 1 face", "", peak, "MB")
    for name in SCENES:
        for threads in (1, 2):
            for stage, median, p95 in stages(name, threads, repeat):
                yield row(stage, name, threads, median, "ms median", p95)
    for threads in (1, 2):
        rate = folder_rate(count, threads)
        yield row(f"folder of {count}", "640x480, 1 face", threads, rate, "images/s")


def row(
    figure: str, picture: str, threads: int | str, value: float, unit: str, p95: float | None = None
) -> dict[str, object]:
    """One line of the table."""
    return {
        "figure": figure,
        "picture": picture,
        "threads": threads,
        "value": round(value, 2),
        "p95": "" if p95 is None else round(p95, 2),
        "unit": unit,
    }


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=60)
    parser.add_argument("--count", type=int, default=500, help="files in the folder")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    surroundings = environment()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    is_new = not args.out.exists()
    with args.out.open("a", newline="") as file:
        writer = None
        for line in figures(args.repeat, args.count):
            full = {**line, **surroundings}
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(full))
                if is_new:
                    writer.writeheader()
            writer.writerow(full)
            print(
                f"{line['figure']:34} {line['picture']:18} {line['threads']!s:2} "
                f"{line['value']:9} {line['unit']}"
                + (f", p95 {line['p95']}" if line["p95"] != "" else "")
            )


if __name__ == "__main__":
    main()
