"""Who is who in a clip: mien's tracker beside ByteTrack and OC-SORT, and what it costs.

    python benchmarks/bench_tracking.py --out benchmarks/results/tracking.csv

The clips of `tests/clip_scenes.py` (people who cross, walk behind a bar, a camera that shakes, ...)
show one portrait several times, so appearance tells nobody apart, and their truth is known. All
trackers get the same answers of YuNet: of every frame, or of every third; as they are, or with a
quarter of the faces dropped (three random draws). Besides these clips, which the tracker was made
with, there are random ones, which it was not. Counted over all clips: identity switches,
numbers given beyond one a person, and the share of faces in full view that have an answer, of all
frames and of those that the detector looked at.

`trackers` (Roboflow) is compared if it is installed. It wants `opencv-python`, which overwrites the
headless build of this project: install it elsewhere (`pip install --no-deps --target DIR trackers`,
besides scipy and supervision) and put DIR on PYTHONPATH. Its trackers are told the time of every
frame and need no second sighting; all else is their default. On frames without detections they
answer nothing.

Time is processor time of the tracker alone, on one thread, at 1280x720 with two faces. Not
measured: real clips, more than four people, memory. One CSV row a tracker and condition, appended.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from surroundings import surroundings

from mien.config import VideoConfig
from mien.detect import DetectorSettings, YuNet
from mien.interfaces import Detection, Image
from mien.track import FaceTracker

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clip_scenes import SCENES, SIZE, random_scenes
from clip_truth import Judge, hidden_shares
from clips import Actor, Bar, evenly, frames, line

FPS = 30.0
LOST_S = 1.0

Quad = tuple[float, float, float, float]
Follow = Callable[[Image, float], dict[int, Quad]]
"""From a frame and its time to a box by number."""


class Shot(NamedTuple):
    """One frame of a clip, what the detector sees in it, and the truth."""

    time_s: float
    image: Image
    found: list[Detection]
    truth: dict[int, Quad]
    clear: list[int]


class Feed:
    """Hands out what the detector saw, and forgets some of it."""

    def __init__(self, miss: float, seed: int) -> None:
        self.now: list[Detection] = []
        self._miss = miss
        self._rng = np.random.default_rng(seed)

    def __call__(self, _: Image) -> list[Detection]:
        """The faces of the present frame."""
        return [face for face in self.now if self._rng.random() >= self._miss]


def ours(feed: Feed, detect_every: int) -> Follow:
    """The tracker of this project."""
    tracker = FaceTracker(feed, VideoConfig(detect_every=detect_every, lost_s=LOST_S))
    return lambda image, time_s: {
        one.track_id: one.detection.box for one in tracker.follow(image, time_s)
    }


def theirs(kind: str) -> Callable[[Feed, int], Follow]:
    """A tracker of the package `trackers`."""
    import supervision
    import trackers

    def build(feed: Feed, detect_every: int) -> Follow:
        tracker = getattr(trackers, kind)(
            lost_track_buffer=round(30 * LOST_S), frame_rate=FPS, minimum_consecutive_frames=1
        )
        frame = -1

        def follow(image: Image, time_s: float) -> dict[int, Quad]:
            nonlocal frame
            frame += 1
            if frame % detect_every:
                return {}
            faces = feed(image)
            seen = supervision.Detections(
                xyxy=np.array([face.box for face in faces]).reshape(-1, 4),
                confidence=np.array([face.score for face in faces]),
                class_id=np.zeros(len(faces), int),
            )
            told = tracker.update(seen, timestamp=time_s)
            ids = [] if told.tracker_id is None else told.tracker_id
            pairs = zip(ids, told.xyxy, strict=True)
            return {int(number): tuple(box) for number, box in pairs if number >= 0}

        return follow

    return build


def shots(scene: Sequence[Actor | Bar], seconds: float, detector: YuNet) -> list[Shot]:
    """All frames of a clip."""
    times = evenly(seconds, FPS)
    taken = []
    for time_s, (image, boxes) in zip(times, frames(scene, times, size=SIZE), strict=True):
        hidden = hidden_shares(scene, time_s, SIZE)
        truth = {k: box for k, box in enumerate(boxes) if box is not None and hidden[k] < 0.7}
        clear = [k for k in truth if hidden[k] < 0.02]
        taken.append(Shot(time_s, image, detector.detect([image])[0], truth, clear))
    return taken


def counts(
    build: Callable[[Feed, int], Follow], clips: list[list[Shot]], every: int, miss: float
) -> dict[str, Any]:
    """Follow all clips and count."""
    draws = (0,) if miss == 0 else (0, 1, 2)
    switches = numbers = people = found = visible = found_there = visible_there = 0
    for seed in draws:
        for clip in clips:
            feed, judge = Feed(miss, seed), Judge()
            follow = build(feed, every)
            given: set[int] = set()
            for k, shot in enumerate(clip):
                feed.now = shot.found
                answers = follow(shot.image, shot.time_s)
                given |= answers.keys()
                before = judge.score.found
                judge.frame(shot.truth, answers, shot.clear)
                if k % every == 0:
                    found_there += judge.score.found - before
                    visible_there += len(shot.clear)
            switches += judge.score.switches
            people += len({actor for shot in clip for actor in shot.truth})
            numbers += len(given)
            found += judge.score.found
            visible += judge.score.visible
    return {
        "people": people,
        "switches": switches,
        "extra_numbers": numbers - people,
        "found": round(found / visible, 3),
        "found_where_looked": round(found_there / visible_there, 3),
    }


def milliseconds(build: Callable[[Feed, int], Follow], detector: YuNet, every: int) -> list[float]:
    """Processor time of the tracker for every frame of a clip of 1280x720 with two faces."""
    scene = [
        Actor(line((300, 330, 130), (520, 350, 150), 2.0)),
        Actor(line((980, 380, 160), (840, 340, 140), 2.0), mirror=True),
    ]
    times = evenly(2.0, FPS)
    images = [image for image, _ in frames(scene, times, size=(1280, 720))]
    found = [detector.detect([image])[0] for image in images]
    spent = []
    for _ in range(3):
        feed = Feed(0.0, 0)
        follow = build(feed, every)
        for image, faces, time_s in zip(images, found, times, strict=True):
            feed.now = faces
            start = time.process_time()
            follow(image, time_s)
            spent.append(1e3 * (time.process_time() - start))
    return spent


def rows(random: int) -> Iterator[dict[str, Any]]:
    """One row a tracker and condition."""
    cv2.setNumThreads(1)
    settings = DetectorSettings(min_score=YuNet.DEFAULT_MIN_SCORE, threads=1)
    detector = YuNet(settings, retry_long_side=0)
    clips = {
        "made by hand": [shots(*scene, detector) for scene in SCENES.values()],
        "random": [shots(*scene, detector) for scene in random_scenes(random)],
    }
    builds: dict[str, Callable[[Feed, int], Follow]] = {"mien": ours}
    try:
        builds["ByteTrack"] = theirs("ByteTrackTracker")
        builds["OC-SORT"] = theirs("OCSORTTracker")
    except ImportError as error:
        print(f"trackers: left out: {error}")
    for name, build in builds.items():
        for every in (1, 3):
            spent = milliseconds(build, detector, every)
            flowed = [ms for k, ms in enumerate(spent) if k % 60 % every]
            cost = {
                "ms_detected": round(statistics.median(spent[::every]), 2),
                "ms_between": round(statistics.median(flowed), 2) if flowed else "",
            }
            for kind, miss in itertools.product(clips, (0.0, 0.25)):
                counted = counts(build, clips[kind], every, miss)
                condition = {"tracker": name, "clips": kind, "detect_every": every, "miss": miss}
                yield {**condition, **counted, **cost}


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--random", type=int, default=20, help="random clips")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to append to")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    same = {**surroundings(), "numpy": np.__version__, "opencv": cv2.__version__}
    is_new = not args.out.exists()
    with args.out.open("a", newline="") as file:
        writer = None
        for row in rows(args.random):
            if writer is None:
                print("  ".join(f"{key:>12}" for key in row))
                writer = csv.DictWriter(file, fieldnames=[*row, *same])
                if is_new:
                    writer.writeheader()
            writer.writerow({**row, **same})
            print("  ".join(f"{value!s:>12}" for value in row.values()))


if __name__ == "__main__":
    main()
