"""A recipe: everything that decides which model comes out, as one TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from mien.config import MAX_AGE
from mien.datasets import EMOTIONS, GENDERS
from mien.errors import ConfigError, did_you_mean
from mien.images import InputSpec
from mien.training.tables import (
    AugmentTable,
    DataTable,
    HeadTable,
    TeacherTable,
    TrainTable,
    check_kind,
    check_range,
)

S = TypeVar("S")

HEAD_LABELS: dict[str, tuple[str, ...]] = {
    "age": tuple(str(age) for age in range(MAX_AGE + 1)),
    "gender": GENDERS,
    "emotion": EMOTIONS,
}
"""Usual labels of the heads that a recipe may ask for; those of `emotion` may be others."""

OBJECTIVES: dict[str, dict[str, float]] = {
    "age": {"label-distribution": 0.5, "expectation": 0.1, "bin-likelihood": 0.5},
    "gender": {"cross-entropy": 0.5},
    "emotion": {"cross-entropy": 1.0},
}
"""What a head is trained with when its recipe names no objective."""


NUMBERS = {"min_face_px": "int", "min_sharpness": "float"}
"""Keys of a recipe outside of its tables that are no text, and their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run.

    Attributes:
        name: Name of the model that comes out.
        input: What the network sees.
        heads: What every head is trained with, by name; keys of `HEAD_LABELS`.
        family: Name in `mien.training.networks`.
        network: Options of that family.
        data: Packed data sets.
        train: Optimisation.
        augment: Augmentation.
        teacher: Trained networks to learn from.
        license: Licence of the weights, for the manifest.
        source: One line on the training data, for the manifest.
        min_face_px: Faces narrower than this get no answer by default, for the manifest.
        min_sharpness: Faces less sharp than this get no answer by default, for the manifest; 0
            means that every face gets one.
    """

    name: str
    input: InputSpec
    heads: Mapping[str, HeadTable]
    family: str
    network: Mapping[str, Any]
    data: tuple[DataTable, ...]
    train: TrainTable
    augment: AugmentTable = field(default_factory=AugmentTable)
    teacher: TeacherTable = field(default_factory=TeacherTable)
    license: str = "unknown"
    source: str = ""
    min_face_px: int = 24
    min_sharpness: float = 0.0

    def __post_init__(self) -> None:
        # The name becomes a file name and the header of a manifest table.
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise ConfigError(f"a name has letters, digits, - and _ only, got {self.name!r}")
        check_range(self, ("min_face_px",), 1)
        check_range(self, ("min_sharpness",), 0)
        object.__setattr__(self, "heads", _heads(self.heads))
        for head, table in self.heads.items():
            _check_head(head, table)
        if not self.heads or not self.data:
            raise ConfigError("a recipe needs at least one head and one [[data]] table")
        learns = any("distillation" in table.objective for table in self.heads.values())
        if learns and not self.teacher.runs:
            raise ConfigError("the objective 'distillation' needs a [teacher] table with runs")

    @property
    def batch_size(self) -> int:
        """Faces in one batch."""
        return sum(table.per_batch for table in self.data)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a recipe.

        Raises:
            ConfigError: The file cannot be read, a key is unknown or missing, or a value is wrong.
        """
        table = read_toml(path)
        try:
            return cls.from_mapping(table)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any]) -> Self:
        """Build from a parsed TOML document.

        Raises:
            ConfigError: A key is unknown or missing, or a value is wrong.
        """
        top = dict(table)
        known = [f.name for f in fields(cls) if f.name != "family"]
        for key in top:  # first: what a misspelt table lacks is a riddle
            if key not in known:
                raise ConfigError(f"a recipe has no key {key!r}.{did_you_mean(key, known)}")
        if "name" not in top:
            raise ConfigError("a recipe needs the key 'name'")
        network = _table("network", top.pop("network", {}))
        data = top.pop("data", [])
        if not isinstance(data, list | tuple):
            raise ConfigError("'data' must be a list of tables: write [[data]] on its own line")
        values: dict[str, Any] = {
            "input": _build(InputSpec, "input", top.pop("input", {})),
            "data": tuple(_build(DataTable, "data", part) for part in data),
            "train": _build(TrainTable, "train", top.pop("train", {})),
            "augment": _build(AugmentTable, "augment", top.pop("augment", {})),
            "teacher": _build(TeacherTable, "teacher", top.pop("teacher", {})),
            "family": network.pop("family", "multihead"),
            "network": network,
            "heads": top.pop("heads", {}),
        }
        for key, value in (top | {"family": values["family"]}).items():
            kind = NUMBERS.get(key, "str")
            check_kind("network" if key == "family" else "", key, kind, value)
        return cls(**top, **values)

    def to_mapping(self) -> dict[str, Any]:
        """Return what `from_mapping` takes, JSON-ready."""
        table = asdict(self)
        table["network"] = {"family": table.pop("family"), **table["network"]}
        return table


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a recipe without looking at its keys.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error


