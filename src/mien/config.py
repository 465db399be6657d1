"""Settings as frozen dataclasses: the class is the documentation, TOML only overrides it."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

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


def _read_age_groups(value: str | list[object] | tuple[object, ...]) -> tuple[AgeGroup, ...]:
    return parse_age_groups(value if isinstance(value, str) else ",".join(map(str, value)))


class _Kind(NamedTuple):
    """What a file may say for a setting, and how that is read."""

    wanted: str
    types: tuple[type, ...]
    read: Callable[[Any], Any] | None = None


_KINDS: Mapping[str, _Kind] = {
    "str": _Kind("text", (str,)),
    "tuple[str, ...]": _Kind("a list of text", (list, tuple), tuple),
    "tuple[AgeGroup, ...]": _Kind("text or a list of text", (str, list, tuple), _read_age_groups),
    "float": _Kind("a number", (Real,)),
    "int": _Kind("a whole number", (Integral,)),  # NumPy integers are Integral, but not int
    "bool": _Kind("true or false", (bool,)),
}
"""By the annotation of the field, without ``| None``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Base of the settings that one table of a TOML file may override."""

    table: ClassVar[str]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from a parsed TOML table; unknown keys are errors, not silence.

        Raises:
            ConfigError: A key is unknown, or a value out of range or of the wrong type.
        """
        known = {field.name: field for field in fields(cls)}
        clean: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise ConfigError(
                    f"[{cls.table}] has no setting {key!r}.{did_you_mean(key, known)}"
                )
            unset = value is None and known[key].default is None
            clean[key] = None if unset else cls._read(known[key], value)
        return cls(**clean)

    @classmethod
    def _read(cls, field: Field[Any], value: Any) -> Any:
        """Refuse what a file can say wrongly and a typed caller cannot, e.g. a list without [ ]."""
        annotation = str(field.type).removesuffix(" | None")
        kind = _KINDS[annotation]
        right = isinstance(value, kind.types) and isinstance(value, bool) == (annotation == "bool")
        if right and annotation == "tuple[str, ...]":
            right = all(isinstance(item, str) for item in value)
        if not right:
            raise ConfigError(f"[{cls.table}] {field.name} must be {kind.wanted}, got {value!r}")
        return value if kind.read is None else kind.read(value)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read the settings from their table of a TOML file; without it, the defaults.

        Raises:
            ConfigError: The file cannot be read or parsed, or a setting is wrong.
        """
        try:
            tables = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
        name = cls.table
        settings = tables.get(name, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"{path}: {name!r} must be a table: write [{name}] on its own line")
        try:
            return cls.from_mapping(settings)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeConfig(_Table):
    """What `mien analyze` does when nobody says otherwise.

    Order of precedence: these defaults, then the ``[analyze]`` table of a TOML file, then
    command-line flags. Environment variables are not read.
    """

    table = "analyze"

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

    min_sharpness: float | None = None
    """Faces less sharp than this (`Quality.sharpness`) are found but get no attributes; 0 means
    that every face gets them, ``None``: the model's default."""

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
        sharp = self.min_sharpness
        if sharp is not None and not 0 <= sharp <= sys.float_info.max:
            raise ConfigError(f"min_sharpness must be a number from 0 on, got {sharp}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoConfig(_Table):
    """Which frames of a clip or camera are looked at, and how people are followed in them.

    Order of precedence as for `AnalyzeConfig`; the table of the TOML file is ``[video]``.
    """

    table = "video"

    every_s: float | None = None
    """Look at one frame in so many seconds; ``None`` means every frame."""

    start_s: float = 0.0
    """Where to begin, in seconds from the start of the clip."""

    end_s: float | None = None
    """Where to stop, in seconds from the start of the clip; ``None`` means at its end."""

    max_frames: int | None = None
    """Most frames to look at; ``None`` means no limit."""

    skip_broken: bool = False
    """Go on behind damaged places of a file; otherwise the first one ends the clip."""

    detect_every: int = 3
    """The detector looks at every n-th frame, or when a track is in doubt."""

    lost_s: float = 1.0
    """A person unseen for longer than this many seconds is forgotten."""

    smoothing_s: float = 0.4
    """Time constant of the facial expression in seconds; 0 leaves it as it is."""

    symmetric: bool = False
    """Smooth with the future too, so that nothing comes late; for files only."""

    def __post_init__(self) -> None:
        for name in ("every_s", "start_s", "end_s", "lost_s", "smoothing_s"):
            value = getattr(self, name)
            if value is not None and not abs(value) <= sys.float_info.max:
                raise ConfigError(f"{name} must be a finite number, got {value}")
        for name in ("every_s", "lost_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name} must be more than 0, got {value}")
        least = {"start_s": 0, "smoothing_s": 0, "max_frames": 1, "detect_every": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name} must be at least {low}, got {value}")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ConfigError(
                f"end_s must be later than start_s, got {self.end_s} and {self.start_s}"
            )
