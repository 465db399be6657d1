"""What the pipeline hands to the user.

Everything here is immutable, comparable with ``==`` and made of plain Python values, so a
result can be logged, pickled, put in a set or turned into JSON without thinking.
NumPy arrays live in the pipeline, never in a result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

SCHEMA_VERSION = 2
"""Version of the mapping that `FrameResult.to_dict` returns; see `json_schema`."""


class Point(NamedTuple):
    """A position in pixels of the source image; the origin is the top left corner."""

    x: float
    y: float


class Box(NamedTuple):
    """Axis-aligned rectangle in pixels of the source image; right and bottom are exclusive.

    A face that the border cuts keeps its full box, so coordinates may lie outside the image.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top


class Landmarks(NamedTuple):
    """Five points of a face. Right and left are the person's own, not the viewer's."""

    right_eye: Point
    left_eye: Point
    nose: Point
    right_mouth: Point
    left_mouth: Point


@dataclass(frozen=True, slots=True)
class Distribution:
    """Probabilities over a closed set of labels; they sum to one."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.probabilities):
            raise ValueError(
                f"{len(self.labels)} labels but {len(self.probabilities)} probabilities"
            )

    @property
    def best(self) -> str:
        """The most probable label; a tie goes to the label that comes first."""
        return self.labels[self.probabilities.index(max(self.probabilities))]

    @property
    def probability(self) -> float:
        """Probability of `best`."""
        return max(self.probabilities)

    def __getitem__(self, label: str) -> float:
        """Probability of one label."""
        try:
            return self.probabilities[self.labels.index(label)]
        except ValueError:
            raise KeyError(label) from None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "label": self.best,
            "probability": self.probability,
            "probabilities": dict(zip(self.labels, self.probabilities, strict=True)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """Apparent age of one face.

    Attributes:
        years: Median of the distribution.
        low: Lower end of the 80 % interval, in years.
        high: Upper end of the 80 % interval, in years.
        group: Most probable age group among the configured ones, e.g. ``"26-59"``.
        groups: Probability of every configured age group.
        distribution: Probability of every age from 0 to 100 years, 101 numbers.
    """

    years: float
    low: float
    high: float
    group: str
    groups: Distribution
    distribution: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "years": self.years,
            "low": self.low,
            "high": self.high,
            "group": self.group,
            "groups": dict(zip(self.groups.labels, self.groups.probabilities, strict=True)),
            "distribution": list(self.distribution),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How much the picture of a face lets anybody say about it.

    Attributes:
        size_px: Shorter side of the face box in pixels of the source image.
        sharpness: Variance of the Laplacian of the aligned luma chip, 0 (flat) upwards; below
            about 20 a face looks blurred.
        yaw_deg: Turn of the head, 0 is frontal, positive towards the viewer's right. A rough
            estimate from five landmarks; ``None`` without landmarks.
        pitch_deg: Nod, 0 is level, positive looks up. Rough, as `yaw_deg`.
        roll_deg: Tilt in the image plane, positive is clockwise. ``None`` without landmarks.
    """

    size_px: float
    sharpness: float
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "size_px": self.size_px,
            "sharpness": self.sharpness,
            "yaw_deg": self.yaw_deg,
            "pitch_deg": self.pitch_deg,
            "roll_deg": self.roll_deg,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """What the frames of one person say together, up to this one.

    Age and gender, which do not change within a clip, gather evidence from every frame; the
    expression, which does, follows with a short time constant.

    Attributes:
        age: Apparent age. ``None`` as long as no frame has answered.
        gender: Apparent gender as data sets label it. ``None`` as for `age`.
        emotion: Apparent facial expression. ``None`` as for `age`.
    """

    age: Age | None = None
    gender: Distribution | None = None
    emotion: Distribution | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return _answers(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face in one frame.

    Attributes:
        box: Where the face is.
        score: Detector confidence, 0 to 1. Not comparable between detectors.
        landmarks: Eyes, nose and mouth corners; ``None`` when the detector finds none.
        age: Apparent age. ``None`` when not asked for or when `skipped` is set.
        gender: Apparent gender as data sets label it. ``None`` as for `age`.
        emotion: Apparent facial expression, not felt emotion. ``None`` as for `age`.
        quality: Size, sharpness and pose; ``None`` only when the face could not be aligned.
        track_id: Same number for the same person within one video; ``None`` for stills.
        smoothed: The answers of this person's frames together; ``None`` for stills. It may be
            there when `skipped` is set: earlier frames have answered.
        skipped: Why attributes were not computed, e.g. ``"face narrower than 24 px"``.
    """

    box: Box
    score: float
    landmarks: Landmarks | None = None
    age: Age | None = None
    gender: Distribution | None = None
    emotion: Distribution | None = None
    quality: Quality | None = None
    track_id: int | None = None
    smoothed: Smoothed | None = None
    skipped: str | None = None

    @property
    def age_years(self) -> float | None:
        """Apparent age, or ``None``."""
        return None if self.age is None else self.age.years

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; keys as in the JSON Schema ``schema.json``."""
        marks = None if self.landmarks is None else self.landmarks._asdict().items()
        return {
            "box": self.box._asdict(),
            "score": self.score,
            "landmarks": None if marks is None else {name: list(point) for name, point in marks},
            **_answers(self),
            "quality": None if self.quality is None else self.quality.to_dict(),
            "track_id": self.track_id,
            "smoothed": None if self.smoothed is None else self.smoothed.to_dict(),
            "skipped": self.skipped,
        }


def _answers(asked: Face | Smoothed) -> dict[str, Any]:
    return {
        "age": None if asked.age is None else asked.age.to_dict(),
        "gender": None if asked.gender is None else asked.gender.to_dict(),
        "emotion": None if asked.emotion is None else asked.emotion.to_dict(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """All faces of one frame, largest first.

    Attributes:
        source: Path, URL or name of the image, as the user gave it.
        index: Position of the frame in its source; 0 for stills.
        time_s: Time stamp within a video in seconds; ``None`` for stills.
        width: Width of the upright image in pixels; 0 when it could not be read.
        height: Height of the upright image in pixels; 0 when it could not be read.
        faces: What was found.
        error: Why the image could not be read, one line; ``None`` when it could.
    """

    source: str
    index: int = 0
    time_s: float | None = None
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping. Keys are stable within one `SCHEMA_VERSION`."""
        return {
            "schema": SCHEMA_VERSION,
            "source": self.source,
            "index": self.index,
            "time_s": self.time_s,
            "width": self.width,
            "height": self.height,
            "error": self.error,
            "faces": [face.to_dict() for face in self.faces],
        }


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `FrameResult.to_dict` returns.

    Returns:
        A new mapping at every call, so that changing it changes nothing else.
    """
    text = files("mien").joinpath("schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
