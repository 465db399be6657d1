"""How much steadier are the answers about one person, and at what price?

    python benchmarks/bench_smoothing.py --data ../shared/data \
        --out benchmarks/results/smoothing.csv --plot docs/smoothing.png

Renders clips of one face that moves, grows, tilts and brightens, with the noise of a
sensor, 0.2 s of blur and H.264 compression; finds and asks every frame with the default detector
and model; and compares the answers of single frames with the smoothed ones:

- portrait: the photograph of the examples;
- people: faces of the validation part of UTKFace, whose age is known;
- expressions: one face of the validation part of FER+ that becomes, in the middle of the clip, one
  with another expression, at once or within 0.2 s.

Without ``--data`` there is only the portrait. Nothing here is a test split. It does not measure
tracking: the largest face is the person.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from films import BLUR, CHANGE_S, FPS, LEVELS, SECONDS, film
from surroundings import append, surroundings

from mien import Analyzer
from mien.config import EMOTIONS, VideoConfig
from mien.datasets import majority, open_dataset
from mien.images import decode
from mien.track import Observation, Smoother, SymmetricSmoother, frame_weight

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
AGES = np.arange(101)
CLEAR = 0.7
"""An expression counts as clear when single frames give it this probability on average."""


@dataclass
class Answers:
    """All frames of one clip in which the face was found."""

    times: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    raw: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """Answers of single frames by head, shape ``(n, k)``."""
        return {head: np.array(rows) for head, rows in self.raw.items()}


# --- answers ----------------------------------------------------------------------------------


def ask(analyzer: Analyzer, pictures: list[np.ndarray]) -> Answers:
    """What single frames say, and how much each counts."""
    found = Answers()
    for number, result in enumerate(analyzer.analyze(pictures)):
        for face in result.faces[:1]:
            if face.age is None or face.quality is None:
                continue
            found.times.append(number / FPS)
            found.weights.append(frame_weight(face.quality, face.score))
            said = {
                "age": face.age.distribution,
                "gender": face.gender.probabilities,
                "emotion": face.emotion.probabilities,
            }
            for head, values in said.items():
                found.raw.setdefault(head, []).append(np.array(values))
    return found


def smoothed(clip: Answers, config: VideoConfig) -> dict[str, np.ndarray]:
    """What all frames so far say, by head."""
    rows = list(zip(clip.times, clip.weights, observations(clip), strict=True))
    if config.symmetric:
        both = SymmetricSmoother[int](config)
        ready = []
        for time_s, weight, said in rows:
            ready += both.push(0, time_s, [Observation(1, said, weight)])
        answers = [faces[0] for _, faces in ready + both.flush()]
    else:
        smoother = Smoother(config)
        answers = [smoother.update(1, time_s, said, weight) for time_s, weight, said in rows]
    return {head: np.array([answer[head] for answer in answers]) for head in clip.raw}


def observations(clip: Answers) -> Iterator[dict[str, np.ndarray]]:
    """Answers frame by frame."""
    for number in range(len(clip.times)):
        yield {head: rows[number] for head, rows in clip.raw.items()}


def plain(clip: Answers, tau_s: float) -> np.ndarray:
    """The expression through an exponential average that never hurries, for comparison."""
    frames, last = clip.arrays()["emotion"], clip.times[0]
    level, out = frames[0], []
    for time_s, frame in zip(clip.times, frames, strict=True):
        level = level + (frame - level) * (1 - np.exp((last - time_s) / tau_s))
        last = time_s
        out.append(level)
    return np.array(out)


def variants(clip: Answers) -> dict[str, dict[str, np.ndarray]]:
    """Every way to answer, by name."""
    config = VideoConfig()
    return {
        "raw": clip.arrays(),
        "smoothed": smoothed(clip, config),
        "symmetric": smoothed(clip, VideoConfig(symmetric=True)),
        "plain": {"emotion": plain(clip, config.smoothing_s)},
    }


# --- figures ----------------------------------------------------------------------------------


def unrest(values: np.ndarray) -> float:
    """Mean change from one frame to the next; of distributions, the total variation."""
    step = np.abs(np.diff(values, axis=0))
    return float(step.mean() if values.ndim == 1 else 0.5 * step.sum(axis=1).mean())


def changes(values: np.ndarray) -> int:
    """How often the label changes."""
    return int((np.diff(values.argmax(axis=1)) != 0).sum())


def mean(values: Sequence[float]) -> float:
    """Mean, nan for nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


Row = tuple[str, str, int, dict[str, float], str]


