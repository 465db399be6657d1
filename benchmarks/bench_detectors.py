"""How often does each detector find a face, where does it put the eyes, and what does it cost?

    python benchmarks/bench_detectors.py --data ../shared/data --out results/detectors.csv

Three kinds of test: crops of data sets as they come; synthetic scenes, each with one face of known
size, turn or cut on a photo without people; and those photos alone, for false alarms. The scenes
need the data sets, too. Photos come from scikit-image's sample data where that package is found,
else blurred noise takes their place (the `background` column says which).

The reference for box and landmarks is YuNet on the untouched crop, the mean of eight looks (four
sizes, mirrored or not); crops in which one of the looks fails make no scene. So the scenes measure
what size, turn and cut do to a detector, not how it does on faces that YuNet cannot see.

Time is process CPU time on one thread, so other programs on the machine do not count. It does not
measure memory, loading or the GPU. One CSV row a detector and test, appended.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import statistics
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mien.align import landmark_points
from mien.detect import DetectorSettings, YuNet, create_detector
from mien.errors import MissingExtraError
from mien.geometry import apply_transform, box_iou
from mien.images import decode
from mien.interfaces import Detection, Detector, Image

FIRST_LOOK = "yunet, first look only"
DETECTORS = ("yunet", FIRST_LOOK, "haar", "hog", "mtcnn", "whole")
PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
NO_PEOPLE = (
    "brick.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png", "color.png",
    "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
    "motorcycle_left.png", "motorcycle_right.png", "page.png", "retina.jpg", "rocket.jpg",
    "text.png",
)  # fmt: skip
WIDTH, HEIGHT = 640, 480
HIT_IOU = 0.3

Points = npt.NDArray[np.float64]


class Known(NamedTuple):
    """A picture and the one face in it; box ``(4,)`` and points ``(5, 2)`` in pixels."""

    image: Image
    box: Points
    points: Points


class Data:
    """The zips of one data set: held-out pictures in a fixed random order."""

    def __init__(self, folder: Path, kind: str) -> None:
        wanted = _held_out(folder, kind)
        self.items = []
        for path in sorted(folder.glob(f"{kind}-*.zip")):
            archive = zipfile.ZipFile(path)
            names = (n for n in archive.namelist() if n.endswith((".png", ".webp")))
            self.items += [(archive, name) for name in names if wanted(name)]
        self.items.sort(key=lambda item: item[1])
        random.Random(7).shuffle(self.items)

    def __iter__(self) -> Iterator[Image]:
        return (decode(archive.read(name)) for archive, name in self.items)

    def first(self, n: int) -> list[Image]:
        """The first `n` pictures."""
        return [image for _, image in zip(range(n), self, strict=False)]


def _held_out(folder: Path, kind: str) -> Callable[[str], bool]:
    if kind == "ferplus":
        return lambda name: "FER2013Test" in name
    table = {"utkface": "utkface-split.csv", "fairface": "fairface_label_train.csv"}[kind]
    with (folder / table).open(newline="") as file:
        test = {Path(r["file"]).stem for r in csv.DictReader(file) if r["split"] == "test"}
    return lambda name: Path(name).stem in test


class Reference:
    """Mean of eight looks of YuNet at one crop."""

    SIDES = (224, 256, 288, 320)

    def __init__(self) -> None:
        settings = DetectorSettings(min_score=0.5, threads=1)
        self._yunet = YuNet(settings, long_side=4096, max_upscale=1.0, retry_long_side=0)

    def __call__(self, image: Image) -> Known | None:
        """The face of a crop, or ``None`` when a look fails."""
        boxes, points = [], []
        for side in self.SIDES:
            scale = side / max(image.shape[:2])
            scaled = cv2.resize(image, None, fx=scale, fy=scale)
            for mirrored in (False, True):
                pixels = np.ascontiguousarray(scaled[:, ::-1] if mirrored else scaled)
                faces = self._yunet.detect([pixels.astype(np.uint8)])[0]
                if not faces:
                    return None
                box = np.array(faces[0].box).reshape(2, 2)
                marks = landmark_points(faces[0])
                if mirrored:
                    box[:, 0] = pixels.shape[1] - box[::-1, 0]
                    marks[:, 0] = pixels.shape[1] - marks[:, 0]
                    marks = marks[[1, 0, 2, 4, 3]]
                boxes.append(box.ravel() / scale)
                points.append(marks / scale)
        return Known(image, np.mean(boxes, axis=0), np.mean(points, axis=0))


def backgrounds() -> tuple[str, list[Image]]:
    """What the scenes stand on, and its name."""
    package = find_spec("skimage")
    if package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0], "data")
        return "skimage", [decode((folder / name).read_bytes()) for name in NO_PEOPLE]
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, HEIGHT, WIDTH, 3)).astype(np.uint8)
    blurred = [cv2.GaussianBlur(n, (0, 0), 2.0 ** (k + 1)) for k, n in enumerate(noise)]
    stretched = [cv2.normalize(b, None, 0, 255, cv2.NORM_MINMAX) for b in blurred]
    return "noise", [s.astype(np.uint8) for s in stretched]


def cover(image: Image, width: int, height: int) -> Image:
    """Scale until it covers width x height, cut off the rest."""
    scale = max(width / image.shape[1], height / image.shape[0])
    size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method)[:height, :width], np.uint8)


def paste(
    photo: Image, face: Known, width: float, centre: tuple[float, float], turn: float
) -> Known:
    """Put a face into a photo: its box `width` px wide, turned by `turn` degrees, soft edges."""
    scale = width / (face.box[2] - face.box[0])
    source = face.image
    if scale < 1:  # shrink by area first: a camera does not alias
        source = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ratio = np.array(source.shape[1::-1]) / face.image.shape[1::-1]
    cos, sin = scale * np.cos(np.deg2rad(turn)), scale * np.sin(np.deg2rad(turn))
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = (face.box[:2] + face.box[2:]) / 2
    matrix = np.hstack([linear, (centre - linear @ middle)[:, None]])
    warp = matrix.copy()
    warp[:, :2] /= ratio
    warp[:, 2] += warp[:, :2] @ (0.5, 0.5) - 0.5
    rows, columns = (np.minimum(np.arange(k), np.arange(k)[::-1]) + 0.5 for k in source.shape[:2])
    soft = np.minimum.outer(rows, columns) / max(1.0, 0.08 * min(source.shape[:2]))
    size = (photo.shape[1], photo.shape[0])
    mask = cv2.warpAffine(np.clip(soft, 0, 1).astype(np.float32), warp, size)[..., None]
    pixels = cv2.warpAffine(source, warp, size, borderMode=cv2.BORDER_REPLICATE)
    half = np.array([width, width * (face.box[3] - face.box[1]) / (face.box[2] - face.box[0])]) / 2
    return Known(
        (photo * (1 - mask) + pixels * mask).round().astype(np.uint8),
        np.concatenate([centre - half, centre + half]),
        apply_transform(matrix, face.points),
    )


def scenes(
    faces: list[Known], photos: list[Image], *, width: float, turn: float = 0, cut: float = 0
) -> Iterator[Known]:
    """One scene a face; `cut` is the fraction of the face beyond a random border."""
    rng = np.random.default_rng(int(1000 * width + turn + 100 * cut))
    for k, face in enumerate(faces):
        photo = cover(photos[k % len(photos)], WIDTH, HEIGHT)
        edge = np.minimum([width * 0.75, width * 0.75], [WIDTH / 2, HEIGHT / 2])
        centre = rng.uniform(edge, [WIDTH, HEIGHT] - edge)
        if cut:
            side, axis = int(rng.integers(2)), int(rng.integers(2))
            extent = width if axis == 0 else width * 1.25
            inside = extent / 2 - cut * extent
            centre[axis] = inside if side == 0 else (WIDTH, HEIGHT)[axis] - inside
        yield paste(photo, face, width, centre, turn * (-1) ** k)


def large(faces: list[Known], photos: list[Image], width: float) -> Iterator[Known]:
    """The same in photos of 4000x3000."""
    for k, face in enumerate(faces):
        photo = cover(photos[k % len(photos)], 4000, 3000)
        yield paste(photo, face, width, (2000.0, 1500.0), 0)


def in_crop(images: Iterable[Image], reference: Reference) -> Iterator[Known]:
    """Crops as they come; without reference the middle of the picture stands for the face."""
    for image in images:
        height, width = image.shape[:2]
        guess = np.array([0.1 * width, 0.0, 0.9 * width, height])
        yield reference(image) or Known(image, guess, np.full((5, 2), np.nan))


def measure(detector: Detector, pictures: Iterable[Known]) -> dict[str, Any]:
    """Rate, false alarms, error of the points that align the face, CPU time."""
    hits, others, errors, times = [], [], [], []
    for picture in pictures:
        start = time.process_time()
        found = detector.detect([picture.image])[0]
        times.append(time.process_time() - start)
        best, overlap = _best(found, picture.box)
        hits.append(overlap > HIT_IOU)
        others.append(len(found) - hits[-1])
        if best is not None and hits[-1] and not np.isnan(picture.points).any():
            away = np.linalg.norm(landmark_points(best) - picture.points, axis=1).mean()
            eyes = np.linalg.norm(picture.points[0] - picture.points[1])
            errors.append(float(away / eyes))
    return {
        "n": len(hits),
        "rate": round(float(np.mean(hits)), 3),
        "false_per_image": round(float(np.mean(others)), 3),
        "point_error_median": round(float(np.median(errors)), 3) if errors else "",
        "point_error_p90": round(float(np.quantile(errors, 0.9)), 3) if errors else "",
        "ms_mean": round(1e3 * float(np.mean(times)), 1),
    }


def _best(found: list[Detection], box: Points) -> tuple[Detection | None, float]:
    if not found:
        return None, 0.0
    overlaps = box_iou(np.array([face.box for face in found]), box[None])[:, 0]
    return found[int(overlaps.argmax())], float(overlaps.max())


def alone(detector: Detector, photos: list[Image]) -> dict[str, Any]:
    """False alarms on photos without people, as they are and as 640x480."""
    images = [*photos, *(cover(photo, WIDTH, HEIGHT) for photo in photos)]
    start = time.process_time()
    found = [len(detector.detect([image])[0]) for image in images]
    return {
        "n": len(images),
        "false_per_image": round(float(np.mean(found)), 3),
        "ms_mean": round(1e3 * (time.process_time() - start) / len(images), 1),
    }


def speed(detector: Detector, repeat: int) -> dict[str, Any]:
    """Median CPU ms for the shipped portrait at 640x480, one face of 105 px."""
    photo = cover(decode(PHOTO.read_bytes()), WIDTH, HEIGHT)
    times = []
    for _ in range(repeat + 2):
        start = time.process_time()
        found = detector.detect([photo])[0]
        times.append(1e3 * (time.process_time() - start))
    marks = bool(found) and found[0].landmarks is not None
    median = round(statistics.median(times[2:]), 1)
    return {"n": repeat, "ms_median": median, "landmarks": "yes" if marks else "no"}


def environment(background: str) -> dict[str, str]:
    """What has to be equal before two rows may be compared."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "background": background,
        "commit": commit.stdout.strip() or "unknown",
        "cpu": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "threads": "1",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def prepare(args: argparse.Namespace, photos: list[Image]) -> dict[str, list[Known]]:
    """Every picture of every test, made once so that all detectors see the same."""
    if args.data is None:
        return {}
    reference = Reference()
    data = {kind: Data(args.data, kind) for kind in ("ferplus", "utkface", "fairface")}
    tests = {kind: list(in_crop(part.first(args.n), reference)) for kind, part in data.items()}
    faces: list[Known] = []
    for kind in ("utkface", "fairface"):  # colour, and better than 48 px
        known = (k for k in tests[kind] if not np.isnan(k.points).any())
        faces += [k for _, k in zip(range(args.n // 2), known, strict=False)]
    for width in (10, 16, 24, 32, 48, 100, 200):
        tests[f"{width} px"] = list(scenes(faces, photos, width=width))
    for turn in (15, 30, 45, 60, 90, 180):
        tests[f"turned {turn}"] = list(scenes(faces, photos, width=100, turn=turn))
    for cut in (0.2, 0.35, 0.5):
        tests[f"cut {cut}"] = list(scenes(faces, photos, width=100, cut=cut))
    tests["4000 px, face 60"] = list(large(faces[:: args.n // 12 or 1], photos, 60))
    tests["4000 px, face 2400"] = list(large(faces[:: args.n // 12 or 1], photos, 2400))
    return tests


def build(kind: str) -> Detector:
    """A detector of the registry with its defaults, or YuNet without its further looks."""
    if kind != FIRST_LOOK:
        return create_detector(kind, threads=1)
    settings = DetectorSettings(min_score=YuNet.DEFAULT_MIN_SCORE, threads=1)
    return YuNet(settings, retry_long_side=0, second_look=False)


def rows(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a detector and test."""
    cv2.setNumThreads(1)
    name, photos = backgrounds()
    tests = prepare(args, photos)
    for kind in args.detectors:
        try:
            detector = build(kind)
        except MissingExtraError as error:
            print(f"{kind}: left out: {error}")
            continue
        yield {"detector": kind, "test": "640x480", **speed(detector, args.repeat)}
        if kind != "whole":
            yield {"detector": kind, "test": "no face", **alone(detector, photos)}
        for test, pictures in tests.items():
            if kind != "whole" or test in ("ferplus", "utkface", "fairface"):
                yield {"detector": kind, "test": test, **measure(detector, pictures)}
    print(f"backgrounds: {name}")


COLUMNS = (
    "detector", "test", "n", "rate", "false_per_image", "point_error_median", "point_error_p90",
    "landmarks", "ms_median", "ms_mean",
)  # fmt: skip


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the data sets' zips")
    parser.add_argument("--n", type=int, default=100, help="pictures a test")
    parser.add_argument("--repeat", type=int, default=30, help="runs for the time of one image")
    parser.add_argument("--detectors", nargs="+", default=DETECTORS, choices=DETECTORS)
    parser.add_argument("--out", type=Path, required=True, help="CSV file to append to")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    same = environment(backgrounds()[0])
    is_new = not args.out.exists()
    with args.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=[*COLUMNS, *same], restval="")
        if is_new:
            writer.writeheader()
        for row in rows(args):
            writer.writerow({**row, **same})
            file.flush()
            print("  ".join(f"{key} {row[key]}" for key in COLUMNS if row.get(key, "") != ""))


if __name__ == "__main__":
    main()
