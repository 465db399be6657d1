"""Settings as frozen dataclasses: the class is the documentation, TOML only overrides it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

from mien.errors import ConfigError, did_you_mean

ATTRIBUTES = ("age", "gender", "emotion")
"""Everything that can be asked about a face."""

EMOTIONS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""The eight facial expressions of FER+, in its order; the order of every expression head."""

GENDERS = ("female", "male")
"""Apparent gender as data sets label it; the order of every gender head."""

MAX_AGE = 100
"""Ages run from 0 to this many years; the last one means "this old or older"."""


@dataclass(frozen=True, slots=True, order=True)
class AgeGroup:
    """A range of whole years, both ends included; ``60+`` runs to `MAX_AGE`.

    Attributes:
        low: Youngest age in years.
        high: Oldest age in years.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= MAX_AGE:
            raise ConfigError(
                f"an age group must lie within 0-{MAX_AGE}, got {self.low}-{self.high}"
            )

    def __str__(self) -> str:
        return f"{self.low}+" if self.high == MAX_AGE else f"{self.low}-{self.high}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"13-25"`` or ``"60+"``.

        Raises:
            ConfigError: The text is neither.
        """
        match = re.fullmatch(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})|\+)\s*", text)
        if match is None:
            raise ConfigError(f"an age group looks like '13-25' or '60+', got {text!r}")
        return cls(int(match[1]), MAX_AGE if match[2] is None else int(match[2]))


def parse_age_groups(text: str) -> tuple[AgeGroup, ...]:
    """Read ``"0-12,13-25,26-59,60+"``; the groups must cover every age exactly once.

    Raises:
        ConfigError: A group is malformed, or groups overlap or leave a gap.
    """
    return check_age_groups(tuple(AgeGroup.parse(part) for part in text.split(",")))


