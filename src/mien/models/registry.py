"""Named things: a small `Registry`, and `ModelSpec`, what is known about one ONNX file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Generic, TypeVar

from mien.errors import ModelError, UnknownModelError
from mien.images import InputSpec

T = TypeVar("T")

METADATA_KEY = "mien"
"""Key in the ONNX file's ``metadata_props`` under which the manifest entry stands as JSON."""

COST_KEY = "mien.int8"
"""Key in ``metadata_props`` of what quantisation cost, as JSON."""


class Registry(Generic[T]):
    """Maps a public name to the thing that builds it.

    >>> decoders: Registry[type] = Registry("attribute decoder")
    >>> @decoders.register("expected-value")
    ... class ExpectedValue: ...
    >>> decoders["expected-value"] is ExpectedValue
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator. A second entry with the same name is a programming error."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownModelError(self.kind, name, self._entries) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """One output of an attribute model.

    Attributes:
        decoder: Name in `mien.attributes.decoders`.
        labels: Label of every class, in the order of the output's columns.
        temperature: Logits are divided by this before the softmax (calibration on validation
            data; Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        interval: Levels of the distribution between which the age interval lies.
        interval_by_age: Rows of age, lower and upper level, by rising age, where one pair of levels
            does not fit everybody: an age belongs to the interval where the share of the
            distribution below it lies between its own levels. Straight lines between the rows,
            constant beyond.
    """

    decoder: str
    labels: tuple[str, ...]
    temperature: float = 1.0
    interval: tuple[float, float] = (0.1, 0.9)
    interval_by_age: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ModelError(f"a head needs at least two different labels, got {self.labels}")
        if not self.temperature > 0:
            raise ModelError(f"temperature must be positive, got {self.temperature}")
        low, high = self.interval
        if not 0 <= low < high <= 1:
            raise ModelError(f"interval must be 0 <= low < high <= 1, got {self.interval}")
        ages = [row[0] for row in self.interval_by_age]
        ordered = all(0 <= low < high <= 1 for _, low, high in self.interval_by_age)
        if not ordered or ages != sorted(set(ages)):
            raise ModelError(
                "interval_by_age must be rows of rising age and 0 <= low < high <= 1, "
                f"got {self.interval_by_age}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Everything that is needed to use, check and credit one ONNX file.

    Attributes:
        name: Public name.
        task: ``"detect"`` or ``"attributes"``.
        file: File name inside ``models/weights``.
        sha256: Checksum of that file; empty for a user's own file.
        license: Licence of the weights.
        source: Where they come from.
        version: Version of the weights.
        card: File name inside ``models/cards``.
        input: Size, colour, mean and std; ``None`` for detectors with free input size.
        template: Alignment template, see `mien.align`.
        heads: Outputs by name, in the order of the file.
        min_face_px: Faces narrower than this get no attributes by default.
        min_sharpness: Faces less sharp than this (`Quality.sharpness`) get none either; with 0,
            which files of older versions mean, blur is no reason to abstain.
    """

    name: str
    task: str
    file: str
    sha256: str
    license: str
    source: str = ""
    version: str = "1"
    card: str = ""
    input: InputSpec | None = None
    template: str = "five-points-36"
    heads: Mapping[str, HeadSpec]
    min_face_px: int = 24
    min_sharpness: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_sharpness < math.inf:
            raise ModelError(
                f"{self.name}: min_sharpness must be a number from 0 on, got {self.min_sharpness}"
            )

    @classmethod
    def from_mapping(cls, name: str, table: Mapping[str, Any]) -> ModelSpec:
        """Build from a manifest table or from the JSON inside an ONNX file.

        Raises:
            ModelError: A key is missing, unknown or has a wrong value.
        """
        try:
            values = dict(table)
            raw_input = values.pop("input", None)
            heads = {
                key: HeadSpec(**_with_tuples(head)) for key, head in values.pop("heads", {}).items()
            }
            spec = None
            if raw_input is not None:
                spec = InputSpec(
                    size=int(raw_input["size"]),
                    colour=raw_input["colour"],
                    mean=tuple(raw_input["mean"]),
                    std=tuple(raw_input["std"]),
                )
            return cls(name=name, input=spec, heads=heads, **values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"model entry {name!r} is not usable: {error!r}") from error

    def to_mapping(self) -> dict[str, Any]:
        """Return the manifest table, JSON-ready; the inverse of `from_mapping`."""
        table: dict[str, Any] = {
            key: getattr(self, key)
            for key in (
                "task",
                "file",
                "sha256",
                "license",
                "source",
                "version",
                "card",
                "template",
                "min_face_px",
                "min_sharpness",
            )
        }
        if self.input is not None:
            table["input"] = {
                "size": self.input.size,
                "colour": self.input.colour,
                "mean": list(self.input.mean),
                "std": list(self.input.std),
            }
        table["heads"] = {
            name: {
                "decoder": head.decoder,
                "labels": list(head.labels),
                "temperature": head.temperature,
                "interval": list(head.interval),
            }
            | (
                {"interval_by_age": [list(row) for row in head.interval_by_age]}
                if head.interval_by_age
                else {}
            )
            for name, head in self.heads.items()
        }
        return table

    @classmethod
    def from_metadata(cls, name: str, metadata: Mapping[str, str]) -> ModelSpec:
        """Read the entry that `mien export` wrote into an ONNX file.

        Raises:
            ModelError: The file was not written by `mien export`.
        """
        text = metadata.get(METADATA_KEY)
        if text is None:
            raise ModelError(
                f"{name}: the ONNX file carries no {METADATA_KEY!r} metadata, so its "
                "preprocessing is unknown. Use a file written by `mien export`."
            )
        try:
            table = json.loads(text)
        except ValueError as error:
            raise ModelError(f"{name}: the {METADATA_KEY!r} metadata is not JSON") from error
        if not isinstance(table, dict):
            raise ModelError(f"{name}: the {METADATA_KEY!r} metadata is not a JSON object")
        return cls.from_mapping(table.pop("name", name), table)


def _with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in table.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def load_manifest() -> dict[str, ModelSpec]:
    """Read the entries of every shipped model, by name."""
    text = files("mien.models").joinpath("manifest.toml").read_text("utf-8")
    return {
        name: ModelSpec.from_mapping(name, table) for name, table in tomllib.loads(text).items()
    }


def find_spec(name: str) -> ModelSpec:
    """Look one shipped model up.

    Raises:
        UnknownModelError: There is none of this name; the message lists what there is.
    """
    manifest = load_manifest()
    if name not in manifest:
        raise UnknownModelError("model", name, manifest)
    return manifest[name]