def age_figures(kind: str, clips: list[Answers], ages: Sequence[float | None]) -> Iterator[Row]:
    """Steadiness and bias of age and gender."""
    found: dict[str, dict[str, list[float]]] = {}
    for clip, age in zip(clips, ages, strict=True):
        times = np.array(clip.times)
        clear = (times < BLUR[0]) | (times >= BLUR[1])
        before, during = times < BLUR[0], (times >= BLUR[0]) & (times < BLUR[1])
        said = variants(clip)
        target = float((said["raw"]["age"][clear] @ AGES).mean())
        for name, heads in said.items():
            if "age" not in heads:
                continue
            years = heads["age"] @ AGES
            figures = {
                "age, change from frame to frame": unrest(years),
                "age, the same after the first second": unrest(years[times >= BLUR[1]]),
                "age, mean less that of clear frames": years[clear].mean() - target,
                "age, last frame less that mean": years[-1] - target,
                "age, largest shift by 0.2 s of blur": (
                    float(np.abs(years[during] - years[before][-1]).max()) if during.any() else 0.0
                ),
                "gender, label changes per clip": changes(heads["gender"]),
            }
            if age is not None:
                figures["age, error of all frames"] = float(np.abs(years - age).mean())
            for figure, value in figures.items():
                found.setdefault(figure, {}).setdefault(name, []).append(value)
    for figure, by_name in found.items():
        unit = "changes" if "gender" in figure else "years"
        row = {name: mean(values) for name, values in by_name.items()}
        yield kind, figure, len(clips), row, unit


def calm_figures(kind: str, stretches: list[tuple[Answers, slice]]) -> Iterator[Row]:
    """Jitter of an expression that does not change."""
    jitter: dict[str, list[float]] = {}
    flips: dict[str, list[float]] = {}
    for clip, part in stretches:
        seconds = clip.times[part][-1] - clip.times[part][0]
        for name, heads in variants(clip).items():
            jitter.setdefault(name, []).append(unrest(heads["emotion"][part]))
            flips.setdefault(name, []).append(changes(heads["emotion"][part]) / seconds)
    for figure, by_name, unit in (
        ("expression, change from frame to frame", jitter, "total variation"),
        ("expression, label changes", flips, "1/s"),
    ):
        row = {name: mean(values) for name, values in by_name.items()}
        yield kind, figure, len(stretches), row, unit


def won_s(times: np.ndarray, frames: np.ndarray, old: int, new: int) -> float:
    """When the new expression is ahead of the old one for three frames."""
    ahead = frames[:, new] > frames[:, old]
    for number in np.flatnonzero(times >= CHANGE_S - 0.4):
        if ahead[number : number + 3].all():
            return float(times[number])
    return float("nan")


Pair = tuple[Answers, int, int]
"""A clip, and the expression before and after its middle."""


def clearness(pair: Pair) -> float:
    """Mean probability of the right expression in single frames, of the half that has less."""
    clip, old, new = pair
    times, raw = np.array(clip.times), clip.arrays()["emotion"]
    return float(min(raw[times < CHANGE_S, old].mean(), raw[times > CHANGE_S + 0.2, new].mean()))


def onset_figures(pairs: list[Pair]) -> Iterator[Row]:
    """How far from the same moment in single frames a new expression wins, in milliseconds."""
    for which in ("clear", "all"):
        late: dict[str, list[float]] = {}
        for clip, old, new in pairs:
            times, said = np.array(clip.times), variants(clip)
            start = won_s(times, said["raw"]["emotion"], old, new)
            if (which == "clear" and clearness((clip, old, new)) < CLEAR) or np.isnan(start):
                continue
            for name, heads in said.items():
                delay = 1e3 * abs(won_s(times, heads["emotion"], old, new) - start)
                late.setdefault(name, []).append(delay)
        count = len(late.get("raw", []))
        if not count:
            continue
        for figure, level in (("median", 50), ("p90", 90), ("largest", 100)):
            row = {name: float(np.nanpercentile(values, level)) for name, values in late.items()}
            yield "expressions", f"onset of {which} changes, {figure} delay", count, row, "ms"


def cost_figures(clip: Answers) -> Iterator[Row]:
    """Processor time of smoothing one face of one frame."""
    row = {}
    for name, config in (("smoothed", VideoConfig()), ("symmetric", VideoConfig(symmetric=True))):
        start = time.process_time()
        for _ in range(20):
            smoothed(clip, config)
        row[name] = 1e6 * (time.process_time() - start) / 20 / len(clip.times)
    yield "portrait", "cost of one face of one frame", len(clip.times), row, "us"


# --- data -------------------------------------------------------------------------------------


def known_people(data: Path, count: int) -> Iterator[tuple[float, np.ndarray]]:
    """Age and photograph of validation faces from 5 to 85 years, evenly over their ages."""
    source = open_dataset("utkface", data)
    records = [r for r in source.records() if r.split == "val" and 5 <= (r.age_years or 0) <= 85]
    records.sort(key=lambda record: (record.age_years, record.name))
    for place in np.linspace(0, len(records) - 1, count).astype(int):
        record = records[place]
        yield record.age_years or 0.0, decode(source.read(record.name))


def expression_pairs(data: Path, count: int) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """Two expressions and their photographs, where at least eight of ten people agreed."""
    source = open_dataset("ferplus", data)
    by_label: dict[int, list[str]] = {}
    for record in source.records():
        label = None if record.votes is None else majority(record.votes)
        if record.split == "val" and label is not None and max(record.votes or ()) >= 8:
            by_label.setdefault(label, []).append(record.name)
    rng = np.random.default_rng(2)
    frequent = [EMOTIONS.index(n) for n in ("neutral", "happiness", "surprise", "sadness", "anger")]
    for _ in range(count):
        old, new = (int(label) for label in rng.choice(frequent, 2, replace=False))
        names = [by_label[label][rng.integers(len(by_label[label]))] for label in (old, new)]
        yield old, new, [decode(source.read(name)) for name in names]


