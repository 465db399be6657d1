"""The tables of a recipe. Every field is a key of the TOML file; its text is the manual."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mien.config import AgeGroup, check_age_groups
from mien.datasets import EMOTIONS
from mien.datasets.ferplus_votes import FILTERS
from mien.errors import ConfigError, did_you_mean

SCHEDULES = ("one-cycle", "cosine", "plateau", "constant")
OPTIMISERS = ("sgd", "adam", "adamw", "muon")
PRECISIONS = ("bf16", "fp32")
BALANCED = ("age", "gender", "race", "expression")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = MappingProxyType(
    {
        "str": ("text", lambda v: isinstance(v, str)),
        "bool": ("true or false", lambda v: isinstance(v, bool)),
        "int": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
        "float": ("a number", _is_number),
        "tuple[str, ...]": (
            "a list of text",
            lambda v: isinstance(v, list | tuple) and all(isinstance(item, str) for item in v),
        ),
        "tuple[float, ...]": (
            "a list of numbers",
            lambda v: isinstance(v, list | tuple) and all(map(_is_number, v)),
        ),
    }
)
"""What a field of a table may hold, by its annotation; tables inside tables check themselves."""


def check_kind(table: str, key: str, kind: str, value: object) -> None:
    """Refuse a value of another kind than its field, which a file can hold.

    Args:
        table: Name of the table, for the message; empty at the top.
        key: Name of the field.
        kind: Its annotation.
        value: What the file says.

    Raises:
        ConfigError: It is of another kind.
    """
    if kind in KINDS and not KINDS[kind][1](value):
        where = f"[{table}] {key}" if table else key
        raise ConfigError(f"{where} must be {KINDS[kind][0]}, got {value!r}")


def check_range(owner: object, names: tuple[str, ...], low: float, *, above: bool = False) -> None:
    """Refuse numbers below `low`, or at it when they must lie above.

    Raises:
        ConfigError: One of them does.
    """
    for name in names:
        value = getattr(owner, name)
        if value < low or (above and value == low):
            limit = f"be more than {low}" if above else f"be at least {low}"
            raise ConfigError(f"{name} must {limit}, got {value}")


def choose(key: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not among the known ones.

    Raises:
        ConfigError: It is not.
    """
    if value not in known:
        raise ConfigError(
            f"{key} must be one of {', '.join(known)}; got {value!r}.{did_you_mean(value, known)}"
        )