def check_age_groups(groups: tuple[AgeGroup, ...]) -> tuple[AgeGroup, ...]:
    """Return `groups` in order, after making sure that they cover every age exactly once.

    Raises:
        ConfigError: They overlap or leave a gap.
    """
    ordered = tuple(sorted(groups))
    expected = 0
    for group in ordered:
        if group.low != expected:
            problem = "overlap" if group.low < expected else "leave a gap"
            raise ConfigError(
                f"age groups must cover 0 to {MAX_AGE} exactly once; "
                f"{', '.join(map(str, ordered))} {problem} at {min(group.low, expected)}"
            )
        expected = group.high + 1
    if expected != MAX_AGE + 1:
        raise ConfigError(
            f"age groups must reach {MAX_AGE}; write the last one as '{ordered[-1].low}+'"
            if ordered
            else "at least one age group is needed"
        )
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeConfig:
    """What `mien analyze` does when nobody says otherwise.

    Order of precedence: these defaults, then the ``[analyze]`` table of a TOML file, then
    command-line flags. Environment variables are not read.
    """

    detector: str = "yunet"
    """Who finds the faces; `mien models list` and docs/detectors.md name the choices."""

    model: str = "mien-m-int8"
    """Who answers: a name from `mien models list`, or the path of an exported ONNX file."""

    attributes: tuple[str, ...] = ATTRIBUTES
    """What to answer; a subset of age, gender, emotion. All three: whatever the model answers."""

    emotions: tuple[str, ...] | None = None
    """Expressions to choose from, renormalised; ``None`` means all that the model knows."""

    age_groups: tuple[AgeGroup, ...] = (
        AgeGroup(0, 12),
        AgeGroup(13, 25),
        AgeGroup(26, 59),
        AgeGroup(60, MAX_AGE),
    )
    """Groups that `Age.group` chooses from."""

    min_score: float | None = None
    """Weakest detection that counts, 0 to 1; ``None`` takes the detector's own default."""

    min_face_px: int | None = None
    """Faces narrower than this are found but get no attributes; ``None``: the model's default."""

    faces: str = "all"
    """``"all"``, or ``"largest"`` for one face an image."""

    batch_size: int = 32
    """Faces in one forward pass; images read ahead are bounded by it, too."""

    threads: int = 0
    """Threads for detection and inference together; 0 means all cores."""

    device: str = "cpu"
    """Where networks run: cpu, cuda, coreml, ...; `mien doctor` lists what is there."""

    max_pixels: int = 100_000_000
    """Larger images are refused: a small file can unpack to gigabytes."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_names()
        # In order, so that equal choices are equal settings and tables have one column order.
        object.__setattr__(self, "age_groups", check_age_groups(self.age_groups))

    def _check_numbers(self) -> None:
        for name, low in (("batch_size", 1), ("threads", 0), ("max_pixels", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if self.min_face_px is not None and self.min_face_px < 1:
            raise ConfigError(f"min_face_px must be at least 1, got {self.min_face_px}")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score must lie between 0 and 1, got {self.min_score}")

    def _check_names(self) -> None:
        if self.faces not in ("all", "largest"):
            raise ConfigError(f"faces must be 'all' or 'largest', got {self.faces!r}")
        for name in self.attributes:
            if name not in ATTRIBUTES:
                raise ConfigError(
                    f"no attribute is called {name!r}.{did_you_mean(name, ATTRIBUTES)} "
                    f"Known: {', '.join(ATTRIBUTES)}."
                )
        if not self.attributes or len(set(self.attributes)) != len(self.attributes):
            raise ConfigError(f"attributes must be named once each, got {self.attributes}")
        if self.emotions is not None and len(set(self.emotions)) != len(self.emotions):
            raise ConfigError(f"emotions must be named once each, got {self.emotions}")
        if self.emotions is not None and len(self.emotions) < 2:
            raise ConfigError("at least two emotions are needed to choose from")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from a parsed TOML table; unknown keys are errors, not silence.

        Raises:
            ConfigError: A key is unknown, or a value out of range or of the wrong type.
        """
        defaults = {field.name: field.default for field in fields(cls)}
        clean: dict[str, Any] = {}
        for key, value in values.items():
            if key not in defaults:
                hint = did_you_mean(key, defaults)
                raise ConfigError(f"[analyze] has no setting {key!r}.{hint}")
            if value is not None or defaults[key] is not None:
                _check_type(key, value)
            clean[key] = tuple(value) if isinstance(value, list) else value
        if "age_groups" in clean:
            groups = clean["age_groups"]
            text = groups if isinstance(groups, str) else ",".join(map(str, groups))
            clean["age_groups"] = parse_age_groups(text)
        return cls(**clean)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read the ``[analyze]`` table of a TOML file.

        Raises:
            ConfigError: The file cannot be read or parsed, or a setting is wrong.
        """
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
        settings = table.get("analyze", {})
        if not isinstance(settings, dict):
            raise ConfigError(f"{path}: 'analyze' must be a table: write [analyze] on its own line")
        try:
            return cls.from_mapping(settings)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


_TEXT = ("text", (str,))
_TEXTS = ("a list of text", (list, tuple))
_WHOLE = ("a whole number", (Integral,))  # NumPy integers are Integral, but not int

_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "detector": _TEXT,
    "model": _TEXT,
    "attributes": _TEXTS,
    "emotions": _TEXTS,
    "age_groups": ("text or a list of text", (str, list, tuple)),
    "min_score": ("a number", (Real,)),
    "min_face_px": _WHOLE,
    "faces": _TEXT,
    "batch_size": _WHOLE,
    "threads": _WHOLE,
    "device": _TEXT,
    "max_pixels": _WHOLE,
}


def _check_type(key: str, value: Any) -> None:
    """Refuse what a file can say wrongly and a typed caller cannot, e.g. a list without [ ]."""
    wanted, types = _TYPES[key]
    right = isinstance(value, types) and not isinstance(value, bool)
    if right and _TYPES[key] is _TEXTS:
        right = all(isinstance(item, str) for item in value)
    if not right:
        raise ConfigError(f"[analyze] {key} must be {wanted}, got {value!r}")
