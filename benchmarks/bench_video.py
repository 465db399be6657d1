"""How long does one frame of a clip take, stage by stage, and how many come out a second?

    python benchmarks/bench_video.py --out benchmarks/results/video.csv

Renders a clip of 1280x720 with two moving faces (the shipped portrait), encodes it as H.264, and
measures: milliseconds a frame of every stage alone on one thread; frames a second of all stages
together, as `mien analyze` runs them, without and with an annotated clip; and of decoding alone,
which is the limit on a file. Detection looks at every third frame. It does not measure accuracy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from surroundings import append, surroundings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from clips import Actor, evenly, line, write_clip

from mien import Analyzer, VideoConfig
from mien.interfaces import Frame
from mien.pipeline.video import Follower
from mien.sinks.painter import Painter
from mien.sinks.video import VideoSink
from mien.sources.video import open_video
from mien.track import FaceTracker, Smoother

SIZE = (1280, 720)
VIDEO = VideoConfig(detect_every=3)


def make_clip(path: Path, seconds: float) -> None:
    """Two faces that cross the picture and grow."""
    scene = [
        Actor(line((200, 330, 130), (560, 380, 190), seconds)),
        Actor(line((1080, 340, 180), (760, 300, 120), seconds), mirror=True, gain=(1, 0.9, 0.8)),
    ]
    write_clip(path, scene, evenly(seconds, 30), size=SIZE, audio=True)


def ms_a_frame(work: Callable[[Any], object], items: list[Any]) -> float:
    """Mean over all items: what a frame costs includes the frames on which more is done."""
    start = time.perf_counter()
    for item in items:
        work(item)
    return 1e3 * (time.perf_counter() - start) / len(items)


def stages(clip: Path, model: str, count: int) -> Iterator[tuple[str, float]]:
    """Milliseconds a frame of every stage, one thread."""
    cv2.setNumThreads(1)
    analyzer = Analyzer(model=model, threads=1)
    start = time.perf_counter()
    with open_video(clip, VideoConfig(max_frames=count)) as source:
        frames: list[Frame] = list(source)
    yield "decode", 1e3 * (time.perf_counter() - start) / len(frames)
    tracker = FaceTracker(lambda image: analyzer.detector.detect([image])[0], VIDEO)
    tracked = []
    yield (
        "detect and follow",
        ms_a_frame(lambda f: tracked.append(tracker.follow(f.image, f.time_s)), frames),
    )
    pairs = list(zip(frames, tracked, strict=True))
    cut: list[Any] = []
    yield (
        "align, quality",
        ms_a_frame(lambda p: cut.append(analyzer.cut(p[0], [t.detection for t in p[1]])), pairs),
    )
    answers: list[Any] = []
    chips = [np.stack(one.chips) for one in cut if one.chips]
    groups = [np.concatenate(chips[k : k + 8]) for k in range(0, len(chips), 8)]
    network = ms_a_frame(lambda group: answers.append(analyzer.probabilities(group)), groups)
    yield "network", network * len(groups) / len(frames)
    smoother = Smoother(VIDEO)
    rows = [{h: p[k] for h, p in said.items()} for said in answers for k in range(len(said["age"]))]

    def smooth(row: dict[str, Any]) -> None:
        said = smoother.update(1, 0.0, row, 1.0)
        analyzer.decode({head: p[None] for head, p in said.items()})

    yield "smooth, decode answers", ms_a_frame(smooth, rows) * len(rows) / len(frames)
    results = list(Follower(analyzer, VIDEO).run(frames))
    painter = Painter()
    yield "draw", ms_a_frame(lambda one: painter.draw(one[0].image, one[1]), results)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        with VideoSink(Path(name) / "out.mp4", blur=True) as sink:
            for frame, result in results:
                sink.write(frame, result)
        yield "blur, encode", 1e3 * (time.perf_counter() - start) / len(results)


def rates(clip: Path, model: str, threads: int) -> Iterator[tuple[str, float]]:
    """Frames a second of everything together."""
    start = time.perf_counter()
    with open_video(clip) as source:
        total = sum(1 for _ in source)
    yield "decode alone", total / (time.perf_counter() - start)
    analyzer = Analyzer(model=model, threads=threads)
    start = time.perf_counter()
    for _ in analyzer.follow(clip, VIDEO, keep_images=False):
        pass
    yield "all, rows only", total / (time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        with VideoSink(Path(name) / "out.mp4", draw=True) as sink:
            for frame, result in analyzer.follow(clip, VIDEO):
                sink.write(frame, result)
        yield "all, annotated clip", total / (time.perf_counter() - start)


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mien-s-int8")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    fixed = {"model": args.model, "picture": "1280x720, 2 faces", **surroundings()}
    lines: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        make_clip(clip, args.seconds)
        for figure, value in rates(clip, args.model, args.threads):
            lines.append({"figure": figure, "value": round(value, 1), "unit": "frames/s"})
        for figure, value in stages(clip, args.model, 150):
            lines.append({"figure": figure, "value": round(value, 2), "unit": "ms a frame"})
    for entry in lines:
        print(f"{entry['figure']:26} {entry['value']:8} {entry['unit']}")
    append(args.out, [entry | fixed for entry in lines])


if __name__ == "__main__":
    main()
