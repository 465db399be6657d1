"""A recipe: everything that decides which model comes out, as one TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from mien.config import MAX_AGE
from mien.datasets import EMOTIONS, GENDERS
from mien.errors import ConfigError, did_you_mean
from mien.images import InputSpec

S = TypeVar("S")

HEAD_LABELS: dict[str, tuple[str, ...]] = {
    "age": tuple(str(age) for age in range(MAX_AGE + 1)),
    "gender": GENDERS,
    "emotion": EMOTIONS,
}
"""Labels of the heads that a recipe may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """One ``[[data]]`` table: a packed folder and how much of every batch it fills."""

    path: str
    """Folder written by `mien prepare`, relative to where the command runs."""

    per_batch: int
    """Faces of this data set in every batch."""

    mixup: float = 0.0
    """Beta parameter of mixup within this data set; 0 is off (Zhang et al., ICLR 2018)."""

    def __post_init__(self) -> None:
        if self.per_batch < 1:
            raise ConfigError(f"per_batch must be at least 1, got {self.per_batch}")
        if self.mixup < 0:
            raise ConfigError(f"mixup must not be negative, got {self.mixup}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTable:
    """The ``[train]`` table."""

    steps: int
    """Batches in the whole run."""

    start: str = ""
    """Folder of an earlier run whose best averaged weights are the start; empty: random ones."""

    learning_rate: float = 0.1
    """Highest rate, reached after the warm-up; falls to zero along a cosine."""

    warmup: float = 0.1
    """Share of the steps in which the rate climbs."""

    momentum: float = 0.9
    """Nesterov momentum of SGD."""

    weight_decay: float = 5e-4
    """On weights of convolutions and linear layers only."""

    clip_norm: float = 5.0
    """Gradients longer than this are shortened."""

    ema: float = 0.999
    """Decay of the averaged weights; these are evaluated and exported."""

    seed: int = 7
    """Decides weights, order and augmentation."""

    evaluate_every: int = 400
    """Steps between two looks at the validation split, each with a checkpoint."""

    select: str = "score"
    """Validation metric that picks the best checkpoint; ``age_mae`` counts downwards."""

    def __post_init__(self) -> None:
        for name in ("steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema must lie in [0, 1), got {self.ema}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTable:
    """The ``[loss]`` table: weight of every term."""

    emotion: float = 1.0
    """Cross-entropy to the vote shares."""

    gender: float = 0.5
    """Cross-entropy."""

    age_distribution: float = 0.5
    """Cross-entropy to a normal distribution around the label (DLDL-v2)."""

    age_sigma: float = 2.0
    """Standard deviation of that distribution in years."""

    age_expectation: float = 0.1
    """Absolute error of the expected age, per year."""

    age_bin: float = 0.5
    """Negative log of the mass inside the labelled bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentTable:
    """The ``[augment]`` table; all of it happens to whole batches of tensors."""

    rotate_deg: float = 12.0
    """Standard deviation of the rotation is half of this; never more than this."""

    scale: float = 0.15
    """Up to this much larger or smaller."""

    shift: float = 0.06
    """Up to this share of the width, in both directions."""

    flip: bool = True
    """Mirror half of the faces."""

    brightness: float = 0.25
    """Up to this share of the full range is added."""

    contrast: float = 0.35
    """Contrast is multiplied by 1 plus or minus up to this."""

    low_resolution: float = 0.4
    """Probability of being shrunk to 20 to 64 px and enlarged again."""

    noise: float = 0.02
    """Highest standard deviation of added noise, full range is 1."""

    erase: float = 0.3
    """Probability that a rectangle of up to a fifth of the area is blanked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run.

    Attributes:
        name: Name of the model that comes out.
        input: What the network sees.
        heads: Heads to train, keys of `HEAD_LABELS`.
        family: Name in `mien.training.networks`.
        network: Options of that family.
        data: Packed data sets.
        train: Optimisation.
        loss: Loss weights.
        augment: Augmentation.
        license: Licence of the weights, for the manifest.
        source: One line on the training data, for the manifest.
    """

    name: str
    input: InputSpec
    heads: tuple[str, ...]
    family: str
    network: Mapping[str, Any]
    data: tuple[DataTable, ...]
    train: TrainTable
    loss: LossTable = field(default_factory=LossTable)
    augment: AugmentTable = field(default_factory=AugmentTable)
    license: str = "unknown"
    source: str = ""

    def __post_init__(self) -> None:
        # The name becomes a file name and the header of a manifest table.
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise ConfigError(f"a name has letters, digits, - and _ only, got {self.name!r}")
        object.__setattr__(self, "heads", tuple(self.heads))
        for head in self.heads:
            if head not in HEAD_LABELS:
                raise ConfigError(
                    f"no head is called {head!r}.{did_you_mean(head, HEAD_LABELS)} "
                    f"Known: {', '.join(HEAD_LABELS)}."
                )
        if not self.heads or not self.data:
            raise ConfigError("a recipe needs at least one head and one [[data]] table")
        if len(set(self.heads)) != len(self.heads):
            raise ConfigError(f"heads must be named once each, got {', '.join(self.heads)}")

    @property
    def classes(self) -> dict[str, int]:
        """Number of classes of every head."""
        return {head: len(HEAD_LABELS[head]) for head in self.heads}

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
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
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
        network = _table("network", top.pop("network", {}))
        data = top.pop("data", [])
        if not isinstance(data, list | tuple):
            raise ConfigError("'data' must be a list of tables: write [[data]] on its own line")
        values: dict[str, Any] = {
            "input": _build(InputSpec, "input", top.pop("input", {})),
            "data": tuple(_build(DataTable, "data", part) for part in data),
            "train": _build(TrainTable, "train", top.pop("train", {})),
            "loss": _build(LossTable, "loss", top.pop("loss", {})),
            "augment": _build(AugmentTable, "augment", top.pop("augment", {})),
            "family": network.pop("family", "multihead"),
            "network": network,
            "heads": top.pop("heads", ()),
        }
        for key in ("name", "license", "source"):
            if key in top:
                values[key] = top.pop(key)
        for key in top:
            known = [f.name for f in fields(cls)]
            raise ConfigError(f"a recipe has no key {key!r}.{did_you_mean(key, known)}")
        if isinstance(values["heads"], str):
            raise ConfigError("heads must be a list of text")
        if "name" not in values:
            raise ConfigError("a recipe needs the key 'name'")
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return what `from_mapping` takes, JSON-ready."""
        table = asdict(self)
        table["network"] = {"family": table.pop("family"), **table["network"]}
        return table


def _table(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name!r} must be a table: write [{name}] on its own line")
    return dict(value)


def _build(kind: type[S], name: str, value: object) -> S:
    table = _table(name, value)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]  # all callers pass dataclasses
    for key in table:
        if key not in known:
            raise ConfigError(f"[{name}] has no key {key!r}.{did_you_mean(key, known)}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"[{name}]: {error}") from error