# --- picture ----------------------------------------------------------------------------------

COLOURS = {"raw": "#b0b0b0", "smoothed": "#0072b2", "symmetric": "#d55e00"}


def shown(pairs: list[Pair]) -> Pair:
    """The most restless of the clear changes."""
    return max(pairs, key=lambda p: (clearness(p) > CLEAR, unrest(p[0].arrays()["emotion"])))


def draw(path: Path, portrait: Answers, pairs: list[Pair]) -> None:
    """Age of the portrait, and one change of the expression, over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3 + 3 * bool(pairs)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1 + bool(pairs), 1, sharex=True))
    for name, heads in variants(portrait).items():
        if name in COLOURS:
            axes[0].plot(portrait.times, heads["age"] @ AGES, color=COLOURS[name], label=name)
    axes[0].axvspan(*BLUR, color="#f0e442", alpha=0.4, lw=0, label="blurred")
    axes[0].set_ylabel("apparent age (years)")
    if pairs:
        clip, old, new = shown(pairs)
        for name, heads in variants(clip).items():
            if name in COLOURS:
                axes[1].plot(clip.times, heads["emotion"][:, new], color=COLOURS[name], label=name)
        axes[1].axvline(CHANGE_S, color="black", ls=":", lw=1, label="the face changes")
        axes[1].set_ylabel(f"probability of {EMOTIONS[new]}\n(before: {EMOTIONS[old]})")
        axes[1].set_ylim(0, 1)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(loc="lower right", fontsize=8, ncols=4)
    axes[-1].legend(loc="upper left" if pairs else "lower right", fontsize=8)
    axes[0].margins(x=0, y=0.2)
    axes[-1].set_xlabel("time (s)")
    figure.savefig(path, dpi=120)


# --- everything -------------------------------------------------------------------------------


def measure(data: Path | None, count: int) -> tuple[list[Row], dict[str, Any]]:
    """All figures, and what the picture shows."""
    cv2.setNumThreads(1)
    analyzer = Analyzer(threads=1, faces="largest")
    head = decode(PHOTO.read_bytes())[0:240, 100:340]
    portraits = [
        ask(analyzer, film([head], level, level, blur_px=4.0)) for level in range(len(LEVELS))
    ]
    rows = list(age_figures("portrait", portraits, [None] * len(portraits)))
    rows += calm_figures("portrait", [(clip, slice(None)) for clip in portraits])
    rows += cost_figures(portraits[0])
    found: dict[str, Any] = {"age": portraits[1]}
    if data is None:
        return rows, found
    clips, ages = [], []
    for number, (age, photo) in enumerate(known_people(data, count)):
        clip = ask(analyzer, film([photo], number % len(LEVELS), number, blur_px=4.0))
        if len(clip.times) > 0.8 * SECONDS * FPS:
            clips.append(clip)
            ages.append(age)
    rows += age_figures("people", clips, ages)
    pairs, calm = [], []
    for number, (old, new, photos) in enumerate(expression_pairs(data, count)):
        options = {"blur_px": 0.0, "dissolve_s": 0.2 * (number % 2)}
        clip = ask(analyzer, film(photos, min(number % 3, 1), 100 + number, **options))
        # The detector misses some of these tightly cropped faces of 48 pixels.
        if len(clip.times) > 0.8 * SECONDS * FPS:
            pairs.append((clip, old, new))
            before = int(np.searchsorted(clip.times, CHANGE_S - 0.05))
            after = int(np.searchsorted(clip.times, CHANGE_S + 0.8))
            calm += [(clip, slice(8, before)), (clip, slice(after, None))]
    rows += calm_figures("expressions", calm)
    rows += onset_figures(pairs)
    return rows, {**found, "expressions": pairs}


def main() -> None:
    """Measure, print, append, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with utkface and ferplus")
    parser.add_argument("--count", type=int, default=24, help="clips of each kind")
    parser.add_argument("--out", type=Path, help="CSV to append to")
    parser.add_argument("--plot", type=Path, help="PNG to write")
    args = parser.parse_args()
    rows, found = measure(args.data, args.count)
    names = ("raw", "smoothed", "symmetric", "plain")
    print(f"{'':54} {'n':>3} " + " ".join(f"{name:>10}" for name in names))
    lines = []
    for kind, figure, count, values, unit in rows:
        cells = {name: f"{values[name]:.4g}" if name in values else "" for name in names}
        texts = " ".join(f"{cells[name]:>10}" for name in names)
        print(f"{kind + ': ' + figure:54} {count:3} {texts} {unit}")
        lines.append({"clips": kind, "figure": figure, "n": count, **cells, "unit": unit})
    if args.out:
        where = surroundings()
        append(args.out, [line | where for line in lines])
    if args.plot:
        draw(args.plot, found["age"], found.get("expressions", []))


if __name__ == "__main__":
    main()