def change(table: dict[str, Any], text: str) -> None:
    """Set one key of a parsed recipe, e.g. ``train.learning_rate=0.05`` or ``data.0.mixup=0.2``.

    Args:
        table: Changed in place.
        text: Keys with dots between them, ``=``, and a TOML value; other text is taken as it is.

    Raises:
        ConfigError: There is no ``=``, or the keys lead through something that is no table.
    """
    keys, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"a change looks like train.steps=500, got {text!r}")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *path, last = keys.strip().split(".")
    if path[:1] == ["heads"] and isinstance(table.get("heads"), list):
        table["heads"] = {str(name): {} for name in table["heads"]}  # the short form has no keys
    place: Any = table
    for key in path:
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict) and isinstance(place.setdefault(key, {}), dict | list):
            place = place[key]
        else:
            raise ConfigError(f"{text!r}: {key!r} is no table of the recipe")
    if not isinstance(place, dict):
        raise ConfigError(f"{text!r}: name the number of the entry, e.g. data.0.{last}=…")
    place[last] = parsed


def _heads(value: object) -> dict[str, HeadTable]:
    """``heads = ["age", "gender"]`` for the usual ones, or one table a head."""
    if isinstance(value, list | tuple):
        if len(set(value)) != len(value):
            raise ConfigError(f"heads must be named once each, got {', '.join(map(str, value))}")
        value = {str(name): {} for name in value}
    if not isinstance(value, Mapping):
        raise ConfigError("heads must be a list of names, or one [heads.NAME] table each")
    heads = {}
    for name, table in value.items():
        if isinstance(table, HeadTable):
            heads[name] = table
            continue
        if name not in HEAD_LABELS:
            raise ConfigError(
                f"no head is called {name!r}.{did_you_mean(name, HEAD_LABELS)} "
                f"Known: {', '.join(HEAD_LABELS)}."
            )
        usual = {"labels": HEAD_LABELS[name], "objective": OBJECTIVES[name]}
        heads[name] = _build(HeadTable, f"heads.{name}", usual | _table(f"heads.{name}", table))
    return heads


def _check_head(name: str, table: HeadTable) -> None:
    if name not in HEAD_LABELS:
        raise ConfigError(
            f"no head is called {name!r}.{did_you_mean(name, HEAD_LABELS)} "
            f"Known: {', '.join(HEAD_LABELS)}."
        )
    if name != "emotion" and table.labels != HEAD_LABELS[name]:
        hint = " Use 'groups' for age groups." if name == "age" else ""
        raise ConfigError(f"[heads.{name}]: only the labels of 'emotion' can be chosen.{hint}")
    if table.groups and name != "age":
        raise ConfigError(f"[heads.{name}]: only 'age' has groups")
    if not table.objective:
        raise ConfigError(f"[heads.{name}] needs an objective")


def _table(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name!r} must be a table: write [{name}] on its own line")
    return dict(value)


def _build(kind: type[S], name: str, value: object) -> S:
    table = _table(name, value)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]  # dataclasses, all of them
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"[{name}] has no key {key!r}.{did_you_mean(key, known)}")
        check_kind(name, key, str(known[key].type), value)
    for key, field_ in known.items():
        if key not in table and field_.default is MISSING and field_.default_factory is MISSING:
            raise ConfigError(f"[{name}] needs the key {key!r}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"[{name}]: {error}") from error
