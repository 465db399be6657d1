"""What an export format is, what it is made from, and how its answers are compared."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mien.attributes.decoders import softmax
from mien.images import InputSpec, normalise
from mien.models import ModelSpec
from mien.training.augment import centre_crop
from mien.training.loader import Part
from mien.training.recipe import Recipe

PARITY_FACES = 256
ENTRY_FILE = "mien.json"
"""Name of the manifest entry inside formats that are archives of files."""

Batch = npt.NDArray[np.float32]
Runner = Callable[[Batch], Mapping[str, Batch]]
"""Images ``(n, channels, size, size)``, normalised, to logits ``(n, labels)`` by head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What every format is written from.

    Attributes:
        network: Float32, in evaluation mode; maps images to logits over the labels by head.
        spec: The manifest entry that the file carries.
        recipe: Of the run.
        held_out: Validation splits.
    """

    network: nn.Module
    spec: ModelSpec
    recipe: Recipe
    held_out: Sequence[Part]

    @property
    def heads(self) -> tuple[str, ...]:
        """Outputs in the order of the file."""
        return tuple(self.spec.heads)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(channels, size, size)`` of one image."""
        return self.recipe.input.channels, self.recipe.input.size, self.recipe.input.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far the answers of a file are from those of torch on the same faces.

    Attributes:
        faces: How many were compared.
        logit: Largest difference of a logit.
        probability: Largest difference of a probability.
        moved: Share of the probability that went to other labels: the total variation distance,
            mean over the faces, of the worst head.
    """

    faces: int
    logit: float
    probability: float
    moved: float


class Format(ABC):
    """One file format.

    Attributes:
        suffixes: Endings of its files.
        variant: Appended to the model's name when its answers are not those of the float network.
        extra: Extra of mien that brings `libraries`.
        libraries: Modules that must be installed.
        bounded: Which number of `Parity` is held against the tolerance.
        tolerance: Largest allowed value of it.
        runs_here: Whether `mien` itself can run the file, so that a manifest may name it.
    """

    suffixes: ClassVar[tuple[str, ...]]
    variant: ClassVar[str] = ""
    extra: ClassVar[str] = "train"
    libraries: ClassVar[tuple[str, ...]] = ()
    bounded: ClassVar[Literal["logit", "moved"]] = "logit"
    tolerance: ClassVar[float] = 1e-3
    runs_here: ClassVar[bool] = False

    @abstractmethod
    def write(self, source: Source, out: Path) -> list[str]:
        """Write the file and return what is worth telling, one line each.

        Raises:
            ModelError: The converter cannot convert this network.
        """

    def files(self, out: Path) -> list[Path]:
        """Every file that `write` leaves; the one that the user named comes last."""
        return [out]

    @abstractmethod
    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Load a written file in the runtime that an app would use.

        Args:
            path: The file.
            heads: Outputs to answer.
            threads: Of one call; 0 leaves the choice to the runtime.
        """


def entry_text(spec: ModelSpec) -> str:
    """The manifest entry as JSON, as it stands in every exported file."""
    # A file cannot hold its own checksum.
    table = {"name": spec.name, **spec.to_mapping(), "sha256": ""}
    return json.dumps(table, separators=(",", ":"))


def torch_runner(network: nn.Module) -> Runner:
    """The network itself as a runner."""
    network = network.float().eval()

    @torch.no_grad()
    def run(batch: Batch) -> dict[str, Batch]:
        answers: Mapping[str, Tensor] = network(torch.from_numpy(batch))
        return {head: values.numpy() for head, values in answers.items()}

    return run


def prepared(chips: Tensor, spec: InputSpec) -> Batch:
    """Packed chips as the serving pipeline would hand them to the network."""
    plain = centre_crop(chips, spec.size)
    return normalise(np.moveaxis(plain.numpy(), 1, 3), spec)


def parity_faces(parts: Sequence[Part], spec: InputSpec, count: int = PARITY_FACES) -> Batch:
    """Up to `count` faces, the same number from every data set, ready for the network."""
    share = -(-count // len(parts))
    return np.concatenate([prepared(part.chips[:share], spec) for part in parts])[:count]


def answer_all(
    run: Runner, parts: Sequence[Part], spec: InputSpec, batch: int = 128
) -> list[dict[str, Tensor]]:
    """Logits of every face, one mapping a part."""
    answers = []
    for part in parts:
        rows: dict[str, list[Batch]] = {}
        for start in range(0, len(part.chips), batch):
            found = run(prepared(part.chips[start : start + batch], spec))
            for head, values in found.items():
                rows.setdefault(head, []).append(values)
        answers.append({h: torch.from_numpy(np.concatenate(v)) for h, v in rows.items()})
    return answers


def compare(expected: Mapping[str, Batch], found: Mapping[str, Batch], spec: ModelSpec) -> Parity:
    """Compare two answers for the same faces; what is not a number stays so."""
    logit, probability, moved = [], [], []
    for head, entry in spec.heads.items():
        logit.append(np.abs(expected[head] - found[head]).max())
        change = np.abs(
            softmax(expected[head], entry.temperature) - softmax(found[head], entry.temperature)
        )
        probability.append(change.max())
        moved.append(change.sum(axis=1).mean() / 2)
    # NumPy's maximum, because Python's overlooks what is not a number.
    return Parity(
        faces=len(next(iter(found.values()))),
        logit=float(np.max(logit)),
        probability=float(np.max(probability)),
        moved=float(np.max(moved)),
    )
