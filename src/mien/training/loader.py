"""Packed chips to batches of tensors: everything stays in memory, a batch is an index away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mien.config import MAX_AGE
from mien.datasets import GENDERS, Record, soft_target
from mien.errors import InputError
from mien.images import InputSpec, to_grey
from mien.training.packed import Packed
from mien.training.recipe import DataTable


@dataclass(frozen=True, slots=True)
class Labels:
    """Targets of a batch; a missing label is a row of zeros (or NaN for the age in years).

    Attributes:
        emotion: Vote shares, ``(n, 8)``.
        gender: One-hot, ``(n, 2)``.
        age_years: ``(n,)``, NaN where unknown.
        age_bin: 1 for every age inside the labelled bin, ``(n, 101)``.
    """

    emotion: Tensor
    gender: Tensor
    age_years: Tensor
    age_bin: Tensor

    def __getitem__(self, index: Tensor) -> Labels:
        return Labels(
            self.emotion[index], self.gender[index], self.age_years[index], self.age_bin[index]
        )

    def to(self, device: torch.device) -> Labels:
        """Move to a device."""
        return Labels(
            self.emotion.to(device),
            self.gender.to(device),
            self.age_years.to(device),
            self.age_bin.to(device),
        )

    @staticmethod
    def cat(parts: Sequence[Labels]) -> Labels:
        """Join along the batch axis."""
        return Labels(
            torch.cat([p.emotion for p in parts]),
            torch.cat([p.gender for p in parts]),
            torch.cat([p.age_years for p in parts]),
            torch.cat([p.age_bin for p in parts]),
        )


def encode_labels(records: Sequence[Record]) -> Labels:
    """Turn label records into target tensors."""
    emotion = torch.zeros(len(records), 8)
    gender = torch.zeros(len(records), 2)
    years = torch.full((len(records),), float("nan"))
    bins = torch.zeros(len(records), MAX_AGE + 1)
    for row, record in enumerate(records):
        target = None if record.votes is None else soft_target(record.votes)
        if target is not None:
            emotion[row] = torch.tensor(target)
        if record.gender is not None:
            gender[row, GENDERS.index(record.gender)] = 1.0
        if record.age_years is not None:
            years[row] = min(record.age_years, float(MAX_AGE))
        if record.age_range is not None:
            low, high = record.age_range
            bins[row, low : high + 1] = 1.0
    return Labels(emotion, gender, years, bins)


def _has_label(record: Record) -> bool:
    usable_votes = record.votes is not None and soft_target(record.votes) is not None
    others = (record.age_years, record.age_range, record.gender)
    return usable_votes or any(label is not None for label in others)


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one data set, in memory.

    Attributes:
        name: Name of the data set.
        chips: ``uint8``, shape ``(n, channels, packed_size, packed_size)``.
        labels: Targets, one a chip.
        records: Where the labels came from.
        table: The recipe's settings for it.
    """

    name: str
    chips: Tensor
    labels: Labels
    records: list[Record]
    table: DataTable


def load_part(table: DataTable, split: str, spec: InputSpec) -> Part:
    """Read one split of a packed data set.

    Raises:
        InputError: The folder is missing, cut for another chip size, or the split is empty.
    """
    packed = Packed.load(Path(table.path))
    if packed.align.size != spec.size:
        raise InputError(
            f"{table.path}: chips are {packed.align.size} px, the recipe wants {spec.size} px"
        )
    rows = [
        row
        for row, record in enumerate(packed.records)
        if record.split == split and packed.found[row] and _has_label(record)
    ]
    if not rows:
        raise InputError(f"{table.path}: the split {split!r} is empty")
    chips = packed.chips[np.array(rows)]
    if spec.colour == "grey":
        chips = to_grey(chips)
    elif chips.shape[3] == 1:
        chips = np.repeat(chips, 3, axis=3)
    records = [packed.records[row] for row in rows]
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(chips, 3, 1)))
    return Part(packed.dataset, planes, encode_labels(records), records, table)


def stream_seed(seed: int, stream: int, number: int) -> int:
    """Seed number `number` of an independent stream of randomness."""
    return (seed * 1_000_003 + stream * 10_007_003 + number * 7_919) % 2**31


class Mixer:
    """Says which rows make up batch number `step`: a pure function of seed and step.

    Every data set is walked through in shuffled rounds, each at its own pace, so a run that is
    resumed at any step sees exactly the batches it would have seen.
    """

    def __init__(self, parts: Sequence[Part], seed: int) -> None:
        self.parts = parts
        self.seed = seed
        self._rounds: dict[tuple[int, int], Tensor] = {}

    def rows(self, step: int) -> list[Tensor]:
        """Row numbers of every data set for one batch."""
        return [self._rows(k, step) for k in range(len(self.parts))]

    def _rows(self, k: int, step: int) -> Tensor:
        size, count = len(self.parts[k].records), self.parts[k].table.per_batch
        wanted = torch.arange(step * count, (step + 1) * count)
        taken = [
            self._order(k, int(number))[wanted[wanted // size == number] % size]
            for number in torch.unique(wanted // size)
        ]
        return torch.cat(taken)

    def _order(self, k: int, number: int) -> Tensor:
        key = (k, number)
        if key not in self._rounds:
            for old in [other for other in self._rounds if other[0] == k and other[1] < number - 1]:
                del self._rounds[old]
            generator = torch.Generator().manual_seed(stream_seed(self.seed, 1 + k, number))
            self._rounds[key] = torch.randperm(len(self.parts[k].records), generator=generator)
        return self._rounds[key]