def check_share(key: str, value: float) -> None:
    """Refuse what is no share.

    Raises:
        ConfigError: It lies outside 0 to 1.
    """
    if not 0 <= value <= 1:
        raise ConfigError(f"{key} must lie between 0 and 1, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """One ``[[data]]`` table: a packed folder and how much of every batch it fills."""

    path: str
    """Folder written by `mien prepare`, relative to where the command runs."""

    per_batch: int
    """Faces of this data set in every batch (of every process, when there are several)."""

    dataset: str = ""
    """Name of the reader, for `mien prepare --recipe`."""

    source: str = ""
    """Where the data set lies, for `mien prepare --recipe`."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the reader, the table ``[data.options]``."""

    filter: str = "soft"
    """How FER+ votes become a target; see `mien.datasets.ferplus_target`."""

    mixup: float = 0.0
    """Beta parameter of mixup within this data set; 0 is off (Zhang et al., ICLR 2018)."""

    cutmix: float = 0.0
    """Beta parameter of cutmix within this data set; 0 is off (Yun et al., ICCV 2019)."""

    balance: float = 0.0
    """Faces are drawn in proportion to ``share_of_their_group ** -balance``: at 0 all of them
    equally often, at 1 all groups. No face more than 8 times as often as without it."""

    balance_by: tuple[str, ...] = ("age", "gender")
    """What makes a group, crossed: age (its decade, the first split into 0-2 and 3-9), gender,
    race, expression. Faces without a label are a group of their own."""

    def __post_init__(self) -> None:
        check_range(self, ("per_batch",), 1)
        check_range(self, ("mixup", "cutmix"), 0)
        choose("filter", self.filter, tuple(FILTERS))
        check_share("balance", self.balance)
        for name in self.balance_by:
            choose("balance_by", name, BALANCED)
        if not self.balance_by or len(set(self.balance_by)) != len(self.balance_by):
            raise ConfigError(f"balance_by must name labels once each, got {self.balance_by}")
        if self.mixup and self.cutmix:
            raise ConfigError("a data set takes mixup or cutmix, not both")
        if not isinstance(self.options, Mapping):
            raise ConfigError(f"options must be a table [data.options], got {self.options!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTable:
    """One ``[heads.NAME]`` table: a question and what its answer is trained with."""

    labels: tuple[str, ...] = EMOTIONS
    """Classes of the expression head, in the order of its outputs; any words."""

    groups: tuple[str, ...] = ()
    """Age groups as classes of the age head, e.g. ``["0-12", "13-25", "26-59", "60+"]``."""

    objective: Mapping[str, float] = field(default_factory=dict)
    """Names in `mien.training.objectives` with their weights; a single name has weight 1."""

    sigma: float = 2.0
    """label-distribution: standard deviation around the labelled age, in years."""

    smoothing: float = 0.1
    """label-smoothing: share of the target that is spread over all classes."""

    gamma: float = 2.0
    """focal: how much easy faces count less."""

    variance: float = 0.05
    """mean-variance: weight of the variance beside the squared error of the mean."""

    def __post_init__(self) -> None:
        if isinstance(self.objective, str):
            object.__setattr__(self, "objective", {self.objective: 1.0})
        if not isinstance(self.objective, Mapping):
            raise ConfigError(f"objective must be a name or a table, got {self.objective!r}")
        for name, weight in self.objective.items():
            if not _is_number(weight) or weight < 0:
                raise ConfigError(f"the weight of objective {name!r} must be a number from 0 on")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(f"a head needs two or more different labels, got {self.labels}")
        if self.groups and check_age_groups(self.age_groups) != self.age_groups:
            raise ConfigError(f"age groups must be written youngest first, got {self.groups}")
        check_range(self, ("sigma",), 0, above=True)
        check_range(self, ("gamma", "variance"), 0)
        check_share("smoothing", self.smoothing)

    @property
    def age_groups(self) -> tuple[AgeGroup, ...]:
        """The age groups, youngest first as they must be written."""
        return tuple(AgeGroup.parse(text) for text in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherTable:
    """The ``[teacher]`` table, for the objective ``distillation``."""

    runs: tuple[str, ...] = ()
    """Folders of runs, files of `mien export`, shipped models; their answers are averaged."""

    temperature: float = 2.0
    """Both sides are softened by this (Hinton, Vinyals, Dean, 2015)."""

    mirror: bool = False
    """Average over the mirror image, too: the student learns with one look what took two."""

    def __post_init__(self) -> None:
        check_range(self, ("temperature",), 0, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTable:
    """The ``[train]`` table."""

    steps: int
    """Batches in the whole run."""

    start: str = ""
    """What to begin with: the folder of an earlier run (its best averaged weights), an exported
    ``.onnx``, a shipped model by name, or a ``.safetensors`` file of plain layers, from which the
    network takes what fits by name and shape; empty: random weights."""

    optimiser: str = "sgd"
    """sgd (with Nesterov momentum), adam, adamw, or muon, which is adamw but for convolutions."""

    schedule: str = "one-cycle"
    """one-cycle (climb, then a cosine), cosine, plateau (see `factor`) or constant."""

    learning_rate: float = 0.1
    """Highest rate."""

    trunk_rate: float = 1.0
    """Factor on the rate of everything in front of the heads, a batch norm over their features
    too, for a trunk that `start` has filled: 0.1 moves it ten times more slowly than the heads. At
    0 only its batch norm statistics move."""

    warmup: float = 0.1
    """one-cycle: share of the steps in which the rate climbs."""

    factor: float = 0.1
    """plateau: the rate is multiplied by this when `select` has stopped improving."""

    plateau: int = 2
    """plateau: evaluations without improvement in a row that make this happen."""

    patience: int = 0
    """Evaluations without improvement of `select` that end the run early; 0 never does."""

    momentum: float = 0.9
    """Nesterov momentum of SGD."""

    weight_decay: float = 5e-4
    """On weights of convolutions and linear layers only."""

    clip_norm: float = 5.0
    """Gradients longer than this are shortened."""

    ema: float = 0.999
    """Decay of the averaged weights; these are evaluated and exported."""

    sam: float = 0.0
    """Radius of sharpness-aware minimisation; 0 is off (Foret et al., ICLR 2021)."""

    sam_from: float = 0.67
    """Share of the run after which it begins; every step then costs two."""

    precision: str = "bf16"
    """bf16 runs convolutions in bfloat16 under autocast; fp32 does not."""

    seed: int = 7
    """Decides weights, order and augmentation."""

    evaluate_every: int = 400
    """Steps between two looks at the validation split, each with a checkpoint."""

    select: str = "score"
    """Validation metric that picks the best checkpoint; names in ``_mae`` count downwards."""

    def __post_init__(self) -> None:
        check_range(self, ("steps", "evaluate_every", "plateau"), 1)
        check_range(self, ("learning_rate", "clip_norm"), 0, above=True)
        check_range(self, ("weight_decay", "sam", "patience", "trunk_rate"), 0)
        for name in ("ema", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        choose("optimiser", self.optimiser, OPTIMISERS)
        choose("schedule", self.schedule, SCHEDULES)
        choose("precision", self.precision, PRECISIONS)
        check_share("sam_from", self.sam_from)
        check_share("warmup", self.warmup)
        if not 0 < self.factor < 1:
            raise ConfigError(f"factor must lie between 0 and 1, got {self.factor}")


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

    jpeg: float = 0.0
    """Probability of being stored as JPEG of quality 10 to 90, at 40 px or more."""

    noise: float = 0.02
    """Highest standard deviation of added noise, full range is 1."""

    tint: float = 0.0
    """Every colour is multiplied by its own 1 plus or minus up to this; grey faces stay grey."""

    grey: float = 0.0
    """Probability that a face in colour is seen in grey."""

    erase: float = 0.3
    """Probability that a rectangle of up to a fifth of the area is blanked."""

    def __post_init__(self) -> None:
        check_range(self, ("rotate_deg", "scale", "shift", "noise"), 0)
        for name in ("brightness", "contrast", "low_resolution", "jpeg", "tint", "grey", "erase"):
            check_share(name, getattr(self, name))
